"""What a model is made of, from its config alone: no weights are read and no memory is taken.

The shapes in known_shapes.json are facts of the config.json files that Qwen (Apache 2.0) and Meta (Llama 3.1 Community
License) published with the models that configs/ names, so that these can be planned for without a network.
"""

import json
from importlib.resources import files
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from azr.config.fields import ModelConfig
from azr.errors import UserError
from azr.policy.gguf_cache import find_gguf, unpacked
from azr.policy.model import DTYPES, with_adapter


def read_shape(config: ModelConfig) -> PretrainedConfig:
    """The transformers config of the language model: of a folder, a GGUF file, the table of known models, or the hub.

    Raises UserError where none of these has it.
    """
    return _read(config).get_text_config()


def _read(config: ModelConfig) -> PretrainedConfig:
    gguf = find_gguf(config.name)
    try:
        if gguf is not None and (folder := unpacked(gguf)):
            return AutoConfig.from_pretrained(folder)  # seconds sooner
        if gguf is not None:
            return AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
        folder = Path(config.name).expanduser()
        if folder.is_dir():
            return AutoConfig.from_pretrained(folder)
        if config.name in known_shapes():
            facts = dict(known_shapes()[config.name])
            return AutoConfig.for_model(facts.pop("model_type"), **facts)
        return AutoConfig.from_pretrained(config.name, revision=config.revision)
    except (OSError, ValueError) as error:
        raise UserError(
            f"the shape of model.name={config.name} is not known: it is no folder and no GGUF file here, not among the"
            f" {len(known_shapes())} models that azr knows, and its config.json can't be had from the hub"
            f" ({' '.join(str(error).split())[:120]})"
        ) from error


def known_shapes() -> dict[str, dict[str, int | str | bool]]:
    """The packaged table: hub id to facts of its config.json."""
    table: dict[str, dict[str, int | str | bool]] = json.loads(
        files("azr.policy").joinpath("known_shapes.json").read_text(encoding="utf-8")
    )
    return table


def head_size(shape: PretrainedConfig) -> int:
    """Numbers of a query, key or value in one head; some families say so, for the others heads share the width."""
    return int(getattr(shape, "head_dim", None) or shape.hidden_size // shape.num_attention_heads)


def with_layers(shape: PretrainedConfig, layers: int) -> PretrainedConfig:
    """The same shape with so many layers."""
    return type(shape).from_dict(shape.to_dict() | {"num_hidden_layers": layers, "layer_types": None})


def without_memory(shape: PretrainedConfig, config: ModelConfig) -> PreTrainedModel:
    """The model on torch's meta device: its parameters have names, shapes and types, and no values.

    Where the config trains an adapter, the model's layers have it, and its weights alone ask for a gradient.
    """
    dtype = DTYPES[config.precision]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(shape, dtype=dtype)
        if not config.lora.rank:
            return model
        # peft gives an adapter the layer's precision as it moves it there, which it leaves out on the meta device.
        return with_adapter(model, config.lora).get_base_model().to(dtype)
