"""Other inputs of a program: further tasks that hold, are asked in every type, and that no proposer is shown."""

import random
from dataclasses import replace

import pytest
import torch

from azr.buffer import Origin, TaskBuffer, TaskRow
from azr.config.choices import Flaw, ReferenceDraw
from azr.config.fields import ProposeConfig
from azr.methods.absolute_zero.proposing import propose
from azr.methods.absolute_zero.record import store_seeds
from azr.methods.absolute_zero.references import draw_references
from azr.methods.absolute_zero.variations import variations
from azr.policy.model import load_policy
from azr.rollout.asking import Table
from azr.rollout.scripted import ScriptedEngine
from tasks.prompts import load_style
from tasks.triplet import TaskType, Triplet
from tests.azr.players import respond, tiny_config, tiny_model_folder

BOTH = (TaskType.DEDUCTION, TaskType.ABDUCTION)
SETTINGS = ProposeConfig(types=BOTH, variations=4, refuse=(Flaw.COPY, Flaw.CONSTANT))


def task(program, given, output):
    return Triplet(TaskType.DEDUCTION, program, (given,), (output,))


@pytest.mark.parametrize(
    ("program", "given", "output"),
    [
        ("def f(s):\n    return s.upper()[::-1]", "'hello'", "'OLLEH'"),
        ("def f(n, k):\n    return n * k + 1", "4, 5", "21"),
        ("def f(xs):\n    return sum(xs) if xs else -1", "[1, 2]", "3"),
    ],
)
def test_they_hold_and_are_asked_in_every_type(sandbox, program, given, output):
    found = variations(sandbox, task(program, given, output), SETTINGS)
    assert {one.type for one in found} == set(BOTH)
    assert given not in {one.input for one in found}
    assert 2 <= len({one.input for one in found}) <= 4
    for one in found:
        assert one.program == program
        assert sandbox.accepts(program, [one.input], one.output) == [True]


def test_what_the_config_refuses_is_left_out(sandbox):
    keeps_order = task("def f(xs):\n    return sorted(xs)", "[3, 1, 2]", "[1, 2, 3]")
    found = variations(sandbox, keeps_order, SETTINGS)
    assert {one.type for one in found} == {TaskType.DEDUCTION}  # its own output answers the abduction
    assert all(not sandbox.values_equal([one.input], [one.output])[0] for one in found)
    assert TaskType.ABDUCTION in {one.type for one in variations(sandbox, keeps_order, replace(SETTINGS, refuse=()))}


@pytest.mark.parametrize(
    ("program", "given", "output"),
    [
        ("def f(s):\n    return int(s)", "'7'", "7"),  # raises on most strings
        ("def f(x=3):\n    return 4", "x=3", "4"),  # no list of literals
        ("def f(s):\n    return s * 99", "'a'", repr("a" * 99)),  # too long for a small solver
    ],
)
def test_inputs_that_break_it_or_answer_at_length_make_no_task(sandbox, program, given, output):
    found = variations(sandbox, task(program, given, output), replace(SETTINGS, refuse=()))
    assert all(len(one.output) <= 60 and sandbox.accepts(program, [one.input], one.output)[0] for one in found)
    assert len({one.input for one in found}) < 4


def test_induction_and_a_config_without_them_have_none(sandbox):
    one = task("def f(n):\n    return n + 1", "4", "5")
    assert variations(sandbox, one, replace(SETTINGS, variations=0)) == ()
    four = Triplet(TaskType.INDUCTION, one.program, ("1", "2", "3", "4"), ("2", "3", "4", "5"), "")
    assert variations(sandbox, four, SETTINGS) == ()


def test_they_are_stored_once_and_shown_to_no_proposer(sandbox, tmp_path):
    torch.set_num_threads(1)
    config = tiny_config(tiny_model_folder(tmp_path / "model"))
    config = replace(config, propose=replace(config.propose, types=BOTH, variations=3))
    policy = load_policy(config.model)
    at = Table(config, policy, ScriptedEngine(policy, respond), sandbox, load_style(config.prompts.style))
    buffer = TaskBuffer.create(tmp_path / "buffer.sqlite")
    with buffer.transaction():
        buffer.add_task(TaskRow(0, task("def f(x):\n    return x", "1", "1"), Origin.IDENTITY))
    proposed = propose(at, buffer, dict.fromkeys(BOTH, 4), ("seed", 1), 1.0, lambda done, total=None: None)
    store_seeds(buffer, proposed)
    stored = sum(buffer.counts().values())
    made = [one for one in proposed if isinstance(one.outcome, Triplet)]
    assert made
    assert 1 + len(made) < stored <= 1 + sum(1 + len(one.variations) for one in made)
    shown = {
        one.id
        for task_type in BOTH
        for draw in ReferenceDraw
        for one in draw_references(buffer, task_type, stored, draw, random.Random(0))
    }
    assert len(shown) == 1 + len(made)
    buffer.close()
    again = TaskBuffer.open(tmp_path / "buffer.sqlite")
    assert {one.id for kind in BOTH for one in again.sample_shown(kind, stored, random.Random(0))} == shown
    assert sum(again.counts().values()) == stored
    again.close()
