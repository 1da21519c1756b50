"""Answers to verdicts, whatever the type of task."""

from collections.abc import Callable, Sequence

from tasks.triplet import Verdict

MAX_ANSWER = 8_000  # characters


def verdicts(answers: Sequence[str | None], judge: Callable[[list[str]], list[bool]]) -> list[Verdict]:
    """One verdict an answer, in order.

    `judge` says of each answer whether it is right; equal ones go once. An answer beyond MAX_ANSWER is wrong unjudged,
    so that it can't crowd the others out of the sandbox's limit on source.
    """
    distinct = list(dict.fromkeys(answer for answer in answers if answer is not None and len(answer) <= MAX_ANSWER))
    right = {answer for answer, holds in zip(distinct, judge(distinct), strict=True) if holds} if distinct else set()
    return [
        Verdict.UNPARSED if answer is None else Verdict.RIGHT if answer in right else Verdict.WRONG
        for answer in answers
    ]
