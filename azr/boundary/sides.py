"""What a person names as a side of the study: a file of results, or a folder or run of azr eval; and its label."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from azr.errors import UserError
from azr.evaluation.comparison import judged_files

_ENDINGS = (".gz", ".jsonl", ".json")


@dataclass(frozen=True, slots=True)
class NamedResults:
    """A side's label and its file."""

    label: str
    file: Path


def named_results(words: Sequence[str], labels: Sequence[str], benchmark: str | None) -> list[NamedResults]:
    """The sides that are meant by `words`, each a PATH or LABEL=PATH; `labels` go before, one for each word.

    Raises UserError where something is not there, a folder has several benchmarks to choose from, or labels are equal.
    """
    if labels and len(labels) != len(words):
        raise UserError(f"{len(words)} sides and {len(labels)} labels: give --label once for each side, in their order")
    parts = [_split(word) for word in words]
    files = [judged_files(place) for _, place in parts]
    folders = [found for (_, place), found in zip(parts, files, strict=True) if not _is_bare(place, found)]
    common = [name for name in folders[0] if all(name in found for found in folders)] if folders else []
    chosen = [
        next(iter(found.values())) if _is_bare(place, found) else found[_choose(place, found, common, benchmark)]
        for (_, place), found in zip(parts, files, strict=True)
    ]
    by_default = _default_labels([place for _, place in parts])
    own = labels or [label or other for (label, _), other in zip(parts, by_default, strict=True)]
    if twice := [label for label in own if own.count(label) > 1]:
        raise UserError(f"two sides are called {twice[0]}: name them, as in base={parts[0][1]} trained={parts[1][1]}")
    return [NamedResults(label, file) for label, file in zip(own, chosen, strict=True)]


def _split(word: str) -> tuple[str, str]:
    label, sign, place = word.partition("=")
    if not sign or "/" in label or Path(word).exists():
        return "", word
    return label, place


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
