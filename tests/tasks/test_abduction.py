"""Abduction, from the model's text to its reward, in a real sandbox."""

from sandbox import Sandbox
from tasks import abduction
from tasks.prompts import load_style
from tasks.triplet import Proposal, TaskType, Triplet, Verdict

R, W, U = Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED
STYLE = load_style("reasoning")


def test_a_proposal_becomes_a_task(sandbox: Sandbox) -> None:
    text = "<answer><program>def f(s): return len(s)</program><input>f('abc')</input></answer>"
    parsed = abduction.parse_proposal(STYLE, text, [])
    assert parsed == Proposal(TaskType.ABDUCTION, "def f(s): return len(s)", ("'abc'",))
    task = abduction.validate(sandbox, parsed)
    assert task == Triplet(TaskType.ABDUCTION, "def f(s):\n    return len(s)", ("'abc'",), ("3",))


def test_any_input_that_gives_the_output_is_right(sandbox: Sandbox) -> None:
    task = Triplet(TaskType.ABDUCTION, "def f(s, n=1): return len(s) * n", ("'abc'",), ("3",))
    answers = ["'abc'", "[1, 2, 3]", "'a', 3", "s='xyz'", "range(3)", "'ab'", None, "1", "", "'abc'), f('ab'", "("]
    assert abduction.verify(sandbox, task, answers) == [R, R, R, R, R, W, U, W, W, W, W]


def test_an_answer_that_loops_does_not_harm_the_others(sandbox: Sandbox) -> None:
    program = "def f(n):\n    while n != 3: n -= 0\n    return n"
    task = Triplet(TaskType.ABDUCTION, program, ("3",), ("3",))
    answers = ["3", "4", "3.0", "'" + "a" * 1_000_000 + "'", None, "1 + 2"]
    assert abduction.verify(sandbox, task, answers) == [R, W, R, W, U, R]


def test_an_answer_can_not_bring_its_own_equality(sandbox: Sandbox) -> None:
    task = Triplet(TaskType.ABDUCTION, "def f(x): return x", ("3",), ("3",))
    answers = ["type('T', (int,), {'__eq__': lambda a, b: True})()", "[f for f in [3]][0]"]
    assert abduction.verify(sandbox, task, answers)[0] is W
