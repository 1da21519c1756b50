"""Given problems asked, their answers judged and counted, while the rest is generated."""

from collections.abc import Sequence
from dataclasses import dataclass

from azr.evaluation.benchmark import Problem, PromptForm
from azr.evaluation.judging.check import Judgement
from azr.problems.ballots import ballot_for, count
from azr.problems.given import Asked
from azr.problems.voting import Tally
from azr.progress import Advance
from azr.rollout.asking import Table, generate_and_judge
from azr.rollout.engine import Completion, Request
from azr.seeds import derive_seed
from tasks.triplet import Verdict


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to a problem, in the order in which they were sampled. `tally` is None where they can't vote.

    Where the problem's answer is not known, the judgements' verdicts mean nothing; `verdicts` says so.
    """

    asked: Asked
    completions: tuple[Completion, ...]
    judgements: tuple[Judgement, ...]
    tally: Tally | None

    @property
    def unreadable(self) -> tuple[bool, ...]:
        """Of each answer whether nothing could be read from it that could vote."""
        if self.tally:
            return tuple(cluster is None for cluster in self.tally.clusters)
        return tuple(judgement.answer is None for judgement in self.judgements)

    @property
    def verdicts(self) -> tuple[Verdict, ...] | None:
        """Of each answer; None where the problem's answer is not known."""
        known = self.asked.problem.answer is not None
        return tuple(judgement.verdict for judgement in self.judgements) if known else None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are sampled: `n` of each problem. `temperature` 0 is greedy. `may_be_cut`: see Exam."""

    n: int
    max_tokens: int
    temperature: float
    top_p: float
    may_be_cut: bool = False


def ask(
    table: Table,
    problems: Sequence[Asked],
    sampling: Sampling,
    purpose: tuple[str | int, ...],
    advance: Advance,
) -> list[Answers]:
    """The answers to each problem. `purpose` names the phase, for its seeds; `advance(n)` is called as answers end."""
    cases = [
        _Case(
            asked,
            Request(
                prompt_ids=asked.prompt_ids,
                n=sampling.n,
                max_tokens=most_tokens(table, asked, sampling.max_tokens),
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                stop=asked.prompt.stop,
                seed=derive_seed(table.config.seed, *purpose, number),
                may_be_cut=sampling.may_be_cut,
            ),
        )
        for number, asked in enumerate(problems)
    ]
    return generate_and_judge(table, cases, advance)


@dataclass(frozen=True, slots=True)
class _Case:
    """A problem that is asked (azr/rollout/asking.py, Case)."""

    asked: Asked
    request: Request

    def judge(self, table: Table, completions: Sequence[Completion]) -> Answers:
        texts = [self.asked.prompt.answer_prefix + completion.text for completion in completions]
        check = self.asked.problem.check
        judgements = check.judge(table.tools, texts)
        ballot = ballot_for(check)
        voted = count(table.tools, ballot, judgements) if ballot else None
        return Answers(self.asked, tuple(completions), tuple(judgements), voted)


def most_tokens(table: Table, asked: Asked, limit: int) -> int:
    """Of an answer: `limit`, or less where a benchmark knows that answers in its completion form are short."""
    if isinstance(asked.problem.asked, Problem) and not table.style.chat:
        return min(limit, asked.problem.asked.most_tokens.get(PromptForm.COMPLETION, limit))
    return limit
