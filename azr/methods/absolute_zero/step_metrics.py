"""A step in numbers, and in one line for the person who watches.

Names are paths: reward/ROLE/TYPE, propose/valid/TYPE, propose/rejected/REASON, propose/learnability/TYPE,
propose/new_programs (share of the proposals), propose/flaw/FLAW (share of the tasks that ran, refused or not),
estimate/rate/TYPE, solve/rate/TYPE, solve/copies/TYPE (share of answers that repeat the question), solve/greedy (share
of ReMax's greedy answers that are right; what says solve/ beside it is without them), entropy/ROLE,
length/ROLE/TYPE, truncated/ROLE; where rollout.tail may cut, also cut/propose, cut/estimate and cut/solve. Of a step
of several rounds, all of them count. The loop's own are in azr/training/loop.py.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from azr.config.choices import Flaw
from azr.methods.absolute_zero.record import StepRecord
from azr.methods.method import Rollout
from tasks.reward import learnability, solve_rate
from tasks.triplet import Rejection, Role, TaskType, Triplet, Verdict


def step_metrics(record: StepRecord) -> dict[str, float]:
    """Every metric of self-play's part of a step. A mean over nothing is left out rather than made up."""
    return {
        **_rewards(record.rollouts),
        **_proposals(record),
        **_solving(record),
        **_lengths(record),
        **_entropies(record.rollouts),
    }


def cut_shares(record: StepRecord) -> dict[str, float]:
    """Shares of the responses that were cut as the last of their call."""
    given = {
        "cut/propose": [proposal.completion.cut for proposal in record.proposed],
        "cut/estimate": [answer.completion.cut for task in record.invented for answer in task.estimate],
        "cut/solve": [answer.completion.cut for exercise in record.exercises for answer in exercise.answers],
    }
    return _means(given)


def tokens_generated(record: StepRecord) -> int:
    """All that was sampled in a step, an answer that is both estimate and exercise once; greedy ones too."""
    generated = sum(len(proposal.completion.token_ids) for proposal in record.proposed)
    answers = {id(a): a for task in record.invented for a in task.estimate}
    answers |= {id(a): a for exercise in record.exercises for a in exercise.answers}
    answers |= {id(exercise.greedy): exercise.greedy for exercise in record.exercises if exercise.greedy}
    return generated + sum(len(answer.completion.token_ids) for answer in answers.values())


def step_line(metrics: dict[str, float], types: Sequence[TaskType] = tuple(TaskType)) -> str:
    """One line a person can read: valid proposals and solve rate by type, learnability, reward."""
    valid = " ".join(_percent(metrics.get(f"propose/valid/{t}")) for t in types)
    solved = " ".join(_percent(metrics.get(f"solve/rate/{t}")) for t in types)
    rewards = " ".join(_signed(metrics.get(f"reward/{role}")) for role in Role)
    learnable = metrics.get("propose/learnability")
    told = "-" if learnable is None else f"{learnable:.2f}"
    return f"valid {valid}  solved {solved}  learnability {told}  reward {rewards}"


def step_line_key(types: Sequence[TaskType] = tuple(TaskType)) -> str:
    """What the step's line lists, in its order."""
    return f"valid and solved: {', '.join(types)}; reward: proposer, solver"


def _rewards(rollouts: Sequence[Rollout]) -> dict[str, float]:
    by_role = {f"reward/{role}": [r.reward for r in rollouts if r.role is role] for role in Role}
    by_stratum = {
        f"reward/{role}/{task_type}": [r.reward for r in rollouts if r.stratum == (role, task_type)]
        for role in Role
        for task_type in TaskType
    }
    return _means({**by_role, **by_stratum})


def _proposals(record: StepRecord) -> dict[str, float]:
    outcomes = [(proposal.type, proposal.outcome) for proposal in record.proposed]
    valid = {
        f"propose/valid/{task_type}": [isinstance(o, Triplet) for t, o in outcomes if t is task_type]
        for task_type in TaskType
    }
    rejected = Counter(outcome.reason for _, outcome in outcomes if isinstance(outcome, Rejection))
    flaws = [proposal.flaws for proposal in record.proposed if proposal.flaws is not None]
    rates = [(task.triplet.type, solve_rate([a.verdict for a in task.estimate])) for task in record.invented]
    return {
        **_means({"propose/valid": [isinstance(outcome, Triplet) for _, outcome in outcomes], **valid}),
        **{f"propose/rejected/{reason}": float(count) for reason, count in sorted(rejected.items())},
        **_means(
            {"propose/new_programs": [p.flaws is not None and Flaw.RESTATED not in p.flaws for p in record.proposed]}
        ),
        **_means({f"propose/flaw/{flaw}": [flaw in found for found in flaws] for flaw in Flaw}),
        **_means({"propose/learnability": [learnability(rate) for _, rate in rates]}),
        **_means(_by_type("propose/learnability", rates, learnability)),
        **_means(_by_type("estimate/rate", rates, float)),
        **_sums(_by_type("estimate/learnable", rates, lambda rate: float(0 < rate < 1))),
    }


def _solving(record: StepRecord) -> dict[str, float]:
    answers = [(exercise.triplet.type, answer) for exercise in record.exercises for answer in exercise.answers]
    verdicts = [(task_type, answer.verdict) for task_type, answer in answers]
    return {
        **_means({"solve/copies": [a.repeats for task_type, a in answers if task_type is not TaskType.INDUCTION]}),
        **_means(_by_type("solve/copies", answers, lambda answer: float(answer.repeats))),
        **_means(_by_type("solve/rate", verdicts, lambda verdict: float(verdict is Verdict.RIGHT))),
        **_means({"solve/greedy": [e.greedy.verdict is Verdict.RIGHT for e in record.exercises if e.greedy]}),
        **_means(_by_type("solve/unparsed", verdicts, lambda verdict: float(verdict is Verdict.UNPARSED))),
    }


def _lengths(record: StepRecord) -> dict[str, float]:
    completions = {
        Role.PROPOSE: [(proposal.type, proposal.completion) for proposal in record.proposed],
        Role.SOLVE: [(e.triplet.type, answer.completion) for e in record.exercises for answer in e.answers],
    }
    metrics: dict[str, float] = {}
    for role, given in completions.items():
        metrics |= _means(_by_type(f"length/{role}", given, lambda completion: float(len(completion.token_ids))))
        metrics |= _means({f"truncated/{role}": [completion.truncated for _, completion in given]})
    return metrics


def _entropies(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """In nats a token, -log p averaged over what was sampled: of every rollout, not of the trained ones alone."""
    surprise = {role: [-p for r in rollouts if r.role is role for p in r.logprobs] for role in Role}
    return _means({f"entropy/{role}": values for role, values in surprise.items()})


def _by_type(
    name: str, values: Iterable[tuple[TaskType, object]], measure: Callable[..., float]
) -> dict[str, list[float]]:
    given = list(values)
    return {
        f"{name}/{task_type}": [measure(value) for its_type, value in given if its_type is task_type]
        for task_type in TaskType
    }


def _means(values: dict[str, list[float]] | dict[str, list[bool]]) -> dict[str, float]:
    return {name: fmean(given) for name, given in values.items() if given}


def _sums(values: dict[str, list[float]]) -> dict[str, float]:
    return {name: sum(given) for name, given in values.items() if given}


def _signed(reward: float | None) -> str:
    return "-" if reward is None else f"{reward:+.2f}"


def _percent(share: float | None) -> str:
    return "  -" if share is None else f"{100 * share:.0f}%"
