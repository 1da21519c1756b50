"""Judges the answer to one of self-play's tasks as self-play does, in either of its styles."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import lru_cache

from azr.evaluation.flaws import repeats_question
from azr.evaluation.judging.check import Judgement, Tools
from sandbox import Job, JobResult, Sandbox
from tasks.kinds import KINDS
from tasks.prompts import Style, load_style
from tasks.triplet import TaskType, Triplet

TIMEOUT_S = 3.0  # the programs asked about take microseconds


@dataclass(frozen=True, slots=True)
class TaskAnswer:
    """Right is what self-play's solver would be paid for: the output's value, an input that gives it, a program.

    An answer in tags is read as the reasoning style asks for it, any other as the continuation of the completion
    style's prompt.
    """

    task: Triplet

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion; a value or an input is also compared with what the question shows."""
        kind, sandbox = KINDS[self.task.type], _Impatient(tools.sandbox)
        answers = [kind.parse_answer(_style_of(completion), completion) for completion in completions]
        verdicts = kind.verify(sandbox, self.task, answers)
        repeats: list[bool] | list[None] = [None] * len(answers)
        if self.task.type is not TaskType.INDUCTION:  # a program is nothing that the question shows
            repeats = repeats_question(sandbox, self.task, answers)
        return [
            Judgement(verdict, answer, repeats=repeating)
            for verdict, answer, repeating in zip(verdicts, answers, repeats, strict=True)
        ]


class _Impatient(Sandbox):
    """The same pool of workers, with a shorter clock for jobs that set none."""

    def __init__(self, pool: Sandbox) -> None:
        super().__init__(pool.config)
        self._pool = pool

    def submit(self, job: Job) -> "Future[JobResult]":
        """See Sandbox."""
        return self._pool.submit(job if job.timeout_s else replace(job, timeout_s=TIMEOUT_S))


def _style_of(completion: str) -> Style:
    return _style("reasoning" if "<answer>" in completion else "completion")


@lru_cache
def _style(name: str) -> Style:
    return load_style(name)
