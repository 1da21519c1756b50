"""The kinds of answers that judges of mathematics get wrong, each with inputs whose verdicts were worked out by hand.

math_tables/ has a table for each kind of public bug report. Its lines are inputs of ours: the reference, with its unit
behind a semicolon where it has one, a bar, and the response, in which ⏎ is a line feed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azr.evaluation.judging.check import Tools
from azr.evaluation.judging.math_answer import MathAnswer
from tasks.triplet import Verdict

TABLES = sorted(Path(__file__).with_name("math_tables").glob("*.txt"))


def rows(section: str) -> Iterator[Any]:
    """The lines below "# right" or "# wrong" in all tables."""
    for table in TABLES:
        head = ""
        for line in table.read_text(encoding="utf-8").split("\n"):
            if line.startswith("# "):
                head = line.removeprefix("# ")
            elif line and head == section:
                yield pytest.param(*line.split(" | ", maxsplit=1), id=f"{table.stem}: {line}")


def verdict(tools: Tools, reference: str, response: str) -> Verdict:
    """What MathAnswer says of one response."""
    value, _, unit = reference.partition(" ; ")
    return MathAnswer(value, unit or None).judge(tools, [response.replace("⏎", "\n")])[0].verdict


def test_every_kind_has_its_table() -> None:
    assert len(TABLES) == 12
    assert len(list(rows("right"))) > 700
    assert len(list(rows("wrong"))) > 300


@pytest.mark.parametrize(("reference", "response"), [*rows("right")])
def test_what_is_right_is_right_in_whatever_form(reference: str, response: str, tools: Tools) -> None:
    assert verdict(tools, reference, response) is Verdict.RIGHT


@pytest.mark.parametrize(("reference", "response"), [*rows("wrong")])
def test_what_is_wrong_is_wrong_in_whatever_form(reference: str, response: str, tools: Tools) -> None:
    assert verdict(tools, reference, response) is not Verdict.RIGHT
