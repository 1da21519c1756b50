"""Sampling with vLLM, in this process, on a GPU or on the processor build. The only file that imports vllm.

A policy that is trained whole hands its weights over through memory, at the start and after every update. One that
trains an adapter hands over the adapter alone and vLLM adds it to the base as it computes: merged into bf16 weights,
most of a small update would be rounded away. A model that takes images is asked and never trained: vLLM reads it by
itself. While the learner works vLLM sleeps, on a card. Its defaults are kept wherever they suit; by prefix caching the
samples of a prompt, and prompts with a common head, share a prefill.
"""

import gc
import os
import tempfile
import warnings
from collections.abc import Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import numpy as np
import torch
from peft import PeftModel

from azr.config.fields import TailConfig, VllmConfig
from azr.errors import UserError
from azr.policy.device import own_random_state
from azr.policy.image_text import opened
from azr.policy.model import Policy, in_one_piece, merged_weights
from azr.rollout.ending import finish
from azr.rollout.engine import Completion, OnDone, Request, refuse_pictured
from azr.rollout.tail import CUT_NOTHING, Tail


class VllmEngine:
    """Implements azr.rollout.engine.Engine.

    One point differs from the protocol: where a request's top_p is below 1, vLLM gives log-probabilities after the cut.
    """

    name = "vllm"
    has_weights = True

    def __init__(
        self, policy: Policy, config: VllmConfig, max_tokens: int | None = None, tail: TailConfig = CUT_NOTHING
    ) -> None:
        """`max_tokens` bounds a prompt and its response together; None takes the model's own limit. `tail` bounds a
        call's last samples.

        Raises UserError if the key/value cache that `config` grants can't hold one sequence of that length.
        """
        self._tokenizer, self._eos = policy.tokenizer, sorted(policy.eos_ids)
        self._device = policy.device
        self._takes_images = policy.processor is not None
        self._ahead = config.max_sequences
        self._tail = tail
        with own_random_state(self._device), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # vLLM's about its own dependencies
            vllm = _import_vllm(policy.device, config)
            self._sampling_params = vllm.SamplingParams
            self._weights = _hand_over_of(policy)
            self._sleep: _Sleep = _OnCard(self._weights.sleep_level) if self._device.type == "cuda" else _Sleepless()
            options = self._weights.options() | self._sleep.options()
            self._launched = torch.distributed.is_initialized()
            if self._launched:  # a rank's own engine or its slice, where a launcher started it
                options["distributed_executor_backend"] = "external_launcher"
                options["tensor_parallel_size"] = config.tensor_parallel_size
                if self._device.type == "cpu":
                    _share_memory_by_names_of_chance()
            self.llm = _open(vllm, policy, config, max_tokens, options)
        self.update_weights(policy.model)

    def generate(self, requests: Sequence[Request], on_done: OnDone | None = None) -> list[list[Completion]]:
        """See Engine. Raises UserError where a request has images and the model takes text alone."""
        if not self._takes_images:
            refuse_pictured(requests)
        engine = self.llm.llm_engine
        names: list[str] = []
        done: dict[int, list[Completion]] = {}
        running = _Running(engine, Tail(self._tail, requests))
        with own_random_state(self._device):
            try:
                while len(done) < len(requests):
                    if new := range(len(names), self._wanted(requests, len(done))):
                        for i in new:
                            prompt, params = _prompt(requests[i]), self._params(requests[i])
                            names.append(engine.add_request(str(i), prompt, params, **self._weights.per_request()))
                            running.note(requests[i])
                        _leave_logprobs_untold(engine)
                    outputs = engine.step()
                    running.bound()
                    for output in outputs:
                        i = int(output.request_id)
                        done[i] = [self._completion(requests[i], sample) for sample in output.outputs]
                        if on_done is not None:
                            on_done(i, done[i])
            finally:  # there is something to abort only after an error or an interrupt
                engine.abort_request([name for i, name in enumerate(names) if i not in done], internal=True)
        return [done[i] for i in range(len(requests))]

    def _wanted(self, requests: Sequence[Request], done: int) -> int:
        """How many requests vLLM is to know of. It holds each one's pixels, so images come by and by."""
        return min(len(requests), done + self._ahead) if self._takes_images else len(requests)

    def rest(self) -> None:
        """See Engine."""
        self._sleep.begin(self.llm)

    def update_weights(self, model: torch.nn.Module) -> None:
        """See Engine. About 0.8 s for 135M parameters on two cores.

        Raises RuntimeError where vLLM keeps cached prefixes, which the former weights computed.
        """
        self._sleep.wake(self.llm, "weights")
        self._weights.hand_over(self.llm, model)
        # Last: what a hand-over needs for itself is free again by then.
        self._sleep.wake(self.llm, "kv_cache")
        if not self.llm.reset_prefix_cache():
            raise RuntimeError(
                "vLLM did not forget its cached prefixes after an update, so samples would mix old weights with new "
                "ones; a request must still be running"
            )

    def close(self) -> None:
        """See Engine."""
        client = self.llm.llm_engine.engine_core
        if self._launched:  # vLLM's own end, by name or by finalizer, would end the ranks' process group as well
            client._finalizer.detach()
            client.engine_core.model_executor.shutdown()
        else:
            client.shutdown()
        del client, self.llm
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _params(self, request: Request) -> Any:
        return self._sampling_params(
            n=request.n,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            stop=list(request.stop),
            stop_token_ids=self._eos,
            seed=_spread(request.seed),
            logprobs=0,  # of the sampled token alone
            flat_logprobs=True,
            detokenize=bool(request.stop),
            output_kind=self._final_only(),
        )

    @staticmethod
    def _final_only() -> Any:
        from vllm.sampling_params import RequestOutputKind

        return RequestOutputKind.FINAL_ONLY

    def _completion(self, request: Request, sample: Any) -> Completion:
        truncated = sample.finish_reason == "length"
        cut = truncated and len(sample.token_ids) < request.max_tokens
        return finish(self._tokenizer, sample.token_ids, sample.logprobs.logprobs, request.stop, truncated, cut)


class _Running:
    """The samples that vLLM's scheduler knows of, whose limits are lowered once `tail` has one.

    vLLM tells of a request when its last sample has ended and takes no new limit for one under way, but its scheduler,
    which is in this process, reads each sample's limit after every token.
    """

    def __init__(self, engine: Any, tail: Tail) -> None:
        self._known: dict[str, Any] = engine.engine_core.engine_core.scheduler.requests
        self._tail = tail
        self._samples: list[tuple[Request, Any]] = []

    def note(self, request: Request) -> None:
        """Watch the samples of `request`, which was just added."""
        self._samples += [(request, sample) for sample in islice(reversed(self._known.values()), request.n)]

    def bound(self) -> None:
        """Tell the tail what has ended in a step, and the scheduler what the others may become."""
        if len(self._known) == len(self._samples):
            return
        for request, sample in self._samples:
            if sample.is_finished():
                self._tail.end(request, sample.num_output_tokens)
        self._samples = [(request, sample) for request, sample in self._samples if not sample.is_finished()]
        self._tail.settle((request, sample.num_output_tokens) for request, sample in self._samples)
        if self._tail.limit:
            for request, sample in self._samples:
                sample.max_tokens = self._tail.most(request)


class _HandOver(Protocol):
    """How the policy's weights reach vLLM. Asleep at level 2 it forgets its own, at level 1 the host has them."""

    sleep_level: int

    def options(self) -> dict[str, Any]:
        """What vLLM is opened with."""
        ...

    def per_request(self) -> dict[str, Any]:
        """What each request says of the weights that it wants."""
        ...

    def hand_over(self, llm: Any, model: torch.nn.Module) -> None:
        """Give vLLM the weights that `model` has now."""
        ...


def _hand_over_of(policy: Policy) -> _HandOver:
    if policy.processor is not None:
        return _AsPublished()
    if isinstance(policy.model, PeftModel):
        return _Adapter(policy.model, policy.dtype)
    return _WholeWeights(policy.dtype)


class _AsPublished:
    """No hand-over: vLLM reads the weights of a model that is asked and never trained."""

    sleep_level = 1

    def options(self) -> dict[str, Any]:
        return {"limit_mm_per_prompt": {"image": 1, "video": 0}}

    def per_request(self) -> dict[str, Any]:
        return {}

    def hand_over(self, llm: Any, model: torch.nn.Module) -> None:
        pass


class _WholeWeights:
    """Every weight, in memory, gathered where it is in shards. vLLM starts with weights of its own making."""

    sleep_level = 2

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype

    def options(self) -> dict[str, Any]:
        return {"load_format": "dummy"}

    def per_request(self) -> dict[str, Any]:
        return {}

    def hand_over(self, llm: Any, model: torch.nn.Module) -> None:
        weights = ((name, in_one_piece(weight, self._dtype)) for name, weight in merged_weights(model))
        llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights})


class _Adapter:
    """The LoRA adapter alone, as files in shared memory, which is how vLLM takes one. The base vLLM reads by itself."""

    sleep_level = 1

    def __init__(self, model: PeftModel, dtype: torch.dtype) -> None:
        """Raises UserError for an adapter that vLLM's kernels can't hold."""
        self._dtype = dtype
        rank = max(config.r for config in model.peft_config.values())
        self._max_rank = next((known for known in _LORA_RANKS if known >= rank), None)
        if self._max_rank is None:
            raise UserError(f"vLLM takes adapters up to rank {_LORA_RANKS[-1]}: lower model.lora.rank, which is {rank}")

    def options(self) -> dict[str, Any]:
        return {"enable_lora": True, "max_loras": 1, "max_lora_rank": self._max_rank}

    def per_request(self) -> dict[str, Any]:
        return {"lora_request": self._named(Path("held already"))}

    def hand_over(self, llm: Any, model: torch.nn.Module) -> None:
        assert isinstance(model, PeftModel)
        memory = Path("/dev/shm")
        with (
            tempfile.TemporaryDirectory(prefix="azr-adapter-", dir=memory if memory.is_dir() else None) as folder,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # peft's, that the base is not on the hub
            held = {name: weight for name, weight in model.state_dict().items() if ".lora_" in name}
            adapter = {name: in_one_piece(weight, self._dtype) for name, weight in held.items()}
            model.save_pretrained(folder, save_embedding_layers=False, state_dict=adapter)
            if not llm.llm_engine.add_lora(self._named(Path(folder), load_inplace=True)):
                raise RuntimeError("vLLM did not take the adapter")

    @staticmethod
    def _named(folder: Path, **options: Any) -> Any:
        from vllm.lora.request import LoRARequest

        return LoRARequest("policy", 1, str(folder), **options)


class _Sleep(Protocol):
    """Whether vLLM gives its memory back while the learner works."""

    def options(self) -> dict[str, Any]:
        """What vLLM is opened with."""
        ...

    def begin(self, llm: Any) -> None:
        """Give back the cache and the weights."""
        ...

    def wake(self, llm: Any, part: str) -> None:
        """Have a part again, "weights" or "kv_cache"; nothing where vLLM is awake."""
        ...


class _OnCard:
    """vLLM's sleep mode, which only cards have."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._asleep: set[str] = set()

    def options(self) -> dict[str, Any]:
        return {"enable_sleep_mode": True}

    def begin(self, llm: Any) -> None:
        if not self._asleep:
            llm.sleep(level=self._level)
            self._asleep = {"weights", "kv_cache"}

    def wake(self, llm: Any, part: str) -> None:
        if part in self._asleep:
            llm.wake_up(tags=[part])
            self._asleep.remove(part)


class _Sleepless:
    """vLLM on a processor keeps its memory."""

    def options(self) -> dict[str, Any]:
        return {}

    def begin(self, llm: Any) -> None:
        pass

    def wake(self, llm: Any, part: str) -> None:
        pass


_LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # for which vLLM has kernels


def _prompt(request: Request) -> dict[str, Any]:
    """The tokens, which of an image have the mark alone, and the images."""
    prompt: dict[str, Any] = {"prompt_token_ids": list(request.prompt_ids)}
    if request.pictured is not None:
        prompt["multi_modal_data"] = {"image": [opened(image) for image in request.pictured.images]}
    return prompt


def _leave_logprobs_untold(engine: Any) -> None:
    """A request with stop strings has a tokenizer, by which vLLM would decode each log-probability's token as well.

    Nobody reads that text. vLLM has no setting for it, so its own switch is thrown: without a tokenizer it has none.
    """
    for state in engine.output_processor.request_states.values():
        state.logprobs_processor.tokenizer = None


def _import_vllm(device: torch.device, config: VllmConfig) -> Any:
    """vLLM reads its settings from the environment when it is first imported; what the user has set there stays."""
    settings = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
    if device.type == "cpu":
        # The learner runs in the same threads: pinned to cores of vLLM's choice, it would have to share them.
        settings |= {"VLLM_CPU_KVCACHE_SPACE": str(config.kv_cache_gib), "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    import vllm

    return vllm


@cache
def _share_memory_by_names_of_chance() -> None:
    """Ranks of one engine share memory on a processor, which vLLM names by their numbers alone.

    By such a name two runs would meet, and what a killed one left would end the next. So a word of chance goes into the
    name, and the name goes as soon as all have the memory.
    """
    from vllm.distributed.device_communicators.cpu_communicator import _CPUSHMDistributed

    join = _CPUSHMDistributed._init_cpu_shm

    def join_apart(shared: Any) -> int:
        ranks = shared.communicator
        word = [uuid4().hex]
        torch.distributed.broadcast_object_list(word, src=ranks.ranks[0], group=ranks.cpu_group)
        shared.group_name += f"-{word[0]}"
        handle: int = join(shared)
        Path("/dev/shm", f"{shared.group_name.lstrip('/')}_{ranks.rank}").unlink(missing_ok=True)
        return handle

    _CPUSHMDistributed._init_cpu_shm = join_apart


def _open(vllm: Any, policy: Policy, config: VllmConfig, max_tokens: int | None, options: dict[str, Any]) -> Any:
    on_processor = policy.device.type == "cpu"
    try:
        return vllm.LLM(
            model=policy.source,
            revision=policy.revision,
            dtype=str(policy.dtype).removeprefix("torch."),
            **options,
            max_model_len=max_tokens,
            max_num_seqs=config.max_sequences,
            # A prompt that isn't cut into parts has to fit one pass.
            max_num_batched_tokens=max(config.max_batched_tokens, (max_tokens or 0) if on_processor else 0),
            logprobs_mode="processed_logprobs",
            gpu_memory_utilization=config.gpu_memory_utilization,
            enforce_eager=config.enforce_eager,
            enable_prefix_caching=True,
            # vLLM 0.32 rewinds a seeded request's generator at a prompt's part, which a processor's generator refuses.
            enable_chunked_prefill=False if on_processor else None,
        )
    except ValueError as error:
        raise UserError(f"vLLM can't run {policy.source} so: {' '.join(str(error).split())}") from error


def _spread(seed: int) -> int:
    """A seed far from its neighbours', since vLLM adds a sample's number to it: 0 and 1 would share most samples."""
    return int(np.random.SeedSequence(seed & 0xFFFF_FFFF_FFFF_FFFF).generate_state(1, np.uint64)[0] >> np.uint64(2))
