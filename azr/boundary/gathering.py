"""Every side's samples, counted: read where they are there, asked for where a side is a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
    from azr.ranks.group import Ranks


@dataclass(frozen=True, slots=True)
class Asking:
    """How models are asked. `plan` holds for all of them; `folder` is where samples go, a folder a side in it.

    `equal_entropy` gives each side but the first the temperature at which its entropy is the first's. Of several
    `ranks` this is the first.
    """

    plan: Plan
    folder: Path | None = None
    equal_entropy: bool = False
    ranks: "Ranks | None" = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """The sides in their order, and by label how each model among them was asked."""

    sides: tuple[Side, ...]
    plans: Mapping[str, Plan]


def gather(
    named: Sequence[Named], problems: ProblemSet | None, asking: Asking, most: int | None, console: Console
) -> Gathered:
    """Reads or samples side after side; of a problem the first `most` samples count.

    Where the problems are known, lines without a verdict are judged. Ctrl-C keeps what was sampled and goes through.
    Raises UserError for what can't be read, loaded or done.
    """
    plan = asking.plan
    if models := [side for side in named if isinstance(side, NamedSide)]:
        from azr.boundary.asking import common_form  # torch

        assert problems is not None  # else nothing would have been taken for a model
        plan = replace(plan, form=common_form(models, plan.form, problems))
    sides: list[Side] = []
    plans: dict[str, Plan] = {}
    for side in named:
        level = sides[0] if sides and asking.equal_entropy else None
        if isinstance(side, NamedSide):
            assert problems is not None  # else it would not have been taken for a model
            plans[side.label], file = _sampled(side, replace(asking, plan=plan), problems, level, console)
        elif level:
            raise UserError(f"--equal-entropy asks models, and {side.label} is a file of results")
        else:
            file = side.file
        sides.append(_read(side.label, file, problems, most))
    return Gathered(tuple(sides), plans)


def _sampled(
    side: NamedSide, asking: Asking, problems: ProblemSet, level: Side | None, console: Console
) -> tuple[Plan, Path]:
    """How the model was asked, and its file of samples; with a `level`, at the temperature where its entropy is that
    side's."""
    from azr.boundary.asking import plan_of, sample_side  # torch

    plan = plan_of(side, asking.plan, asking.folder)
    if level:
        from azr.boundary.temperature import at_equal_entropy

        plan, match = at_equal_entropy(side, plan, level, problems, asking.ranks)
        console.print(
            f"{side.label}: at temperature {match.temperature:g} its entropy is {match.entropy:.3f} nats a token, "
            f"{match.wanted:.3f} wanted",
            soft_wrap=True,
            markup=False,
        )
    return plan, sample_side(side, plan, problems, console, asking.ranks)


def _read(label: str, file: Path, problems: ProblemSet | None, most: int | None) -> Side:
    if problems is None:
        return read_side(label, file, most=most)
    with judge_of(problems.by_id) as judge:
        return read_side(label, file, judge, problems.by_id, most).only(problems.wanted)
