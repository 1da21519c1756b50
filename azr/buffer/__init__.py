"""What a run ever proposed, was given and answered: one SQLite file. May know no run, no model and no method."""

from azr.buffer.connection import connect_read_only
from azr.buffer.rows import (
    AnswerRow,
    AttemptRow,
    LookRow,
    Origin,
    ProblemRow,
    ProposalRow,
    Purpose,
    StoredTask,
    TaskRow,
)
from azr.buffer.task_buffer import TaskBuffer, stored_task, task_fingerprint

__all__ = [
    "AnswerRow",
    "AttemptRow",
    "LookRow",
    "Origin",
    "ProblemRow",
    "ProposalRow",
    "Purpose",
    "StoredTask",
    "TaskBuffer",
    "TaskRow",
    "connect_read_only",
    "stored_task",
    "task_fingerprint",
]
