"""From samples to a score: judges them side by side, counts, and estimates pass@k."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from azr.evaluation.benchmark import Problem, subject_of
from azr.evaluation.judging.check import Judgement, Tools
from azr.evaluation.passk import bootstrap_interval, per_problem
from azr.evaluation.samples import Sample, SampleFile, by_task
from tasks.triplet import Verdict

OnJudged = Callable[[Problem, Sequence[str], Sequence[Judgement]], None]


@dataclass(frozen=True, slots=True)
class PassAtK:
    """An estimate of pass@k and its 95 % bootstrap interval over problems, all in 0…1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Score:
    """A benchmark's score.

    `counts` is (samples, right ones) of every task that has a sample. `pass_at` has None for a k that some task has too
    few samples for. `by_grade` is pass@1 of the problems of each grade, empty where they have none. `repeats` is the
    share of answers that only repeat the question, each problem counting alike; None where that is not asked.
    """

    benchmark: str
    n_tasks: int
    counts: Mapping[str, tuple[int, int]]
    pass_at: Mapping[int, PassAtK | None]
    unanswered: tuple[str, ...]
    by_grade: Mapping[int, float] = field(default_factory=dict)
    repeats: float | None = None

    @property
    def percent(self) -> float:
        """pass@1 in per cent: the table's figure."""
        estimate = self.pass_at[1]
        assert estimate is not None  # every task that has samples has one
        return 100.0 * estimate.value

    def as_json(self) -> dict[str, Any]:
        """The form that `azr eval score --json` prints (design: fixed names)."""
        return {
            "benchmark": self.benchmark,
            "n_tasks": self.n_tasks,
            "pass@k": {str(k): estimate and estimate.value for k, estimate in self.pass_at.items()},
            "interval": {str(k): estimate and [estimate.low, estimate.high] for k, estimate in self.pass_at.items()},
            "per_task": {task_id: list(counts) for task_id, counts in self.counts.items()},
            "unanswered": list(self.unanswered),
            **({"by_grade": {str(grade): value for grade, value in self.by_grade.items()}} if self.by_grade else {}),
            **({} if self.repeats is None else {"repeats": self.repeats}),
        }


def judge_all(
    problems: Sequence[Problem], completions: Mapping[str, Sequence[str]], tools: Tools, on_judged: OnJudged
) -> None:
    """Judges the completions of every problem that has some, several problems at a time.

    `on_judged` is called in the calling thread, in the order in which problems are finished.
    """
    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as threads:
        waiting = {
            threads.submit(problem.check.judge, tools, completions[problem.task_id]): problem
            for problem in problems
            if completions.get(problem.task_id)
        }
        try:
            for future in as_completed(waiting):
                problem = waiting[future]
                on_judged(problem, completions[problem.task_id], future.result())
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise


def score_samples(
    benchmark: str,
    problems: Sequence[Problem],
    file: SampleFile,
    ks: Sequence[int],
    tools: Tools,
    on_judged: OnJudged = lambda *_: None,
) -> Score:
    """Judges every sample of a file anew (a verdict that it claims counts for nothing) and scores it."""
    groups = by_task(file.samples)
    counts: dict[str, tuple[int, int]] = {}
    repeated: dict[str, float] = {}

    def count(problem: Problem, completions: Sequence[str], judgements: Sequence[Judgement]) -> None:
        right = sum(judgement.verdict is Verdict.RIGHT for judgement in judgements)
        counts[problem.task_id] = (len(judgements), right)
        repeated.update(_repeated(problem.task_id, [judgement.repeats for judgement in judgements]))
        on_judged(problem, completions, judgements)

    completions = {task_id: [sample.completion for sample in samples] for task_id, samples in groups.items()}
    judge_all(problems, completions, tools, count)
    return replace(score_counts(benchmark, problems, counts, ks), repeats=_mean(repeated))


def score_judged(benchmark: str, problems: Sequence[Problem], samples: Sequence[Sample], ks: Sequence[int]) -> Score:
    """Scores samples by the verdicts that we gave them before."""
    counts: dict[str, tuple[int, int]] = {}
    repeated: dict[str, float] = {}
    for task_id, group in by_task(samples).items():
        counts[task_id] = (len(group), sum(sample.verdict is Verdict.RIGHT for sample in group))
        repeated |= _repeated(task_id, [sample.repeats for sample in group])
    return replace(score_counts(benchmark, problems, counts, ks), repeats=_mean(repeated))


def score_counts(
    benchmark: str, problems: Sequence[Problem], counts: Mapping[str, tuple[int, int]], ks: Sequence[int]
) -> Score:
    """pass@k over all problems; one without a sample counts as failed, and is listed."""
    answered = {problem.task_id: counts[problem.task_id] for problem in problems if problem.task_id in counts}
    unanswered = tuple(problem.task_id for problem in problems if problem.task_id not in counts)
    fewest = min((n for n, _ in answered.values()), default=0)
    pass_at: dict[int, PassAtK | None] = {}
    for k in sorted(set(ks)):
        if answered and k > fewest:
            pass_at[k] = None
            continue
        values = per_problem([answered.get(problem.task_id, (k, 0)) for problem in problems], k)
        interval = bootstrap_interval(values, subjects=[subject_of(problem.task_id) for problem in problems])
        pass_at[k] = PassAtK(float(values.mean()), *interval)
    return Score(benchmark, len(problems), answered, pass_at, unanswered, _by_grade(problems, answered))


def _by_grade(problems: Sequence[Problem], counts: Mapping[str, tuple[int, int]]) -> dict[int, float]:
    shares: dict[int, list[float]] = {}
    for problem in problems:
        if problem.grade is not None:
            samples, right = counts.get(problem.task_id, (1, 0))
            shares.setdefault(problem.grade, []).append(right / samples)
    return {grade: fmean(values) for grade, values in sorted(shares.items())}


def _repeated(task_id: str, repeats: Sequence[bool | None]) -> dict[str, float]:
    """The share of repeating answers, where all of them were asked for it."""
    known = [repeating for repeating in repeats if repeating is not None]
    return {task_id: fmean(known)} if known and len(known) == len(repeats) else {}


def _mean(shares: Mapping[str, float]) -> float | None:
    return fmean(shares.values()) if shares else None
