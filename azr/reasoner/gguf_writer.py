"""A policy as one GGUF file, which llama.cpp and what builds on it load: Llama, Qwen2 and Qwen3, byte-level BPE.

The `gguf` package writes the format and knows the names of tensors; here is what it can't know: the order of Llama's
query and key rows, the scaling of rotary frequencies, and which of llama.cpp's pre-tokenizers a tokenizer is.
"""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from azr.errors import UserError
from azr.policy.model import Policy, merged_weights
from azr.policy.shape import head_size

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
}
_TYPES = {
    torch.float32: (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    torch.float16: (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    torch.bfloat16: (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
}


def check_writable(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise UserError where `write_gguf` can't write such a model."""
    if config.model_type not in ARCHITECTURES:
        raise UserError(f"--gguf writes {', '.join(ARCHITECTURES)} models; this one is {config.model_type}")
    if _rope(config).get("rope_type", "default") not in ("default", "llama3"):
        raise UserError(f"--gguf can't write rotary embeddings of type {_rope(config)['rope_type']}")
    pre_tokenizer(_tokenizer_json(tokenizer))


def write_gguf(policy: Policy, folder: Path, path: Path, name: str) -> None:
    """Write the policy, adapters merged, in the type its weights have; vectors are fp32, as llama.cpp wants them.

    `folder` holds the tokenizer as save_pretrained writes it. Raises UserError as `check_writable` does.
    """
    config = policy.base.config
    check_writable(config, policy.tokenizer)
    architecture = ARCHITECTURES[config.model_type]
    matrix_type, file_type = _TYPES[policy.base.dtype]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_name(name)
    writer.add_file_type(file_type)
    _add_shape(writer, config)
    _add_tokenizer(writer, policy.tokenizer, folder, config.vocab_size)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for weight_name, weight in _weights(policy):
        target = names.get_name(weight_name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise UserError(f"--gguf has no name for the weight {weight_name}")
        tensor = _in_llama_order(weight_name, weight, config).detach().cpu()
        if tensor.ndim == 1:
            writer.add_tensor(target, tensor.float().numpy())
        else:
            writer.add_tensor(target, _stored(tensor), raw_dtype=matrix_type)
    if _rope(config).get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_rope_factors(config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama3_rope_factors(config: PretrainedConfig) -> NDArray[np.float32]:
    """What each rotary frequency is divided by, [head_dim / 2]: Llama 3.1's stretching of long wavelengths.

    Wavelengths below original/high_freq_factor stay, those above original/low_freq_factor are stretched by `factor`, in
    between the frequency is interpolated linearly (Grattafiori et al. 2024, arXiv 2407.21783; transformers'
    modeling_rope_utils computes the same).
    """
    rope = _rope(config)
    dim = head_size(config)
    frequencies = 1.0 / rope["rope_theta"] ** (np.arange(0, dim, 2, dtype=np.float64) / dim)
    turns = rope["original_max_position_embeddings"] * frequencies / (2 * np.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = np.clip((turns - low) / (high - low), 0.0, 1.0)
    return (1.0 / (kept + (1.0 - kept) / rope["factor"])).astype(np.float32)


def pre_tokenizer(tokenizer: dict[str, Any]) -> str:
    """llama.cpp's name for how a tokenizer.json splits text before its merges. Raises UserError where it has none."""
    steps = tokenizer.get("pre_tokenizer") or {}
    parts = steps.get("pretokenizers", [steps])
    kinds = [part.get("type") for part in parts]
    pattern = next((part["pattern"].get("Regex", "") for part in parts if part.get("type") == "Split"), "")
    byte_level = tokenizer.get("model", {}).get("type") == "BPE" and "ByteLevel" in kinds
    if byte_level and kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits"):
        return "smollm"
    if byte_level and kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
        return "gpt-2"
    if byte_level and kinds == ["Split", "ByteLevel"] and r"\p{N}{1,3}" in pattern:
        return "llama-bpe"
    if byte_level and kinds == ["Split", "ByteLevel"] and r"|\p{N}|" in pattern:
        return "qwen2"
    raise UserError(f"--gguf knows no llama.cpp name for this tokenizer (it splits by {kinds})")


def _weights(policy: Policy) -> list[tuple[str, torch.Tensor]]:
    tied = set(policy.base.all_tied_weights_keys)
    return [(name, weight) for name, weight in merged_weights(policy.model) if name not in tied]


def _add_shape(writer: gguf.GGUFWriter, config: PretrainedConfig) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_size(config))
    writer.add_value_length(head_size(config))
    writer.add_rope_dimension_count(head_size(config))
    writer.add_rope_freq_base(_rope(config)["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: PreTrainedTokenizerBase, folder: Path, size: int) -> None:
    """Every row of the embedding gets a token; rows beyond the tokenizer's are marked unused."""
    tokens = [f"[PAD{i}]" for i in range(size)]
    types = [gguf.TokenType.UNUSED] * size
    for token, index in tokenizer.get_vocab().items():
        tokens[index], types[index] = token, gguf.TokenType.NORMAL
    for index, added in tokenizer.added_tokens_decoder.items():
        tokens[index] = added.content
        types[index] = gguf.TokenType.CONTROL if added.special else gguf.TokenType.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer(_tokenizer_json(tokenizer)))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    gguf.SpecialVocab(folder, load_merges=True, n_vocab=size).add_to_gguf(writer, quiet=True)


def _in_llama_order(name: str, weight: torch.Tensor, config: PretrainedConfig) -> torch.Tensor:
    """Llama's query and key rows with each head's two halves interleaved, as its rotary embedding in llama.cpp wants
    them; any other weight as it is."""
    if config.model_type != "llama" or (".q_proj." not in name and ".k_proj." not in name):
        return weight
    heads = config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def _stored(matrix: torch.Tensor) -> NDArray[Any]:
    """The matrix as bytes that numpy can hold; it knows no bfloat16."""
    if matrix.dtype is torch.bfloat16:
        return matrix.contiguous().view(torch.uint8).numpy()
    return matrix.contiguous().numpy()


def _rope(config: PretrainedConfig) -> dict[str, Any]:
    return dict(config.rope_parameters)


def _tokenizer_json(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UserError("--gguf needs a tokenizer of the tokenizers library (a tokenizer.json)")
    described: dict[str, Any] = json.loads(backend.to_str())
    return described
