"""Deduction, from the model's text to its reward, in a real sandbox."""

import pytest

from sandbox import Sandbox
from tasks import deduction
from tasks.prompts import load_style
from tasks.triplet import Proposal, Rejection, TaskType, Triplet, Verdict
from tasks.validation import REASONS

R, W, U = Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED
TAGS, COMPLETION = load_style("reasoning"), load_style("completion")


def proposal(program: str, arguments: str = "1") -> Proposal:
    return Proposal(TaskType.DEDUCTION, program, (arguments,))


def test_a_proposal_becomes_a_task(sandbox: Sandbox) -> None:
    text = "def f(a, b):\n    # sum\n    return [a + b]\n>>> f(1, b=2)"
    parsed = deduction.parse_proposal(COMPLETION, text, [])
    assert isinstance(parsed, Proposal)
    task = deduction.validate(sandbox, parsed)
    assert task == Triplet(TaskType.DEDUCTION, "def f(a, b):\n    return [a + b]", ("1, b=2",), ("[3]",))


def test_a_text_without_a_proposal_is_badly_formed() -> None:
    parsed = deduction.parse_proposal(TAGS, "I'd rather not.", [])
    assert isinstance(parsed, Rejection)
    assert (parsed.reason, parsed.well_formed) == ("unparsable", False)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def f(x) return x", "syntax"),
        ("import os\ndef f(x): return os.getcwd()", "policy"),
        ("g(1)\ndef f(x): return x", "program_error"),
        ("def f(x): return x / 0", "call_error"),
        ("def f(x): return lambda: x", "not_data"),
        ("def f(x):\n    while True: pass", "timeout"),
        ("def f(x): return [0] * 10 ** 10", "memory"),
        ("def f(x): return 'a' * 10 ** 7", "output_limit"),
        ("def f(x): return 'a' * 5_000", "too_long"),
        ("def f(x): return x" + "\n" * 10_000, "too_long"),
        ("def f(x): return hash('a') if hash('a') else x", "nondeterministic"),
    ],
)
def test_what_can_not_be_a_task_is_rejected_with_a_reason(sandbox: Sandbox, program: str, reason: str) -> None:
    rejection = deduction.validate(sandbox, proposal(program))
    assert isinstance(rejection, Rejection)
    assert rejection.reason == reason
    assert rejection.well_formed
    assert reason in REASONS


@pytest.mark.parametrize(
    "arguments", ["1, 2", "1) + f(2", "(", "'", "\x00", "\ud800", "y", "1\n2", "'" + "a" * 5_000 + "'"]
)
def test_bad_arguments_are_rejected(sandbox: Sandbox, arguments: str) -> None:
    assert isinstance(deduction.validate(sandbox, proposal("def f(x): return x", arguments)), Rejection)


def test_answers_are_judged_by_value(sandbox: Sandbox) -> None:
    task = Triplet(TaskType.DEDUCTION, "def f(x): return x", ("{'a': (1, 2.5)}",), ("{'a': (1, 2.5)}",))
    answers = ["{'a': (1, 2.5)}", '{"a":(1,2.50)}', "{'a': [1, 2.5]}", "{'a': (1, 2.5)", None, "f(1)", ""]
    assert deduction.verify(sandbox, task, answers) == [R, R, W, W, U, W, W]


def test_an_answer_is_a_literal_and_nothing_else(sandbox: Sandbox) -> None:
    task = Triplet(TaskType.DEDUCTION, "def f(x): return x", ("3",), ("3",))
    answers = ["len('abc')", "[3][0]", "x", "sum([1, 2])", "(lambda: 3)()", "3 if True else 4", "__import__('os')"]
    assert deduction.verify(sandbox, task, answers) == [W] * len(answers)


def test_an_answer_that_costs_does_not_harm_the_others(sandbox: Sandbox) -> None:
    task = Triplet(TaskType.DEDUCTION, "def f(x): return x", ("3",), ("3",))
    answers = ["9**9**9**9", "3", "'a' * 10**12", "3", "[" * 7_000, "3", "3" * 10_000_000, "\ud800", "3"]
    assert deduction.verify(sandbox, task, answers) == [W, R, W, R, W, R, W, W, R]


def test_no_answers_need_no_verdict(sandbox: Sandbox) -> None:
    task = Triplet(TaskType.DEDUCTION, "def f(x): return x", ("3",), ("3",))
    assert deduction.verify(sandbox, task, []) == []
    assert deduction.verify(sandbox, task, [None]) == [U]
