"""A program whose outputs are known for some inputs, and the questions that can be asked about it.

Which half a program belongs to is a function of its id, and how hard it is of its text: neither can be chosen, and both
hold for any set of programs.
"""

import hashlib
from dataclasses import dataclass

from azr.config.choices import Half
from tasks.induction import MIN_INPUTS
from tasks.program import describe
from tasks.triplet import TaskType, Triplet

GRADES = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class KnownProgram:
    """A program `f` and what it gives: `outputs[i]` is the repr of f(<inputs[i]>).

    Deduction and abduction ask about the first `asked` pairs, each by itself. Induction shows the first half of the
    pairs and the message, and judges by the rest; it wants MIN_INPUTS pairs.
    """

    id: str
    code: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: str = ""
    asked: int = 1


@dataclass(frozen=True, slots=True)
class Question:
    """A task of a program of grade `grade`. The ids of one program's questions differ behind a "#" alone."""

    id: str
    task: Triplet
    grade: int


def half_of(program: KnownProgram) -> Half:
    """The half that a program belongs to, by its id alone: the same with any version of azr and of Python.

    The digest's seventh byte. It was the fourth until some of that held half was read while tuning
    (docs/learning-log.md); of those behind it, this is the first by which each half has twenty of our own set's
    programs of each grade.
    """
    return Half.HELD if hashlib.sha256(program.id.encode()).digest()[6] % 2 else Half.TUNE


def grade_of(program: str) -> int:
    """How hard a program is, of GRADES.

    1: one line that goes straight. 2: one line with a condition or a comprehension, or several lines that go straight.
    3: several lines, one of which branches or loops. 4: several lines with more branches or loops than one.
    """
    facts = describe(program)
    several = facts.lines > 2  # the first one is `def f(...):`
    if facts.branches == 1:
        return 2 if several else 1
    return min(facts.branches + 1, 4) if several else 2


def questions(program: KnownProgram, task_type: TaskType) -> list[Question]:
    """What can be asked about the program in this way; nothing where induction lacks pairs."""
    grade = grade_of(program.code)
    if task_type is TaskType.INDUCTION:
        if len(program.inputs) < MIN_INPUTS:
            return []
        task = Triplet(task_type, program.code, program.inputs, program.outputs, program.message)
        return [Question(program.id, task, grade)]
    pairs = list(zip(program.inputs, program.outputs, strict=True))[: program.asked]
    return [
        Question(
            program.id if len(pairs) == 1 else f"{program.id}#{number}",
            Triplet(task_type, program.code, (given,), (result,)),
            grade,
        )
        for number, (given, result) in enumerate(pairs, start=1)
    ]
