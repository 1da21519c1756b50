"""When two answers are one vote, of each kind of problem."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest

from azr.evaluation.judging.called_values import OutputOf
from azr.evaluation.judging.check import Tools
from azr.evaluation.judging.letter_answer import LetterAnswer, letter
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.math_grader import MathGrader
from azr.evaluation.judging.recorded_tests import RecordedTests
from azr.evaluation.judging.task_answer import TaskAnswer
from azr.methods.problems.labels import Evidence, majority
from azr.methods.problems.metrics import Paid, problem_metrics
from azr.problems.asking import Answers
from azr.problems.ballots import ballot_for, count
from azr.problems.given import Asked, Given
from azr.rollout.engine import Completion
from sandbox import Sandbox, SandboxConfig
from tasks.triplet import Prompt, TaskType, Triplet, Verdict

DATA = Path(os.environ.get("AZR_DATA", Path(__file__).parents[4] / "shared" / "data"))
VOTES = DATA / "scored_samples" / "math_8_votes.jsonl.gz"


@pytest.fixture(scope="module")
def tools():
    with Sandbox(SandboxConfig(workers=1)) as sandbox, MathGrader() as grader:
        yield Tools(sandbox, grader)


def clusters(tools, check, completions):
    return count(tools, ballot_for(check), check.judge(tools, completions)).clusters


def test_mathematics_votes_by_the_judges_equality(tools):
    said = [r"\boxed{\frac{1}{2}}", r"\boxed{0.5}", r"\boxed{1/2}", r"\boxed{2}", "let me think about it"]
    assert clusters(tools, MathAnswer("7"), said) == (0, 0, 0, 3, None)


@pytest.mark.parametrize("check", [
    TaskAnswer(Triplet(TaskType.DEDUCTION, "def f(x):\n    return {x}", ("1",), ("{1}",))),
    OutputOf("{1}"),
])  # fmt: skip
def test_plain_data_votes_by_value(tools, check):
    said = ["{1, 2}\n", "{2, 1}\n", "[1, 2]\n", "{1, 2, }\n", "no idea\n"]
    assert clusters(tools, check, said) == (0, 0, 2, 0, None)


def test_inputs_vote_as_arguments_whatever_they_give(tools):
    check = TaskAnswer(Triplet(TaskType.ABDUCTION, "def f(a, b=2):\n    return 7", ("1",), ("7",)))
    said = ["f(1, b=3)\n", "f( 1 , b = 3)\n", "f(1)\n", "f(1,\n", "f(1.0, b=3)\n"]
    assert clusters(tools, check, said) == (0, 0, 2, None, 0)


def test_programs_vote_by_what_they_are_but_for_layout(tools):
    check = TaskAnswer(
        Triplet(TaskType.INDUCTION, "def f(x):\n    return x", ("1", "2", "3", "4"), ("1", "2", "3", "4"))
    )
    said = [f"def f({name}):\n    return {name}{more}\n\n" for name, more in (("x", ""), ("y", ""), ("x", " + 1"))]
    assert clusters(tools, check, said) == (0, 0, 2)


def test_letters_vote_however_they_are_written(tools):
    said = [r"\boxed{B}", r"\boxed{(b)}", r"\boxed{\text{B}}", r"\boxed{B. 12}", r"\boxed{C}", r"\boxed{12}"]
    assert clusters(tools, LetterAnswer("B"), said) == (0, 0, 0, 0, 4, None)
    assert [j.verdict for j in LetterAnswer("B").judge(tools, said)] == [Verdict.RIGHT] * 4 + [
        Verdict.WRONG,
        Verdict.UNPARSED,
    ]
    assert letter("Because") is None


def test_answers_that_tests_judge_have_no_equality():
    assert ballot_for(RecordedTests.__new__(RecordedTests)) is None


@pytest.mark.data
@pytest.mark.skipif(not VOTES.is_file(), reason="the published samples are not here")
def test_the_vote_on_published_answers_is_right_on_93_of_100(tools):
    with gzip.open(VOTES, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    paid = [pay(tools, row) for row in rows]
    assert sum(one.label_is_right for one in paid) == 93
    metrics = problem_metrics("ttrl", paid)
    assert metrics["ttrl/label_accuracy"] == metrics["ttrl/maj@8"] == pytest.approx(0.93)
    # By hand, from the file alone: on these answers equal texts are the only votes that decide, and a text seen first
    # wins a tie. One verdict of the file is not ours: 10000 is 10{,}000.
    ratios, equal, right = [], [], []
    for row in rows:
        verdicts = [v or (row["answer"], p) == ("10{,}000", "10000") for v, p in both(row)]
        [(label, size)] = Counter(row["predictions"]).most_common(1)
        ratios.append(size / 8)
        equal += [
            (prediction == label) == verdict for (_, prediction), verdict in zip(both(row), verdicts, strict=True)
        ]
        right += verdicts
    assert metrics["ttrl/majority_ratio"] == pytest.approx(fmean(ratios))
    assert metrics["ttrl/reward_accuracy"] == pytest.approx(fmean(equal))
    assert metrics["ttrl/truth_reward"] == pytest.approx(fmean(right))
    assert [round(fmean(values), 5) for values in (ratios, equal, right)] == [0.9425, 0.95125, 0.91125]


def both(row):
    return list(zip(row["verdicts"], row["predictions"], strict=True))


def pay(tools, row):
    check = MathAnswer(row["answer"])
    judgements = check.judge(tools, row["completions"])
    given = Given(str(row["task_id"]), row["question"], None, check, row["answer"])
    completions = tuple(Completion((1,), (-0.1,), text, False) for text in row["completions"])
    answers = Answers(
        Asked(given, Prompt(""), (1,)), completions, tuple(judgements), count(tools, ballot_for(check), judgements)
    )
    return Paid(answers, tuple(majority(Evidence((), tally=answers.tally))), len(completions))
