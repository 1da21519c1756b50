"""Sampling with vLLM, in this process, on a GPU or on the processor build. The only file that imports vllm.

The engine starts without weights and is given the policy's, through memory, then and after every update. Its defaults
are kept wherever they suit; by prefix caching the samples of a prompt, and prompts with a common head, share a prefill.
"""

import gc
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from azr.config import VllmConfig
from azr.errors import UserError
from azr.model import Policy, merged_weights
from azr.rollout.ending import finish
from azr.rollout.engine import Completion, OnDone, Request


class VllmEngine:
    """Implements azr.rollout.engine.Engine.

    One point differs from the protocol: where a request's top_p is below 1, vLLM gives log-probabilities after the cut.
    """

    name = "vllm"

    def __init__(self, policy: Policy, config: VllmConfig, max_tokens: int | None = None) -> None:
        """`max_tokens` bounds a prompt and its response together; None takes the model's own limit.

        Raises UserError if the key/value cache that `config` grants can't hold one sequence of that length.
        """
        self._tokenizer, self._eos = policy.tokenizer, sorted(policy.eos_ids)
        with _own_random_state(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # vLLM's about its own dependencies
            vllm = _import_vllm(policy.device, config)
            self._sampling_params = vllm.SamplingParams
            self.llm = _open(vllm, policy, config, max_tokens)
        self.update_weights(policy.model)

    def generate(self, requests: Sequence[Request], on_done: OnDone | None = None) -> list[list[Completion]]:
        """See Engine."""
        engine = self.llm.llm_engine
        names: list[str] = []
        done: dict[int, list[Completion]] = {}
        with _own_random_state():
            try:
                for i, request in enumerate(requests):
                    prompt = {"prompt_token_ids": list(request.prompt_ids)}
                    names.append(engine.add_request(str(i), prompt, self._params(request)))
                while engine.has_unfinished_requests():
                    for output in engine.step():
                        i = int(output.request_id)
                        done[i] = [self._completion(requests[i], sample) for sample in output.outputs]
                        if on_done is not None:
                            on_done(i, done[i])
            finally:  # there is something to abort only after an error or an interrupt
                engine.abort_request([name for i, name in enumerate(names) if i not in done], internal=True)
        return [done[i] for i in range(len(requests))]

    def update_weights(self, model: torch.nn.Module) -> None:
        """See Engine. About 0.8 s for 135M parameters on two cores."""
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": merged_weights(model)})
        self.llm.reset_prefix_cache()

    def close(self) -> None:
        """See Engine."""
        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
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
        return finish(self._tokenizer, sample.token_ids, sample.logprobs.logprobs, request.stop, truncated)


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


def _open(vllm: Any, policy: Policy, config: VllmConfig, max_tokens: int | None) -> Any:
    try:
        return vllm.LLM(
            model=policy.source,
            revision=policy.revision,
            dtype=str(policy.base.dtype).removeprefix("torch."),
            load_format="dummy",  # the weights are handed over
            max_model_len=max_tokens,
            logprobs_mode="processed_logprobs",
            gpu_memory_utilization=config.gpu_memory_utilization,
            enforce_eager=config.enforce_eager,
            enable_prefix_caching=True,
            # vLLM 0.32 rewinds a seeded request's generator at a prompt's part, which a processor's generator refuses.
            enable_chunked_prefill=False if policy.device.type == "cpu" else None,
        )
    except ValueError as error:
        raise UserError(f"vLLM can't run {policy.source} so: {' '.join(str(error).split())}") from error


@contextmanager
def _own_random_state() -> Iterator[None]:
    """vLLM seeds and draws from torch's global generator; the rest of the process must not notice."""
    with torch.random.fork_rng():
        yield


def _spread(seed: int) -> int:
    """A seed far from its neighbours', since vLLM adds a sample's number to it: 0 and 1 would share most samples."""
    return int(np.random.SeedSequence(seed & 0xFFFF_FFFF_FFFF_FFFF).generate_state(1, np.uint64)[0] >> np.uint64(2))
