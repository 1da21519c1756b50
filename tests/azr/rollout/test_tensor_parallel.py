"""Ranks that share an engine: what is refused before anything is loaded, who keeps what, and vLLM on two of them."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from azr.config.fields import EngineChoice, ModelConfig, RolloutConfig, VllmConfig
from azr.errors import UserError
from azr.ranks.group import Ranks
from azr.rollout import Request
from azr.rollout.tensor_parallel import check_ranks_share, check_tensor_parallel, deal
from tests.azr.ranks.launching import launcher
from tests.azr.rollout.tiny import FAMILIES, byte_tokenizer


def shared_by(size: int, engine: EngineChoice = EngineChoice.VLLM) -> RolloutConfig:
    return RolloutConfig(engine=engine, vllm=VllmConfig(tensor_parallel_size=size))


@given(st.lists(st.integers(1, 5000), max_size=40), st.integers(1, 4), st.integers(1, 4))
def test_who_shares_an_engine_samples_the_same_and_every_request_is_kept_once(
    lengths: list[int], engines: int, size: int
) -> None:
    requests = [Request((1,), max_tokens=length) for length in lengths]
    shares = deal(requests, Ranks(0, engines * size), size)
    everyone = range(engines * size)
    assert all(shares.sampled(rank) == shares.sampled(rank - rank % size) for rank in everyone)
    assert all(set(shares.kept(rank)) <= set(shares.sampled(rank)) for rank in everyone)
    assert Counter(index for rank in everyone for index in shares.kept(rank)) == Counter(range(len(requests)))


@pytest.mark.parametrize(("size", "possible"), [(2, "1, 3"), (6, "1, 3")])
def test_heads_that_do_not_come_out_even_are_refused(tmp_path: Path, size: int, possible: str) -> None:
    """SmolLM2's: nine heads, three of keys and values."""
    config, _ = FAMILIES["llama"]
    sizes = {"hidden_size": 576, "intermediate_size": 1536, "vocab_size": 49152}
    config(num_attention_heads=9, num_key_value_heads=3, **sizes).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=f"9 attention heads.* set one of {possible}$"):
        check_tensor_parallel(shared_by(size), ModelConfig(name=str(tmp_path)))
    check_tensor_parallel(shared_by(3), ModelConfig(name=str(tmp_path)))


def test_what_can_not_share_an_engine_is_refused() -> None:
    with pytest.raises(UserError, match="has to be vLLM"):
        check_tensor_parallel(shared_by(2, EngineChoice.TRANSFORMERS), ModelConfig())
    with pytest.raises(UserError, match=r"a multiple of 2 ranks .* here are 3: .*--nproc-per-node 2"):
        check_ranks_share(shared_by(2), Ranks(0, 6, here=3))
    check_ranks_share(shared_by(2), Ranks(0, 8, here=4))


@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_two_ranks_are_one_engine_that_hears_every_update_of_a_learner_in_shards(tmp_path: Path) -> None:
    """Every weight and an adapter, one engine after the other in the same processes."""
    pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    config, model = FAMILIES["llama"]
    torch.manual_seed(0)
    sizes = {"vocab_size": 257, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.1}
    model(config(**sizes, **heads, tie_word_embeddings=True, eos_token_id=0)).save_pretrained(tmp_path / "model")
    byte_tokenizer().save_pretrained(tmp_path / "model")
    command = [*launcher(2), "-m", "tests.azr.rollout.sliced", tmp_path / "model", tmp_path / "out.pt"]
    subprocess.run(command, check=True, timeout=500)
    for kind in torch.load(tmp_path / "out.pt").values():
        assert kind["tokens"][0] == kind["tokens"][1]
        for logprobs, expected in zip(kind["logprobs"][0], kind["expected"][0], strict=True):
            assert logprobs == pytest.approx(expected, abs=1e-4)
        assert kind["before"][0] != kind["logprobs"][0]
