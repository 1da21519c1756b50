"""Mathematics on public inputs: the cases from bug reports, every reference said aloud, and published verdicts."""

import gzip
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azr.evaluation.benchmarks import BENCHMARKS
from azr.evaluation.data import DataPlaces, load_problems
from azr.evaluation.judging.check import Tools
from azr.evaluation.judging.math_answer import MathAnswer
from tasks.triplet import Verdict

pytestmark = pytest.mark.data

SETS = ("aime24", "aime25", "amc23", "math500", "minerva", "olympiadbench", "gsm8k")
SHARED = Path(os.environ.get("AZR_DATA") or Path(__file__).parents[4] / "shared" / "data").parent
SPOKEN = (
    "The answer is ${}$.",
    "**Final Answer**\n\n\\({}\\)",
    "Thus the answer is\n\\[\n{}\n\\]",
    "The final answer is $${}$$. I hope it is correct.",
    "<think>\\boxed{{7}}?</think>\n<answer>{}</answer>",
)
SAID_NUMBERS = (
    "The answer is **{}**.",
    "The answer is {} because ...",
    "He pays $3 and gets $2.\nSo he has ${}.",
    "Answer: {} apples in total",
    "Therefore, she has {} left.",
)


@pytest.fixture(scope="module")
def checks(public_data: DataPlaces) -> list[MathAnswer]:
    """Every reference of the mathematical sets and of TTRL's experiments, once each."""
    found = [problem.check for name in SETS for problem in load_problems(BENCHMARKS[name], public_data)]
    checks = [check for check in found if isinstance(check, MathAnswer)]
    for file in sorted((public_data.folders[0] / "ttrl").glob("*.json")):
        checks += [MathAnswer(str(row["answer"])) for row in json.loads(file.read_text(encoding="utf-8"))]
    return list(dict.fromkeys(checks))


def share_right(checks: list[MathAnswer], form: str, tools: Tools) -> list[str]:
    """The references that are not right when said in this form."""
    return [
        check.reference
        for check in checks
        if check.judge(tools, [form.format(re.sub(r"(?<!\\)\$", "", check.reference).strip())])[0].verdict
        is not Verdict.RIGHT
    ]


def shared_cases() -> Iterator[Any]:
    path = SHARED / "cases" / "math.jsonl"
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n") if path.is_file() else (), start=1):
        if line.strip():
            yield pytest.param(json.loads(line), id=str(number))


@pytest.mark.parametrize("case", list(shared_cases()))
def test_inputs_from_public_bug_reports(case: dict[str, Any], tools: Tools) -> None:
    given = case["input"]
    [judgement] = MathAnswer(given["gold"], given.get("unit")).judge(tools, [given["completion"]])
    assert (judgement.verdict is Verdict.RIGHT) == (case["expected"] == "right"), judgement


@pytest.mark.parametrize("form", SPOKEN)
def test_every_reference_is_right_when_it_is_said(form: str, checks: list[MathAnswer], tools: Tools) -> None:
    whole = [check for check in checks if "where" not in check.reference]  # one is a sentence
    assert share_right(whole, form, tools) == []


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_every_reference_with_another_number_in_it_is_wrong(step: int, checks: list[MathAnswer], tools: Tools) -> None:
    wrong = []
    for check in checks[::step]:
        if number := re.search(r"(?<![.\d])\d+", check.reference):
            other = str(int(number[0]) + 1)
            text = check.reference[: number.start()] + other + check.reference[number.end() :]
            if check.judge(tools, [f"\\boxed{{{text}}}"])[0].verdict is Verdict.RIGHT:
                wrong.append((check.reference, text))
    assert wrong == []


@pytest.mark.parametrize("form", SAID_NUMBERS)
def test_every_answer_of_gsm8k_is_right_when_it_is_said(form: str, public_data: DataPlaces, tools: Tools) -> None:
    checks = [problem.check for problem in load_problems(BENCHMARKS["gsm8k"], public_data)]
    assert len(checks) == 1319
    assert share_right([check for check in checks if isinstance(check, MathAnswer)], form, tools) == []


def test_gsm8ks_own_solutions_without_their_last_line(public_data: DataPlaces, tools: Tools) -> None:
    rows = (public_data.folders[0] / "math" / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").split("\n")
    right = 0
    for row in (json.loads(line) for line in rows if line):
        solution, _, answer = row["answer"].rpartition("####")
        right += MathAnswer(answer.strip()).judge(tools, [solution.strip()])[0].verdict is Verdict.RIGHT
    assert right >= 1295  # most of the others do not end in their answer


@pytest.mark.parametrize(
    "form",
    [
        "x = {m} \\times 10^{{{e}}}",
        "{m} \\times 10^{{{e}}} \\text{{ parsnips}}",
        "\\approx {m} \\cdot 10^{{{e}}}",
        "({m}) \\times 10^{{{e}}}",
        "\\frac{{{m}}}{{10^{{{minus}}}}}",
        "{m}e{e}",
    ],
)
def test_minervas_powers_of_ten(form: str, public_data: DataPlaces, tools: Tools) -> None:
    checks = [problem.check for problem in load_problems(BENCHMARKS["minerva"], public_data)]
    powers = [c for c in checks if isinstance(c, MathAnswer) and re.fullmatch(r"[\d.]+e-?\d+", c.reference)]
    assert len(powers) == 58
    for check in powers:
        m, _, e = check.reference.partition("e")
        texts = [form.format(m=m, e=power, minus=-power) for power in (int(e), int(e) + 1)]
        verdicts = [j.verdict for j in check.judge(tools, [f"\\boxed{{{text}}}" for text in texts])]
        assert verdicts == [Verdict.RIGHT, Verdict.WRONG], check


def scored(name: str) -> list[dict[str, Any]]:
    with gzip.open(SHARED / "data" / "scored_samples" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.mark.parametrize("name", ["gsm8k_6b_finetuning", "gsm8k_175b_verification"])
def test_verdicts_published_with_gsm8k(name: str, public_data: DataPlaces, tools: Tools) -> None:
    checks = {problem.task_id: problem.check for problem in load_problems(BENCHMARKS["gsm8k"], public_data)}
    rows = scored(name)
    verdicts = [checks[row["task_id"]].judge(tools, [row["completion"]])[0].verdict for row in rows]
    differing = [r["task_id"] for r, v in zip(rows, verdicts, strict=True) if (v is Verdict.RIGHT) != r["verdict"]]
    assert len(rows) == 1319
    assert differing == []


@pytest.mark.usefixtures("public_data")  # skips where the files are not here
def test_verdicts_published_with_majority_votes(tools: Tools) -> None:
    """One differs: Qwen2.5-Math takes 10000 for another number than its reference 10{,}000."""
    differing = []
    rows = scored("math_8_votes")
    for row in rows:
        for judgement, theirs in zip(
            MathAnswer(row["answer"]).judge(tools, row["completions"]), row["verdicts"], strict=True
        ):
            if (judgement.verdict is Verdict.RIGHT) != theirs:
                differing.append((row["task_id"], row["answer"], judgement.answer))
    assert sum(len(row["completions"]) for row in rows) == 800
    assert differing == [(72, "10{,}000", "10000")]
