"""MBPP+ (Liu et al. 2023, arXiv 2305.01210): 378 short functions described in a sentence, with many inputs each.

The facts below are EvalPlus' (Apache-2.0): the types that its JSON has lost, and the problems with a rule of their own.
"""

from typing import Any

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row
from azr.evaluation.benchmarks.evalplus_rows import Inputs, inputs_of
from azr.evaluation.judging.function_outputs import TOLERANT, FunctionOutputs, Rule, close_numbers
from azr.evaluation.prompts import function_to_write
from sandbox import Arguments, equal
from sandbox.encoding import EncodingError, Tables

# Number of the problem → shape of its arguments (evalplus_rows.restored).
_GROUPS = {
    "t": "2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809",
    "lt": "63 64 70 94 120 237 272 299 400 409 417 438 473 614 780",
    "lt .": "75 413 444 753",
    ". t": "106 750",
    "t .": "250 307 405 446 617 720 763 808",
    "tt": "259 278 401 445",
    "dt .": "722",
    "t*": "580 615 791",
    "f c": "124",
    "c": "252",
}
_SHAPES = {int(number): shape for shape, numbers in _GROUPS.items() for number in numbers.split()}


def _same_elements(_: Arguments, out: Any, expected: Any, __: float) -> bool:
    """Any order and number of the same elements."""
    if type(out) not in (list, tuple, set, frozenset, dict, str):
        return False
    try:
        return Tables().set(list(out)) == set(expected)
    except (TypeError, EncodingError):  # elements without a hash, or chosen so that their hashes collide
        return False


def _aligned(arguments: Arguments, out: Any, expected: Any, _: float) -> bool:
    """Numbers of different length may also be aligned at their last digit."""
    a, b = (str(number) for number in arguments.positional)
    width = max(len(a), len(b))
    aligned = sum(abs(int(x) - int(y)) for x, y in zip(a.zfill(width), b.zfill(width), strict=True))
    return equal(out, expected) or equal(out, aligned)


def _upright(arguments: Arguments, out: Any, expected: Any, atol: float) -> bool:
    """The height of a pyramid may also be read as its own, not a face's."""
    edge, height = arguments.positional
    upright = round(edge**2 + 2 * edge * ((edge / 2) ** 2 + height**2) ** 0.5)
    if not isinstance(out, (int, float)):
        return False
    return equal(out, expected) or close_numbers(out, upright, atol)


# The original solutions return a match object or None: only whether there is something counts.
_ANYTHING = Rule(
    function="found_anything",
    addition="def found_anything(*args):\n"
    "    found = {entry}(*args)\n"
    "    return found if isinstance(found, bool) else found is not None\n",
)
# Some lists have a text of a gigabyte: a long one leaves the sandbox as its length and the digest of its items' reprs.
_LONG = Rule(
    function="list_or_digest",
    addition="def list_or_digest(*args):\n"
    "    import hashlib\n"
    "    found = {entry}(*args)\n"
    "    if len(found) <= 10_000:\n        return found\n"
    "    digest = hashlib.md5()\n"
    "    for item in found:\n        digest.update(repr(item).encode())\n"
    "    return len(found), digest.hexdigest()\n",
)
_RULES = {
    **dict.fromkeys((2, 7, 111, 140, 232, 249, 579, 769), Rule(_same_elements)),
    255: _LONG,
    558: Rule(_aligned),
    581: Rule(_upright),
}
_RULES_BY_NAME = dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), _ANYTHING)


def number_of(row: Row) -> int:
    """The number in a row's id, which is `Mbpp/2` in the release file and `2` on the hub."""
    return int(str(row["task_id"]).rpartition("/")[2])


def typed_inputs(row: Row) -> Inputs:
    """The row's inputs with the types that JSON has lost."""
    return inputs_of(row, _SHAPES.get(number_of(row), ""))


def _problem(_: int, row: Row) -> Problem:
    number = number_of(row)
    inputs = typed_inputs(row)
    description = row["prompt"].strip().strip('"').strip()
    if "test_list" in row:  # the hub's rows have the example apart
        description = f"{description}\n{row['test_list'][0]}"
    check = FunctionOutputs(
        task_id=f"Mbpp/{number}",
        header="",
        entry_point=inputs.entry_point,
        reference=row["canonical_solution"] if "canonical_solution" in row else row["code"],
        inputs=inputs.texts,
        atol=inputs.atol,
        rule=_RULES.get(number) or _RULES_BY_NAME.get(inputs.entry_point, TOLERANT),
    )
    return Problem(check.task_id, function_to_write(description, inputs.entry_point), check)


MBPP_PLUS = Benchmark(
    name="mbpp+",
    title="MBPP+",
    area=Area.CODE,
    size=378,
    files=("mbpp_plus/MbppPlus*.jsonl*",),
    hub=HubSource("evalplus/mbppplus"),
    problem=_problem,
)
