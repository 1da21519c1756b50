"""What there is to learn: a teacher's answers to known problems, those that the judge finds right."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from azr.boundary.judging import judge_of
from azr.boundary.lines import SampleLine, parse_line
from azr.boundary.problem_set import ProblemSet
from azr.errors import UserError
from azr.evaluation.benchmark import Problem
from azr.evaluation.images import refuse_images
from azr.json_lines import numbered_lines


@dataclass(frozen=True, slots=True)
class Lesson:
    """A problem and an answer to it, as a file of samples has it."""

    problem: Problem
    text: str


@dataclass(frozen=True, slots=True)
class Lessons:
    """`chosen` are to be learned, of `read` different answers, `right` of which are right."""

    chosen: tuple[Lesson, ...]
    read: int
    right: int


def read_lessons(file: Path, problems: ProblemSet, every: bool, each: int | None) -> Lessons:
    """The right answers in a file of samples, or `every` one; of a problem the first `each`, no text twice.

    Verdicts that are given are taken, others are judged. Raises UserError where nothing is left to learn, and for
    problems with images.
    """
    refuse_images(problems.asked, "azr distill")
    answers: dict[tuple[str, str], bool | None] = {}
    for _, line in numbered_lines(file):
        found = parse_line(line)
        if isinstance(found, SampleLine) and found.task_id in problems.wanted:
            for text, right in zip(found.completions, found.rights, strict=True):
                answers.setdefault((found.task_id, text), right)
    unjudged = [answer for answer, right in answers.items() if right is None]
    with judge_of(problems.by_id) as judge:
        answers |= dict(zip(unjudged, judge(unjudged), strict=True)) if unjudged else {}
    count = sum(bool(verdict) for verdict in answers.values())
    chosen = _first_of_each([answer for answer, verdict in answers.items() if every or verdict], each)
    if not chosen:
        raise UserError(
            f"{file}: nothing to learn: {len(answers)} answers to problems of {problems.benchmark.name}, {count} right"
        )
    return Lessons(tuple(Lesson(problems.by_id[task_id], text) for task_id, text in chosen), len(answers), count)


def _first_of_each(answers: Sequence[tuple[str, str]], each: int | None) -> list[tuple[str, str]]:
    seen: Counter[str] = Counter()
    kept = []
    for task_id, text in answers:
        seen[task_id] += 1
        if each is None or seen[task_id] <= each:
            kept.append((task_id, text))
    return kept
