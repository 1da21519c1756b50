"""Induction, from the model's text to its reward, in a real sandbox."""

import pytest

from sandbox import Sandbox
from tasks import induction
from tasks.kinds import KINDS
from tasks.prompts import load_style
from tasks.seed import identity
from tasks.triplet import Proposal, Rejection, TaskType, Triplet, Verdict

R, W, U = Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED
REFERENCE = Triplet(TaskType.DEDUCTION, "def f(n):\n    return 12 // n", ("1",), ("12",))
TASK = Triplet(
    TaskType.INDUCTION, "def f(n):\n    return n * 2", ("1", "2", "3", "4", "5"), ("2", "4", "6", "8", "10"), "Double."
)


def propose(text: str) -> Proposal:
    parsed = induction.parse_proposal(load_style("completion"), text, [REFERENCE])
    assert isinstance(parsed, Proposal)
    return parsed


def test_a_proposal_is_about_the_reference_and_each_input_counts_once() -> None:
    parsed = propose("# Divide.\n>>> f(1)\n>>> f(2)\n>>> f(1)\n>>> f(3)")
    assert parsed == Proposal(TaskType.INDUCTION, REFERENCE.program, ("1", "2", "3"), "Divide.")


def test_a_proposal_that_never_ends_is_cut() -> None:
    parsed = propose(f"# {'m' * 9_000}\n" + "\n".join(f">>> f({i})" for i in range(1_000)))
    assert len(parsed.inputs) == induction.MAX_INPUTS
    assert len(parsed.message) == induction.MAX_MESSAGE


def test_inputs_that_fail_are_left_out(sandbox: Sandbox) -> None:
    task = induction.validate(
        sandbox, propose("# Divide.\n>>> f(1)\n>>> f(0)\n>>> f(2)\n>>> f('a')\n>>> f(3)\n>>> f(5)")
    )
    expected = Triplet(TaskType.INDUCTION, REFERENCE.program, ("1", "2", "3", "5"), ("12", "6", "4", "2"), "Divide.")
    assert task == expected


@pytest.mark.parametrize("inputs", [["1", "2", "3"], ["1", "2", "3", "0", "'a'"], ["1", "1", "1", "1", "2"]])
def test_too_few_inputs_make_no_task(sandbox: Sandbox, inputs: list[str]) -> None:
    rejection = induction.validate(sandbox, propose("\n".join(f">>> f({given})" for given in inputs)))
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.well_formed) == ("too_few_inputs", True)


def test_half_of_the_pairs_are_shown_and_the_others_judge() -> None:
    assert induction.shown(TASK) == (("1", "2"), ("2", "4"))
    assert induction.held_out(TASK) == (("3", "6"), ("4", "8"), ("5", "10"))


def test_a_program_is_right_if_every_held_out_pair_holds(sandbox: Sandbox) -> None:
    answers = [
        "def f(n): return n + n",
        "def f(n): return {1: 2, 2: 4}[n]",
        "def f(n): return n * 2 if n < 5 else 0",
        "def f(n) return n * 2",
        None,
        "def g(n): return n * 2",
        "import math\ndef f(n): return int(math.ldexp(n, 1))",
        "f = lambda n: n << 1",
    ]
    assert induction.verify(sandbox, TASK, answers) == [R, W, W, W, U, W, R, R]


def test_a_program_that_loops_or_lies_does_not_harm_the_others(sandbox: Sandbox) -> None:
    liar = "class E(int):\n    def __eq__(self, other): return True\n    __hash__ = None\ndef f(n): return E()"
    answers = ["def f(n):\n    while True: pass", TASK.program, "while True: pass", liar, "x" * 1_000_000, TASK.program]
    assert induction.verify(sandbox, TASK, answers) == [W, R, W, W, W, R]


def test_the_identity_is_a_task_of_every_type(sandbox: Sandbox) -> None:
    task = identity(TaskType.INDUCTION)
    assert induction.verify(sandbox, task, [task.program, "def f(x): return 'Hello World'"]) == [R, W]
    for type in TaskType:
        proposal = Proposal(type, identity(type).program, identity(type).inputs, identity(type).message)
        assert KINDS[type].validate(sandbox, proposal) == identity(type)
