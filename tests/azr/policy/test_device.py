"""Which device is taken, and what is said where a card is there and can't be."""

import os

import pytest
import torch

from azr.errors import UserError
from azr.policy.device import Cuda, own_random_state, resolve_device

WELL = Cuda(card=True, driver=(13, 1), built_for=(13, 0), usable=True)


def test_a_card_that_works_has_no_fault() -> None:
    assert WELL.faults == []
    assert WELL.lacks == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            Cuda(card=True, driver=(13, 0), built_for=None, usable=False),
            "torch is built for the processor: `make vllm`",
        ),
        (
            Cuda(card=True, driver=(12, 8), built_for=(13, 0), usable=False),
            "CUDA up to 12.8, and torch is built for 13.0",
        ),
        (Cuda(card=True, driver=None, built_for=(13, 0), usable=False), "libcuda.so.1"),
        (Cuda(card=True, driver=(13, 0), built_for=(13, 0), usable=False), "does not find the card"),
    ],
)
def test_each_fault_is_one_line_that_says_what_to_do(found: Cuda, told: str) -> None:
    (line,) = found.faults
    assert told in line


def test_a_machine_without_a_card_lacks_nothing() -> None:
    none = Cuda(card=False, driver=None, built_for=None, usable=False, compiler=False, header=False)
    assert none.faults == []
    assert none.lacks == []


def test_what_triton_needs_is_named() -> None:
    compiler, header = Cuda(True, (13, 1), (13, 0), usable=True, compiler=False, header=False).lacks
    assert "C compiler" in compiler
    assert "Python.h" in header


def test_what_is_here_is_looked_at() -> None:
    here = Cuda.here()
    assert here.usable == torch.cuda.is_available()
    assert (here.built_for is None) == (torch.version.cuda is None)


def test_a_device_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(UserError, match="can't be used here"):
        resolve_device("cuda:7")


@pytest.mark.skipif(torch.cuda.is_available(), reason="hides this machine's cards")
def test_of_several_cards_only_the_named_one_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    with pytest.raises(UserError, match="'cuda:1' can't be used here"):
        resolve_device("cuda:1")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "6"


def test_draws_leave_no_trace() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with own_random_state(torch.device("cpu")):
        torch.rand(5)
    assert torch.equal(torch.get_rng_state(), before)
