"""A memory plan as a person reads it."""

from rich.console import Console

from azr.planning.machine import GB
from azr.planning.memory import MemoryPlan
from azr.planning.pace import Pace


def print_memory(plan: MemoryPlan, out: Console) -> None:
    """The parts in GB (10⁹ bytes), what changes each, and what is left of the machine."""
    rows = [(part.name, part.generating, part.learning, ", ".join(part.knobs)) for part in plan.parts]
    rows.append(("together", plan.generating, plan.learning, f"of {plan.machine.memory / GB:.1f}"))
    width = max(len(name) for name, *_ in rows)
    each = f" of each of {plan.ranks} ranks" if plan.ranks > 1 else ""
    out.print(f"memory{each} on {plan.machine.name}, in GB:", soft_wrap=True, markup=False)
    out.print(f"{'':{width}}  generating  learning  changed by", soft_wrap=True)
    for name, generating, learning, knobs in rows:
        out.print(f"{name:{width}}  {_gb(generating):>10}  {_gb(learning):>8}  {knobs}".rstrip(), soft_wrap=True)
    out.print(
        f"the engine's cache holds {max(plan.cached_tokens, 0):,} tokens; a sample has {plan.longest:,} at most",
        soft_wrap=True,
    )
    if plan.host:
        needs = "the host needs" if plan.ranks == 1 else "the host needs for each rank"
        out.print(f"{needs} {plan.host / GB:.1f} GB, and what the sandbox's workers take", soft_wrap=True)


def print_pace(pace: Pace, out: Console) -> None:
    """The step's phases in seconds."""
    phases = ", ".join(
        f"{name} {seconds:.0f}"
        for name, seconds in (
            ("propose", pace.propose),
            ("solve", pace.solve),
            ("tails up to", pace.tail),
            ("learn", pace.learn),
            ("sync", pace.sync),
        )
    )
    out.print(
        f"a step may take {pace.total / 60:.1f} minutes, by assumptions not yet measured: {phases} s", soft_wrap=True
    )


def _gb(size: float) -> str:
    return f"{size / GB:.2f}" if size else "–"
