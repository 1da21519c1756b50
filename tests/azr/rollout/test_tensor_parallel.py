"""Ranks that share an engine: what is refused before anything is loaded, who keeps what, and vLLM on two of them."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
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
from tests.azr.ranks.launching import azr, launcher
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
def test_two_ranks_are_one_engine_that_hears_every_update_of_a_learner_in_shards(
    sliceable: Path, tmp_path: Path
) -> None:
    """Every weight and an adapter, one engine after the other in the same processes."""
    command = [*launcher(2), "-m", "tests.azr.rollout.sliced", sliceable, tmp_path / "out.pt"]
    subprocess.run(command, check=True, timeout=500)
    for kind in torch.load(tmp_path / "out.pt").values():
        assert kind["tokens"][0] == kind["tokens"][1]
        for logprobs, expected in zip(kind["logprobs"][0], kind["expected"][0], strict=True):
            assert logprobs == pytest.approx(expected, abs=1e-4)
        assert kind["before"][0] != kind["logprobs"][0]


@pytest.mark.vllm
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("left_by_a_killed_run")
def test_a_study_opens_one_shared_engine_after_the_other(sliceable: Path, tmp_path: Path) -> None:
    """Two models of one shape, by one process and by two ranks."""
    other = random_llama(tmp_path / "other", seed=1)
    for ranks in (1, 2):
        folder = tmp_path / str(ranks)
        ask(ranks, "boundary", f"a={sliceable}", f"b={other}", *SAMPLED, "--folder", folder, "--out", f"{folder}.html")
        assert (tmp_path / f"{ranks}.html").is_file()
    for side in "ab":
        assert_told_alike(tmp_path / "1" / side, tmp_path / "2" / side, count=27)
    assert answers(tmp_path / "2" / "a") != answers(tmp_path / "2" / "b")


@pytest.mark.vllm
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("left_by_a_killed_run")
def test_a_benchmark_is_answered_by_a_shared_engine_as_by_one_process(sliceable: Path, tmp_path: Path) -> None:
    for ranks in (1, 2):
        ask(ranks, "eval", "run", sliceable, *SAMPLED, "--out", tmp_path / str(ranks))
    assert_told_alike(tmp_path / "1", tmp_path / "2", count=27)
    assert (tmp_path / "1" / "scores.json").read_text() == (tmp_path / "2" / "scores.json").read_text()


SAMPLED = (
    *("-b", "small-own-d-held", "--limit", 9, "-n", 3, "-t", 1.0, "--max-tokens", 12),
    *("--engine", "vllm", "--device", "cpu", "--precision", "fp32"),
)
# vLLM's own switch for tests on a processor: nothing is compiled, which takes a minute an engine.
QUIET = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_CI_ENV": "1"}


def ask(ranks: int, *words: object) -> None:
    """A command of azr on ranks that share one engine."""
    command = azr(ranks, *words, "--tensor-parallel", ranks)
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=QUIET)
    assert done.returncode == 0, done.stderr[-3000:]


def answers(folder: Path) -> list[dict]:
    """All lines of samples below a folder, in an order that does not depend on who came first."""
    told = [json.loads(line) for file in folder.rglob("*.jsonl") for line in file.read_text().splitlines()]
    return sorted(told, key=lambda line: (line["task_id"], line["completion"]))


def assert_told_alike(one: Path, two: Path, count: int) -> None:
    """The same answers, but for the last bits of their probabilities."""
    sides = answers(one), answers(two)
    surprises = [[told.pop("nats") for told in side] for side in sides]
    assert len(sides[0]) == count
    assert sides[0] == sides[1]
    assert surprises[0] == pytest.approx(surprises[1], abs=2e-4)


def random_llama(folder: Path, seed: int) -> Path:
    """Small, of which two ranks have even slices."""
    config, model = FAMILIES["llama"]
    torch.manual_seed(seed)
    sizes = {"vocab_size": 257, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.1}
    model(config(**sizes, **heads, tie_word_embeddings=True, eos_token_id=0)).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def sliceable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for two ranks, where vLLM is there."""
    pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    return random_llama(tmp_path_factory.mktemp("sliceable"), seed=0)


@pytest.fixture
def left_by_a_killed_run() -> Iterator[None]:
    """Memory by the name that vLLM gives it where a processor has AVX-512; elsewhere ranks share none."""
    left = Path("/dev/shm/-tp:0-[0-1]-cpushm_0")
    left.touch()
    yield
    left.unlink()
    assert not list(left.parent.glob("*cpushm*"))
