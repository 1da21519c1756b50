"""The study at equal entropy: the temperature at which a trained model is as undecided as its base.

Reward makes a policy surer, so at one temperature its samples are more alike than its base's, and many of them are
worth less. Yue et al. 2025 (section 4.5) raise the trained model's temperature until its entropy is the base's. Entropy
is measured here as a side's is (tally.py): nats a sampled token.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from azr.boundary.problem_set import ProblemSet
from azr.boundary.sides import NamedSide
from azr.boundary.tally import Side
from azr.errors import UserError
from azr.evaluation.benchmark import Problem
from azr.evaluation.plan import Plan
from azr.evaluation.running import asked_model
from azr.evaluation.sampling import Respondent
from azr.ranks.group import Ranks
from azr.seeds import derive_seed
from azr.training.run import write_whole

PILOT_PROBLEMS = 32
PILOT_SAMPLES = 16
HOTTEST, COLDEST = 4.0, 0.05
CLOSE = 0.01  # of the entropy that is wanted
STEP = 0.01  # temperatures are told apart by so much
TRIES = 16


@dataclass(frozen=True, slots=True)
class Match:
    """The temperature found, the entropy there, the one that was wanted, and all that was tried (temperature, nats)."""

    temperature: float
    entropy: float
    wanted: float
    tried: tuple[tuple[float, float], ...]


def matching_temperature(entropy_at: Callable[[float], float], wanted: float, start: float) -> Match:
    """Where `entropy_at`, which rises with temperature but for noise, is `wanted`: by halving, from `start` on.

    Raises UserError where that is beyond HOTTEST or COLDEST.
    """
    tried: dict[float, float] = {}

    def at(temperature: float) -> float:
        rounded = round(temperature, 2)
        if rounded not in tried:
            tried[rounded] = entropy_at(rounded)
        return tried[rounded]

    low = high = max(COLDEST, round(start, 2))
    while at(high) < wanted:
        if high >= HOTTEST:
            raise UserError(f"even at temperature {HOTTEST:g} the entropy is {at(high):.3f} nats, below {wanted:.3f}")
        low, high = high, min(HOTTEST, high * 1.5)
    while at(low) > wanted:
        if low <= COLDEST:
            raise UserError(f"even at temperature {COLDEST:g} the entropy is {at(low):.3f} nats, above {wanted:.3f}")
        low, high = max(COLDEST, low / 1.5), low
    while high - low > STEP and len(tried) < TRIES and min(abs(h - wanted) for h in tried.values()) > CLOSE * wanted:
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle) < wanted else (low, middle)
    best = min(tried, key=lambda temperature: abs(tried[temperature] - wanted))
    return Match(best, tried[best], wanted, tuple(sorted(tried.items())))


def at_equal_entropy(
    side: NamedSide, plan: Plan, first: Side, problems: ProblemSet, ranks: Ranks | None = None
) -> tuple[Plan, Match]:
    """The side's plan with the temperature at which its entropy on some of the problems is the first side's there.

    What is found is kept beside the side's results, and found again there. Raises UserError where the first side's
    samples don't say what their tokens were.
    """
    assert plan.form is not None
    chosen = _spread([problem for problem in problems.asked if problem.task_id in first.tallies])
    ids = [problem.task_id for problem in chosen]
    wanted = first.entropy(ids) if ids else None
    if wanted is None:
        raise UserError(
            f"--equal-entropy: the samples of {first.label} don't say how likely their tokens were; those that "
            "azr samples do"
        )
    settings = asdict(plan.settings(side.model, plan.form)) | {"to": str(first.file), "problems": ids}
    name = f"equal-entropy-{problems.benchmark.name}-{derive_seed(0, json.dumps(settings, sort_keys=True)):08x}.json"
    record = (plan.out or side.model.results) / name
    match = _recorded(record)
    if match is None:
        with asked_model(side.model, plan, plan.form, chosen, ranks) as respondent:
            match = matching_temperature(
                lambda temperature: _entropy(respondent, problems, chosen, temperature), wanted, plan.temperature
            )
        record.parent.mkdir(parents=True, exist_ok=True)
        write_whole(record, json.dumps({"settings": settings, **asdict(match)}, indent=2) + "\n")
    own = plan.out and plan.out.with_name(f"{plan.out.name}-t{match.temperature:g}")
    return replace(plan, temperature=match.temperature, out=own), match


def _recorded(path: Path) -> Match | None:
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    tried = tuple((temperature, nats) for temperature, nats in found["tried"])
    return Match(found["temperature"], found["entropy"], found["wanted"], tried)


def _entropy(respondent: Respondent, problems: ProblemSet, chosen: Sequence[Problem], temperature: float) -> float:
    """Nats a sampled token, over PILOT_SAMPLES answers to each problem; the same dice at every temperature."""
    hotter = replace(respondent, settings=replace(respondent.settings, temperature=temperature))
    requests = [hotter.request(problems.benchmark, problem, PILOT_SAMPLES, 0) for problem in chosen]
    answers = [one for group in respondent.engine.generate(requests) for one in group]
    return -sum(sum(one.logprobs) for one in answers) / sum(len(one.token_ids) for one in answers)


def _spread(problems: Sequence[Problem]) -> list[Problem]:
    """PILOT_PROBLEMS of them at even distances, or all."""
    if len(problems) <= PILOT_PROBLEMS:
        return list(problems)
    return [problems[i * len(problems) // PILOT_PROBLEMS] for i in range(PILOT_PROBLEMS)]
