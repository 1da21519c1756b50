from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from azr.config.fields import AttentionKernel
from azr.learner.attention import tree_attention, tree_mask
from azr.learner.packing import PackedBatch, pack
from tests.azr.learner.models import FAMILIES, rollouts, tiny_model


def last_hidden(model: PreTrainedModel, batch: PackedBatch, kernel: AttentionKernel) -> Tensor:
    """Hidden states [T, H] of a packed row."""
    with tree_attention(model.config, kernel), torch.no_grad():
        output = model.base_model(
            input_ids=batch.input_ids[None],
            position_ids=batch.position_ids[None],
            use_cache=False,
            tree=tree_mask(kernel, batch.subtree_end),
        )
    return output.last_hidden_state[0]


def alone(model: PreTrainedModel, ids: Sequence[int]) -> Tensor:
    """Hidden states of a row through the model as it comes."""
    with torch.no_grad():
        return model.base_model(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0]


@pytest.mark.parametrize("kernel", AttentionKernel)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_token_is_as_in_a_row_of_its_own(family: str, kernel: AttentionKernel) -> None:
    model = tiny_model(family)
    (batch,) = pack(rollouts(), 1000)
    hidden = last_hidden(model, batch, kernel)
    for place in range(len(batch.input_ids)):
        history = [j for j in range(place + 1) if place < batch.subtree_end[j]]
        expected = alone(model, batch.input_ids[history].tolist())
        torch.testing.assert_close(hidden[history], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", AttentionKernel)
def test_rows_longer_than_a_block_and_not_a_multiple_of_one(kernel: AttentionKernel) -> None:
    model = tiny_model("llama")
    (batch,) = pack([s for seed in range(12) for s in rollouts(seed)], 10_000)
    assert len(batch.input_ids) > 512
    assert len(batch.input_ids) % 128
    hidden = last_hidden(model, batch, kernel)
    for place in range(0, len(batch.input_ids), 7):
        history = [j for j in range(place + 1) if place < batch.subtree_end[j]]
        expected = alone(model, batch.input_ids[history].tolist())
        torch.testing.assert_close(hidden[place], expected[-1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", AttentionKernel)
def test_a_document_does_not_know_its_neighbours(kernel: AttentionKernel) -> None:
    model = tiny_model("qwen2")
    (batch,) = pack(rollouts(), 1000)
    roots = (batch.position_ids == 0).nonzero().flatten().tolist()
    assert len(roots) > 1
    first, second = slice(0, roots[1]), slice(roots[1], None)
    changed = batch.input_ids.clone()
    changed[first] = (changed[first] + 1) % model.config.vocab_size
    other = PackedBatch(**(vars(batch) | {"input_ids": changed}))
    before, after = last_hidden(model, batch, kernel), last_hidden(model, other, kernel)
    torch.testing.assert_close(before[second], after[second], rtol=0, atol=0)
    assert (before[first] - after[first]).abs().min() > 0


def test_work_grows_with_what_is_seen() -> None:
    tree = 40 * 128
    end = torch.arange(128, tree + 1, 128).repeat_interleave(128)  # forty documents of 128 tokens
    mask = tree_mask(AttentionKernel.DENSE, end)
    assert sum(block.mask.numel() for block in mask.blocks) == 40 * 128 * 128


def test_the_models_own_attention_comes_back_even_after_an_error() -> None:
    model = tiny_model("llama")
    ids = [3, 1, 4, 1, 5]
    before = alone(model, ids)
    with pytest.raises(TypeError, match="tree"), tree_attention(model.config, AttentionKernel.DENSE):
        alone(model, ids)  # within, a forward without a tree is an error
    torch.testing.assert_close(alone(model, ids), before, rtol=0, atol=0)


def test_a_sliding_window_is_refused() -> None:
    config = Qwen2Config(
        vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=1,
        num_key_value_heads=1, use_sliding_window=True, sliding_window=4, max_window_layers=1,
    )  # fmt: skip
    model = Qwen2ForCausalLM(config)
    with pytest.raises(ValueError, match="sliding-window"), tree_attention(model.config, AttentionKernel.DENSE):
        pass


@pytest.mark.parametrize("kernel", AttentionKernel)
def test_attention_dropout_is_refused(kernel: AttentionKernel) -> None:
    model = tiny_model("llama")
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.1
    model.train()
    (batch,) = pack(rollouts(), 1000)
    with pytest.raises(ValueError, match="dropout"):
        last_hidden(model, batch, kernel)
