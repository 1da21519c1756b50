"""Answers to verdicts, whatever the type of task."""

from collections.abc import Callable, Sequence

from tasks.triplet import Verdict


def verdicts(answers: Sequence[str | None], judge: Callable[[list[str]], list[bool]]) -> list[Verdict]:
    """One verdict an answer, in order. `judge` says of each parsed answer whether it is right; equal ones go once."""
    parsed = list(dict.fromkeys(answer for answer in answers if answer is not None))
    right = dict(zip(parsed, judge(parsed), strict=True)) if parsed else {}
    return [
        Verdict.UNPARSED if answer is None else Verdict.RIGHT if right[answer] else Verdict.WRONG for answer in answers
    ]
