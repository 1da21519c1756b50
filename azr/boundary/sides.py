"""What a person names as a side of the study: a file of results, a folder of azr eval, or a model to ask; its label."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azr.errors import UserError
from azr.evaluation.comparison import judged_files
from azr.evaluation.models import NamedModel, resolve_model
from azr.training.run import RUNS, named_run

_ENDINGS = (".gz", ".jsonl", ".json")


@dataclass(frozen=True, slots=True)
class NamedResults:
    """A side's label and its file."""

    label: str
    file: Path


@dataclass(frozen=True, slots=True)
class NamedSide:
    """A side whose samples are a model's: those that are there, and those that it is asked for."""

    label: str
    model: NamedModel


Named = NamedResults | NamedSide


def named_sides(words: Sequence[str], labels: Sequence[str], benchmark: str | None) -> list[Named]:
    """The sides that are meant by `words`, each a PLACE or LABEL=PLACE; `labels` go before, one for each word.

    Where a benchmark is named, a run (or RUN@STEP) and what else can only be a model is one to ask. Raises UserError
    where something is not there, a folder has several benchmarks to choose from, or labels are equal.
    """
    if labels and len(labels) != len(words):
        raise UserError(f"{len(words)} sides and {len(labels)} labels: give --label once for each side, in their order")
    parts = [_split(word) for word in words]
    by_default = _default_labels([place for _, place in parts])
    own = labels or [label or other for (label, _), other in zip(parts, by_default, strict=True)]
    if twice := [label for label in own if own.count(label) > 1]:
        raise UserError(f"two sides are called {twice[0]}: name them, as in base={parts[0][1]} trained={parts[1][1]}")
    models = [_model(place, benchmark is not None) for _, place in parts]
    files = iter(_files([place for (_, place), model in zip(parts, models, strict=True) if not model], benchmark))
    return [
        NamedSide(label, model) if model else NamedResults(label, next(files))
        for label, model in zip(own, models, strict=True)
    ]


def chosen_steps(run: str, steps: str) -> list[int]:
    """The steps of a run that are meant, ascending: "all" checkpoints and its base, which is 0, or numbers with commas.

    Raises UserError where the run is none, a step is no number, or there are fewer than two. Whether a run has a
    checkpoint of a number shows when it is resolved.
    """
    named = named_run(run)
    if named is None:
        raise UserError(f"--steps wants one run, and {run} is none")
    if steps != "all":
        numbers = [part.strip() for part in steps.split(",")]
        if not all(number.isdigit() for number in numbers):
            raise UserError(f"--steps {steps}: give all, or whole numbers with commas between")
        found = sorted(set(map(int, numbers)))
    else:
        from azr.training.checkpoint import checkpoints  # torch

        found = sorted({0, *(step for step, _ in checkpoints(named))})
    if len(found) < 2:
        raise UserError(f"{run}: a course wants two steps or more, and there is {', '.join(map(str, found))}")
    return found


def settings_beside(file: Path) -> dict[str, Any] | None:
    """How the samples in a file were made, where azr made them: the settings.json of their folder."""
    path = file.parent / "settings.json"
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise UserError(f"{path} is damaged: it is no JSON") from None
    return found if isinstance(found, dict) else None


def file_name(label: str) -> str:
    """A label as a part of a path."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in label)


def _split(word: str) -> tuple[str, str]:
    label, sign, place = word.partition("=")
    if not sign or "/" in label or Path(word).exists():
        return "", word
    return label, place


def _model(place: str, asks: bool) -> NamedModel | None:
    """The model that a place stands for; None where it is a place of results."""
    run, at, step = place.rpartition("@")
    if at and step.isdigit() and named_run(run):
        if not asks:
            raise UserError(f"{place} is a model: say with --benchmark NAME which problems to ask it")
        return resolve_model(run, int(step))
    if not asks:
        return None
    return resolve_model(place) if named_run(place) or _is_model(place) else None


def _is_model(place: str) -> bool:
    """Whether it is a transformers folder, a GGUF file or what holds one, or may be a hub id (owner/name)."""
    from azr.policy.gguf_cache import find_gguf  # torch

    path = Path(place).expanduser()
    if (path / "config.json").is_file() or find_gguf(place):
        return True
    there = any(found.exists() for found in (path, RUNS / place, RUNS / "eval" / place))
    return not there and place.count("/") == 1 and not place.startswith((".", "/", "~", "runs/"))


def _files(places: Sequence[str], benchmark: str | None) -> list[Path]:
    """The file of each place of results: itself, or the one in a folder that the study is about."""
    if not places:
        return []
    found = [_judged(place, benchmark is not None) for place in places]
    folders = [files for place, files in zip(places, found, strict=True) if not _is_bare(place, files)]
    common = [name for name in folders[0] if all(name in files for files in folders)] if folders else []
    return [
        next(iter(files.values())) if _is_bare(place, files) else files[_choose(place, files, common, benchmark)]
        for place, files in zip(places, found, strict=True)
    ]


def _judged(place: str, asks: bool) -> dict[str, Path]:
    try:
        return judged_files(place)
    except UserError as error:
        hint = "" if asks else "; to ask a model, say with --benchmark NAME what"
        raise UserError(f"{error}{hint}") from None


def _is_bare(place: str, found: dict[str, Path]) -> bool:
    """Whether the place is a file itself, not a folder with files of several benchmarks."""
    return [file.name for file in found.values()] == [Path(place).name]


def _choose(place: str, found: dict[str, Path], common: Sequence[str], benchmark: str | None) -> str:
    """The benchmark of a folder that the study is about: the one that is named, or the only one that all have."""
    if benchmark in found:
        return str(benchmark)
    if benchmark is None and len(common) == 1:
        return common[0]
    wanted = f"none of {benchmark}" if benchmark else "say with --benchmark NAME which of them the study is about"
    raise UserError(f"{place} holds {', '.join(found)}: {wanted}")


def _default_labels(places: Sequence[str]) -> list[str]:
    """The last part of each path; the whole path where that would be the same for two."""
    stems = [_stem(Path(place).name) for place in places]
    return stems if len(set(stems)) == len(stems) else list(places)


def _stem(name: str) -> str:
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name
