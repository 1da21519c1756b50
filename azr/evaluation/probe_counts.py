"""What the probe counted, look by look: how many answers to each question were right. runs/NAME/probe.jsonl

{"step": 10, "samples": 64, "right": {"deduction": {"own/12": 3, …}, "abduction": {…}}}

metrics.jsonl has the means; these counts give pass@k for every k up to the number of samples, with its uncertainty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from azr.json_lines import json_line, read_json_lines
from azr.training.run import write_whole

Counts = Mapping[str, Mapping[str, int]]
"""By task type, then by question."""


@dataclass(frozen=True, slots=True)
class Look:
    """Right answers of `samples` to each question, after `step` steps."""

    step: int
    samples: int
    right: Counts


def add_look(path: Path, look: Look) -> None:
    """Appends a look; of two at one step the later counts."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(look))


def read_looks(path: Path) -> list[Look]:
    """The looks in the order of their steps; a line that is not whole yet is left out."""
    if not path.is_file():
        return []
    found = [line.value for line in read_json_lines(path) if not line.fault]
    looks = {value["step"]: Look(value["step"], value["samples"], value["right"]) for value in found}
    return [looks[step] for step in sorted(looks)]


def rewind_looks(path: Path, step: int) -> None:
    """Drops the looks after `step`."""
    if path.is_file():
        write_whole(path, "".join(_line(look) for look in read_looks(path) if look.step <= step))


def _line(look: Look) -> str:
    return json_line({"step": look.step, "samples": look.samples, "right": look.right})
