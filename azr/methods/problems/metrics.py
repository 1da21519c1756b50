"""What a step with given problems says of itself, under the name of its method (rlvr, ttrl).

METHOD/majority_ratio    the largest cluster's share of all answers
METHOD/label_accuracy    share of problems whose largest cluster is right, judged by its first answer
METHOD/reward_accuracy   share of rewards that equal those under the truth
METHOD/majority_reward   mean reward under the majority
METHOD/truth_reward      mean reward under the truth
METHOD/pass@N            share of problems that one of the N answers is right for
METHOD/maj@N             share of problems that the vote of the N answers is right for
METHOD/unreadable        share of answers that nothing could be read from
METHOD/NAME/LEVEL        the first five by the problems' level, where they have one
METHOD/greedy            mean reward of the greedy answers, where ReMax has them
METHOD/refilled          problems asked in place of others, where DAPO's refilling is on
METHOD/left_out          problems left out of the update, since their answers all earned the same
reward/METHOD, length/METHOD, truncated/METHOD, entropy/METHOD
cut/METHOD               share of answers that were cut as the last of their call, where rollout.tail may

Zuo et al. 2025 (TTRL, arXiv 2504.16084) for the names. Ratio, pass@N, maj@N and the rest count all answers that vote,
reward_accuracy, majority_reward and truth_reward those that train or, where their problem was left out, would have:
with refilling too the means are over all problems that were asked. What needs the truth is left out where no problem's
answer is known, and else taken over the problems whose answer is; what needs votes, where answers can't vote. A problem
without a label has the ratio 0, and its label is not right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from azr.buffer import LookRow
from azr.methods.problems.labels import Evidence, majority, truth
from azr.problems.asking import Answers
from tasks.triplet import Verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Paid:
    """The answers to a problem with what each earned.

    The first `trained` of them train, unless the problem was left out. `greedy` is one answer at temperature 0, and
    `baseline` what it earned.
    """

    answers: Answers
    rewards: tuple[float, ...]
    trained: int
    left_out: bool = False
    greedy: Answers | None = None
    baseline: float | None = None

    @property
    def training(self) -> int:
        """How many of the answers train."""
        return 0 if self.left_out else self.trained

    @property
    def tokens(self) -> int:
        """All that were sampled."""
        asked = [self.answers, *([self.greedy] if self.greedy else [])]
        return sum(len(completion.token_ids) for answers in asked for completion in answers.completions)

    @property
    def evidence(self) -> Evidence:
        """What is known of the answers besides their tokens."""
        return Evidence((), self.answers.verdicts, self.answers.tally)

    @property
    def label_is_right(self) -> bool:
        """Whether the largest cluster's first answer is right; nobody's label is not."""
        tally, verdicts = self.answers.tally, self.answers.verdicts
        return bool(verdicts and tally and tally.label is not None and verdicts[tally.label] is Verdict.RIGHT)


def problem_metrics(method: str, paid: Sequence[Paid]) -> dict[str, float]:
    """The metrics of a step's problems."""
    metrics = _voted(method, paid, "")
    for level in _levels(paid):
        metrics |= _voted(method, _of_level(paid, level), f"/{level}")
    return metrics | _whole(method, paid)


def cut_share(method: str, paid: Sequence[Paid]) -> dict[str, float]:
    """Of all answers, how many were cut as the last of their call."""
    return {f"cut/{method}": fmean(completion.cut for one in paid for completion in one.answers.completions)}


def refilling_metrics(method: str, paid: Sequence[Paid], batch: int) -> dict[str, float]:
    """What was asked beyond the `batch` problems of a step, and what was left out."""
    left_out = sum(one.left_out for one in paid)
    return {f"{method}/refilled": float(len(paid) - batch), f"{method}/left_out": float(left_out)}


def _voted(method: str, paid: Sequence[Paid], level: str) -> dict[str, float]:
    voted = [one for one in paid if one.answers.tally]
    tallies = [one.answers.tally for one in paid if one.answers.tally]
    known = [one for one in paid if one.answers.verdicts]
    both = [one for one in voted if one.answers.verdicts]
    return {
        **_mean(f"{method}/majority_ratio{level}", tallies, lambda tally: tally.ratio),
        **_mean(f"{method}/label_accuracy{level}", both, lambda one: one.label_is_right),
        **_mean(f"{method}/reward_accuracy{level}", known, _reward_accuracy),
        **_mean(f"{method}/majority_reward{level}", voted, lambda one: fmean(majority(one.evidence)[: one.trained])),
        **_mean(f"{method}/truth_reward{level}", known, lambda one: fmean(truth(one.evidence)[: one.trained])),
    }


def _whole(method: str, paid: Sequence[Paid]) -> dict[str, float]:
    known = [one for one in paid if one.answers.verdicts]
    both = [one for one in known if one.answers.tally]
    n = len(paid[0].rewards)
    completions = [completion for one in paid for completion in one.answers.completions]
    logprobs = [p for one in paid for completion in one.answers.completions for p in completion.logprobs]
    return {
        **_mean(f"{method}/pass@{n}", known, lambda one: any(truth(one.evidence))),
        **_mean(f"{method}/maj@{n}", both, lambda one: one.label_is_right),
        **_mean(f"{method}/greedy", [one.baseline for one in paid if one.baseline is not None], float),
        f"{method}/unreadable": fmean(silent for one in paid for silent in one.answers.unreadable),
        f"reward/{method}": fmean(reward for one in paid for reward in one.rewards[: one.trained]),
        f"length/{method}": fmean(len(completion.token_ids) for completion in completions),
        f"truncated/{method}": fmean(completion.truncated for completion in completions),
        f"entropy/{method}": -fmean(logprobs),
    }


def _reward_accuracy(one: Paid) -> float:
    pairs = zip(one.rewards[: one.trained], truth(one.evidence)[: one.trained], strict=True)
    return fmean(reward == wanted for reward, wanted in pairs)


def _mean(name: str, measured: Sequence[T], measure: Callable[[T], float]) -> dict[str, float]:
    return {name: fmean(map(measure, measured))} if measured else {}


def look_metrics(method: str, answered: Sequence[Answers]) -> dict[str, float]:
    """probe/METHOD, the mean share of right answers (avg@N), probe/maj@N/METHOD and probe/pass@N/METHOD, over the
    problems whose answer is known; probe/tokens/METHOD, the mean length, over all.

    Where problems have levels, the first and the last also by these: probe/level-L/METHOD, probe/tokens-L/METHOD.
    """
    n = len(answered[0].completions)
    paid = [Paid(answers, (), n) for answers in answered]
    known = [one for one in paid if one.answers.verdicts]
    metrics = {
        **_mean(f"probe/{method}", known, _right_share),
        **_mean(f"probe/maj@{n}/{method}", [one for one in known if one.answers.tally], lambda one: one.label_is_right),
        **_mean(f"probe/pass@{n}/{method}", known, lambda one: any(truth(one.evidence))),
        **_mean(f"probe/tokens/{method}", paid, _length),
    }
    for level in _levels(paid):
        metrics |= _mean(f"probe/level-{level}/{method}", _of_level(known, level), _right_share)
        metrics |= _mean(f"probe/tokens-{level}/{method}", _of_level(paid, level), _length)
    return metrics


def look_row(step: int, method: str, answers: Answers) -> LookRow:
    """What a look after `step` (0: before training) at a problem came to, for the buffer."""
    paid, problem = Paid(answers, (), len(answers.completions)), answers.asked.problem
    solved = int(sum(truth(paid.evidence))) if answers.verdicts else None
    vote = paid.label_is_right if answers.verdicts and answers.tally else None
    count, tokens = len(answers.completions), _length(paid)
    return LookRow(step, method, problem.key, problem.level, count, solved, vote, tokens)


def _right_share(one: Paid) -> float:
    return fmean(truth(one.evidence))


def _length(one: Paid) -> float:
    return fmean(len(completion.token_ids) for completion in one.answers.completions)


def _levels(paid: Sequence[Paid]) -> list[str]:
    """The levels that some problem has, in order."""
    return sorted({one.answers.asked.problem.level for one in paid} - {""})


def _of_level(paid: Sequence[Paid], level: str) -> list[Paid]:
    return [one for one in paid if one.answers.asked.problem.level == level]


def problem_line(method: str, metrics: dict[str, float], votes: int) -> str:
    """One line a person can read; what nobody knows is a question mark."""
    names = ("majority_ratio", "label_accuracy", "reward_accuracy", f"pass@{votes}")
    values = (metrics.get(f"{method}/{name}") for name in names)
    shares = " ".join("?" if value is None else f"{value:.0%}" for value in values)
    return f"{method} {shares}  reward {metrics[f'reward/{method}']:+.2f}  {metrics[f'length/{method}']:.0f} tokens"


def problem_line_key(method: str, votes: int, known: bool) -> str:
    """What the line lists, in its order."""
    unknown = "" if known else " (? : nobody knows the answers)"
    return f"{method}: majority ratio, accuracy of labels, of rewards, pass@{votes}{unknown}; mean reward and length"
