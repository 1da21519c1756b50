"""A memory plan as a person reads it."""

from rich.console import Console
from rich.table import Table

from azr.planning.machine import GB
from azr.planning.memory import MemoryPlan


def print_memory(plan: MemoryPlan, out: Console) -> None:
    """The parts in GB (10⁹ bytes), what changes each, and what is left of the machine."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(f"GB on {plan.machine.name}", no_wrap=True)
    for title in ("generating", "learning"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("changed by")
    for part in plan.parts:
        table.add_row(part.name, _gb(part.generating), _gb(part.learning), ", ".join(part.knobs))
    table.add_row("together", _gb(plan.generating), _gb(plan.learning), f"of {plan.machine.memory / GB:.1f}")
    out.print(table)
    out.print(
        f"the engine's cache holds {max(plan.cached_tokens, 0):,} tokens at once; a sample has {plan.longest:,} at most"
    )


def _gb(size: float) -> str:
    return f"{size / GB:.2f}" if size else "–"
