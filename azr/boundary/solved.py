"""Who solves what: a problem counts as solved by a side if any of its samples is right (the paper's tables 4 and 5)."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two sides' solved problems, by id, in the order of the study."""

    both: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    neither: tuple[str, ...]

    @property
    def first(self) -> int:
        """How many the first side solves."""
        return len(self.both) + len(self.only_first)

    @property
    def second(self) -> int:
        """How many the second side solves."""
        return len(self.both) + len(self.only_second)

    @property
    def share(self) -> float | None:
        """The share of the second side's solved problems that the first solves too; None where it solves none."""
        return len(self.both) / self.second if self.second else None


def overlap(ids: Sequence[str], first: Sequence[bool], second: Sequence[bool]) -> Overlap:
    """Compares what two sides solve; `first[i]` says whether the first side solves problem `ids[i]`."""
    groups: dict[tuple[bool, bool], list[str]] = {(a, b): [] for a in (True, False) for b in (True, False)}
    for task_id, a, b in zip(ids, first, second, strict=True):
        groups[bool(a), bool(b)].append(task_id)
    return Overlap(
        both=tuple(groups[True, True]),
        only_first=tuple(groups[True, False]),
        only_second=tuple(groups[False, True]),
        neither=tuple(groups[False, False]),
    )
