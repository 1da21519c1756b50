"""Reading a job from a line of JSON, as `python -m sandbox` is given it by anyone."""

import json
from typing import Any

from sandbox.job import Job


class InvalidJobError(ValueError):
    """The line is no job. `identifier` is its id, where it had one."""

    def __init__(self, reason: str, identifier: Any = None) -> None:
        super().__init__(reason)
        self.identifier = identifier


def job_from_json(line: bytes) -> tuple[Any, Job]:
    """The id, whatever it is, and the job. Raises InvalidJobError, saying what is missing or wrong."""
    try:
        fields = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidJobError(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise InvalidJobError("a job is a JSON object")
    try:
        return fields.get("id"), _job(fields)
    except ValueError as error:
        raise InvalidJobError(str(error), fields.get("id")) from error


def _job(fields: dict[str, Any]) -> Job:
    for key in ("program", "calls"):
        if key not in fields:
            raise ValueError(f"the key {key!r} is missing")
    program, repeats, timeout_s = fields["program"], fields.get("repeats", 1), fields.get("timeout_s")
    reload = fields.get("reload", True)
    if program is not None and not isinstance(program, str):
        raise ValueError("'program' must be a string, or null to read values")
    if isinstance(repeats, bool) or not isinstance(repeats, int):
        raise ValueError("'repeats' must be a whole number")
    if timeout_s is not None and not _is_number(timeout_s):
        raise ValueError("'timeout_s' must be a positive number")
    if not isinstance(reload, bool):
        raise ValueError("'reload' must be true or false")
    expected = None if fields.get("expected") is None else _texts(fields, "expected")
    return Job(program, _texts(fields, "calls"), expected, repeats, timeout_s, reload)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _texts(fields: dict[str, Any], key: str) -> tuple[str, ...]:
    texts = fields[key]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{key!r} must be a list of strings")
    return tuple(texts)
