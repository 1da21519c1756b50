"""Reads the two shapes that EvalPlus publishes its data in (Liu et al. 2023, arXiv 2305.01210).

A release file has the inputs as JSON, base and plus apart. The hub's rows have them in the source of a test program.
"""

import ast
from dataclasses import dataclass
from typing import Any

from azr.evaluation.benchmark import Row
from sandbox.syntax import parse
from sandbox.values import canonical


@dataclass(frozen=True, slots=True)
class Inputs:
    """Argument lists as source text, the tolerance of their outputs, and the name that the tests call."""

    texts: tuple[str, ...]
    atol: float
    entry_point: str


def inputs_of(row: Row, shape: str = "") -> Inputs:
    """The base and plus inputs of a row of either shape; `shape` restores what JSON has lost (see `restored`).

    Raises KeyError or ValueError where the row is of neither.
    """
    if "base_input" in row:
        lists = [*row["base_input"], *row["plus_input"]]
        texts = tuple(", ".join(canonical(argument) for argument in restored(arguments, shape)) for arguments in lists)
        return Inputs(texts, float(row["atol"]), row["entry_point"])
    return _from_test_program(row["test"], row.get("entry_point"))


def restored(arguments: list[Any], shape: str) -> list[Any]:
    """The arguments of one call with the types that JSON does not have.

    `shape` has a word for each argument; the last one is also for those that follow: `.` as it is, `t` a tuple, `lt` a
    list of tuples, `tt` a tuple of tuples, `dt` a dict of tuples, `t*` tuples all the way down, `f` a float and `c` a
    complex number, both from text. What is not a list is left as it is by the words for tuples.
    """
    words = shape.split() or ["."]
    return [_restore(argument, words[min(index, len(words) - 1)]) for index, argument in enumerate(arguments)]


def _restore(value: Any, word: str) -> Any:
    if word in ("f", "c"):
        return float(value) if word == "f" else complex(value)
    if word == "." or not isinstance(value, (list, dict)):
        return value
    inner = word if word == "t*" else word[1:] or "."
    if isinstance(value, dict):
        return {key: _restore(item, inner) for key, item in value.items()} if word[0] == "d" else value
    items = [_restore(item, inner) for item in value]
    return tuple(items) if word[0] == "t" else items


def _from_test_program(source: str, entry_point: str | None) -> Inputs:
    lists: ast.expr | None = None
    compared: ast.Call | None = None
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "inputs":
            lists = node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "assertion":
            compared = node
    if not isinstance(lists, ast.List) or compared is None or not isinstance(compared.args[0], ast.Call):
        raise ValueError("the test program has no list of inputs and no assertion over it")
    name = entry_point or ast.unparse(compared.args[0].func)
    return Inputs(
        tuple(f"*{ast.unparse(item)}" for item in lists.elts), float(ast.literal_eval(compared.args[2])), name
    )
