"""Taking tasks out of a buffer: JSON lines and Parquet for analysis, seed files for starting another run."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from azr.browse.tasks import TaskFilter, attempts_on, where_clause

PARQUET_ROWS = 5000  # tasks held in memory at a time


class ExportFormat(StrEnum):
    """What a file of tasks looks like (docs/buffer.md)."""

    JSONL = "jsonl"
    PARQUET = "parquet"
    SEED = "seed"


def export_tasks(
    db: sqlite3.Connection, wanted: TaskFilter, kind: ExportFormat, path: Path, with_attempts: bool = False
) -> int:
    """Write the tasks that match, by id, into a new file, and return how many. Seed files have no attempts.

    Raises OSError where the file can't be written; a file that was there before is then still whole.
    """
    aside = path.with_name(f".{path.name}.new")
    try:
        if kind is ExportFormat.PARQUET:
            count = _write_parquet(task_records(db, wanted, with_attempts), aside)
        else:
            records = seed_records(db, wanted) if kind is ExportFormat.SEED else task_records(db, wanted, with_attempts)
            with aside.open("w", encoding="utf-8") as file:
                count = write_lines(records, file)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return count


def task_records(db: sqlite3.Connection, wanted: TaskFilter, with_attempts: bool) -> Iterator[dict[str, Any]]:
    """One dict a task: the columns of `task` (lists as lists), the proposal's text and tokens, and its attempts."""
    where, values = where_clause(wanted)
    cursor = db.cursor()
    cursor.row_factory = sqlite3.Row
    rows = cursor.execute(
        f"SELECT task.*, proposal.refs, proposal.text AS proposal_text, proposal.reward AS proposal_reward"
        f" FROM (SELECT * FROM task WHERE {where}) AS task LEFT JOIN proposal ON proposal.id = task.proposal_id"
        " ORDER BY task.id",
        values,
    )
    for row in rows:
        record = dict(row)
        record["inputs"], record["outputs"] = json.loads(row["inputs"]), json.loads(row["outputs"])
        record["refs"] = json.loads(row["refs"] or "[]")
        if with_attempts:
            record["attempts"] = [asdict(attempt) for attempt in attempts_on(db, row["id"])]
        yield record


def seed_records(db: sqlite3.Connection, wanted: TaskFilter) -> Iterator[dict[str, Any]]:
    """One dict a task, as `seeding.files` reads them: the keys of Absolute Zero's published seed files, and `type`."""
    where, values = where_clause(wanted)
    for task_type, program, inputs, outputs, message in db.execute(
        f"SELECT type, program, inputs, outputs, message FROM task WHERE {where} ORDER BY id", values
    ):
        pairs: dict[str, Any] = {"inputs": json.loads(inputs), "outputs": json.loads(outputs), "message": message}
        if task_type != "induction":
            pairs = {"input": pairs["inputs"][0], "output": pairs["outputs"][0]}
        yield {"type": task_type, "snippet": program, **pairs, "imports": []}


def write_lines(records: Iterator[dict[str, Any]], file: TextIO) -> int:
    """One JSON object a line; returns how many."""
    return sum(1 for record in records if file.write(json.dumps(record) + "\n"))


def _write_parquet(records: Iterator[dict[str, Any]], path: Path) -> int:
    import pyarrow as pa  # slow to import, and only this format needs it
    import pyarrow.parquet as pq

    attempt = pa.struct(
        {
            "id": pa.int64(), "step": pa.int64(), "purpose": pa.string(), "verdict": pa.string(),
            "answer": pa.string(), "reward": pa.float64(), "tokens": pa.int64(), "truncated": pa.bool_(),
            "text": pa.string(),
        }
    )  # fmt: skip
    schema = pa.schema(
        {
            "id": pa.int64(), "step": pa.int64(), "type": pa.string(), "origin": pa.string(),
            "proposal_id": pa.int64(), "program": pa.string(), "inputs": pa.list_(pa.string()),
            "outputs": pa.list_(pa.string()), "message": pa.string(), "fingerprint": pa.string(),
            "program_fingerprint": pa.string(), "lines": pa.int64(), "nodes": pa.int64(), "branches": pa.int64(),
            "solve_rate": pa.float64(), "learnability": pa.float64(), "refs": pa.list_(pa.int64()),
            "proposal_text": pa.string(), "proposal_reward": pa.float64(), "attempts": pa.list_(attempt),
        }
    )  # fmt: skip
    count = 0
    with pq.ParquetWriter(path, schema) as writer:
        while chunk := list(islice(records, PARQUET_ROWS)):
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
            count += len(chunk)
    return count
