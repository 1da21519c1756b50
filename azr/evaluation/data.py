"""Finds and reads a benchmark's rows: files, a folder of data, or the Hugging Face hub."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from azr.errors import UserError
from azr.evaluation.benchmark import AnyBenchmark, Benchmark, DrawnBenchmark, Problem, Row
from azr.evaluation.images import BYTES_COLUMN, image_of
from azr.json_lines import read_json_lines

FOLDER_VARIABLE = "AZR_DATA"


@dataclass(frozen=True, slots=True)
class DataPlaces:
    """Where a person said the data lies: files for one benchmark, and folders laid out as docs/evaluation.md says."""

    named: tuple[tuple[str, Path], ...] = ()
    folders: tuple[Path, ...] = ()

    def files(self, benchmark: Benchmark) -> tuple[Path, ...]:
        """The benchmark's files, in order; none where no place has them."""
        for name, path in self.named:
            if name == benchmark.name:
                return (path,)
        for folder in self.folders:
            for pattern in benchmark.files:
                if found := tuple(sorted(folder.glob(pattern))):
                    return found
        return ()


def data_places(options: Sequence[str], benchmarks: Sequence[str]) -> DataPlaces:
    """Reads `--data` options: FOLDER, NAME=FILE, or a bare FILE where one benchmark alone is to be read.

    The folder that AZR_DATA names is searched last. Raises UserError on a place that is not there.
    """
    named: list[tuple[str, Path]] = []
    folders: list[Path] = []
    for option in options:
        head, sign, tail = option.partition("=")
        name, path = (head, Path(tail)) if sign else ("", Path(option))
        if not path.exists():
            raise UserError(f"--data {option}: there is no file or folder {path}")
        if path.is_dir() and not name:
            folders.append(path)
        elif name:
            if name not in benchmarks:
                raise UserError(
                    f"--data {option}: {name} is not among the benchmarks to be read ({', '.join(benchmarks)})"
                )
            named.append((name, path))
        elif not benchmarks:
            raise UserError(f"--data {option}: what is asked for comes with azr and reads no data")
        elif len(benchmarks) == 1:
            named.append((benchmarks[0], path))
        else:
            raise UserError(
                f"--data {option}: say which benchmark the file is for, as in --data {benchmarks[0]}={path}"
            )
    if folder := os.environ.get(FOLDER_VARIABLE):
        folders.append(Path(folder))
    return DataPlaces(tuple(named), tuple(folders))


def load_problems(benchmark: AnyBenchmark, places: DataPlaces, limit: int | None = None) -> list[Problem]:
    """The first `limit` problems, or all. Raises UserError where the data can't be had or a row lacks a field."""
    if isinstance(benchmark, DrawnBenchmark):
        return list(benchmark.draw(places))[:limit]
    problems: list[Problem] = []
    for index, placed in enumerate(_placed_rows(benchmark, places)):
        if limit is not None and index >= limit:
            break
        try:
            problem = benchmark.problem(index, placed.row)
            images = (image_of(placed.row, placed.folder),) if benchmark.pictured else ()
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{placed.where}: row {index + 1} is not one of {benchmark.title}: {error!r}") from error
        problems.append(replace(problem, images=images))
    if not problems:
        files = ", ".join(map(str, places.files(benchmark)))
        raise UserError(f"{benchmark.title}: no problems in {files or benchmark.hub.path}")
    return problems


def load_rows(benchmark: Benchmark, places: DataPlaces) -> Iterator[Row]:
    """The rows as they were published, one by one. Raises UserError where they can't be had."""
    return (placed.row for placed in _placed_rows(benchmark, places))


@dataclass(frozen=True, slots=True)
class _PlacedRow:
    """A row, and for a person where it is from; its file's folder, None for one from the hub."""

    row: Row
    where: str
    folder: Path | None


def _placed_rows(benchmark: Benchmark, places: DataPlaces) -> Iterator[_PlacedRow]:
    files = places.files(benchmark)
    if files:
        return (placed for file in files for placed in _file_rows(file))
    return (_PlacedRow(row, benchmark.hub.path, None) for row in _hub_rows(benchmark))


def _file_rows(file: Path) -> Iterator[_PlacedRow]:
    read = {".parquet": _parquet_rows, ".json": _json_rows}.get(file.suffix, _json_line_rows)
    return (_PlacedRow(row, where, file.parent) for where, row in read(file))


def _json_line_rows(file: Path) -> Iterator[tuple[str, Row]]:
    for line in read_json_lines(file):
        where = f"{file}, line {line.number}"
        if line.fault or not isinstance(line.value, dict):
            raise UserError(f"{where}: {line.fault or 'not a JSON object'}")
        yield where, line.value


def _json_rows(file: Path) -> Iterator[tuple[str, Row]]:
    """A list of rows, an object that has each under its id, as MathVista's file is, or else JSON lines."""
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return _json_line_rows(file)
    rows = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return _json_line_rows(file)
    return ((str(file), row) for row in rows)


def _parquet_rows(file: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(file) as opened:
            for batch in opened.iter_batches(batch_size=64):
                yield from ((str(file), row) for row in batch.to_pylist())
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{file} can't be read as parquet: {str(error).splitlines()[0]}") from None


def _hub_rows(benchmark: Benchmark) -> Iterator[Row]:
    hub = benchmark.hub
    missing = (
        f"{benchmark.title}: no file found. Give it with --data {benchmark.name}=FILE, or with --data FOLDER where the "
        f"folder has {' or '.join(benchmark.files)} (or name the folder in {FOLDER_VARIABLE})"
    )
    try:
        import datasets
    except ImportError as error:
        raise UserError(f"{missing}; to read {hub.path} from the hub, pip install datasets") from error
    options: dict[str, Any] = {"split": hub.split}
    if hub.files:
        path, options["data_files"] = "json", {hub.split: [f"hf://datasets/{hub.path}/{file}" for file in hub.files]}
    else:
        path, options["name"] = hub.path, hub.name
    try:
        rows = datasets.load_dataset(path, **options)
        yield from rows.cast_column(BYTES_COLUMN, datasets.Image(decode=False)) if benchmark.pictured else rows
    except Exception as error:  # whatever the network and the hub's client raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{missing}; the hub could not be read: {reason}") from error
