"""Every side's samples, counted: read where they are there, asked for where a side is a model."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from azr.boundary.judging import judge_of
from azr.boundary.problem_set import ProblemSet
from azr.boundary.sides import Named, NamedSide
from azr.boundary.tally import Side, read_side
from azr.errors import UserError
from azr.evaluation.plan import Plan

if TYPE_CHECKING:
    from azr.boundary.temperature import Match


@dataclass(frozen=True, slots=True)
class Asking:
    """How models are asked. `plan` holds for all of them; `folder` is where samples go, a folder a side in it.

    `equal_entropy` gives each side but the first the temperature at which its entropy is the first's.
    """

    plan: Plan
    folder: Path | None = None
    equal_entropy: bool = False


@dataclass(slots=True)
class Gathered:
    """The sides in order; by label, how each model was asked, and the temperatures that were searched for."""

    sides: list[Side] = field(default_factory=list)
    plans: dict[str, Plan] = field(default_factory=dict)
    matches: "dict[str, Match]" = field(default_factory=dict)


def gather(
    named: Sequence[Named], problems: ProblemSet | None, asking: Asking, most: int | None, console: Console
) -> Gathered:
    """Reads or samples side after side; of a problem the first `most` samples count.

    Where the problems are known, lines without a verdict are judged. Ctrl-C keeps what was sampled and goes through.
    Raises UserError for what can't be read, loaded or done.
    """
    found = Gathered()
    plan = asking.plan
    models = [side for side in named if isinstance(side, NamedSide)]
    if models:
        from azr.boundary.asking import common_form  # torch

        plan = replace(plan, form=common_form(models, plan.form))
    for side in named:
        if isinstance(side, NamedSide):
            assert problems is not None  # else it would not have been taken for a model
            file = _sampled(side, plan, problems, asking, found, console)
        else:
            if asking.equal_entropy and found.sides:
                raise UserError(f"--equal-entropy asks models, and {side.label} is a file of results")
            file = side.file
        found.sides.append(_read(side.label, file, problems, most))
    return found


def _sampled(
    side: NamedSide, plan: Plan, problems: ProblemSet, asking: Asking, found: Gathered, console: Console
) -> Path:
    from azr.boundary.asking import plan_of, sample_side  # torch

    own = plan_of(side, plan, asking.folder)
    if asking.equal_entropy and found.sides:
        from azr.boundary.temperature import at_equal_entropy

        own, match = at_equal_entropy(side, own, found.sides[0], problems)
        found.matches[side.label] = match
        console.print(
            f"{side.label}: at temperature {match.temperature:g} its entropy is {match.entropy:.3f} nats a token, "
            f"{match.wanted:.3f} wanted",
            soft_wrap=True,
            markup=False,
        )
    found.plans[side.label] = own
    return sample_side(side, own, problems, console)


def _read(label: str, file: Path, problems: ProblemSet | None, most: int | None) -> Side:
    if problems is None:
        return read_side(label, file, most=most)
    with judge_of(problems.by_id) as judge:
        return read_side(label, file, judge, problems.by_id, most).only(problems.wanted)
