"""MBPP+ (Liu et al. 2023, arXiv 2305.01210): 378 short functions described in a sentence, with many inputs each.

The facts below are EvalPlus' (Apache-2.0): the types that its JSON has lost, and the problems with a rule of their own.
"""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row
from azr.evaluation.benchmarks.evalplus_rows import Inputs, inputs_of
from azr.evaluation.judging.function_outputs import TOLERANT, FunctionOutputs, Rule
from azr.evaluation.prompts import function_to_write

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


def _called(body: str) -> str:
    """A binding that calls the entry point as `judged`, whatever its name, and goes on with `body`."""
    return f"judged = {{entry}}\ndef f(*args):\n    found = judged(*args)\n{body}"


# Any order and number of the same elements.
_AS_SETS = Rule("def accepts(args, out, expected, atol):\n    return set(out) == set(expected)")
# The original solutions return a match object or None: only whether there is something counts.
_ANYTHING = Rule(
    TOLERANT.accepts,
    _called("    return found if isinstance(found, bool) else found is not None"),
)
# Some lists have a text of a gigabyte: a long one leaves the sandbox as its length and the digest of its items' reprs.
_LONG = Rule(
    TOLERANT.accepts,
    "import hashlib\n"
    + _called(
        "    if len(found) <= 10_000:\n        return found\n"
        "    digest = hashlib.md5()\n"
        "    for item in found:\n        digest.update(repr(item).encode())\n"
        "    return len(found), digest.hexdigest()"
    ),
)
# Numbers of different length may also be aligned at their last digit.
_ALIGNED = Rule(
    "def accepts(args, out, expected, atol):\n"
    "    a, b = str(args[0]), str(args[1])\n"
    "    width = max(len(a), len(b))\n"
    "    aligned = sum(abs(int(x) - int(y)) for x, y in zip(a.zfill(width), b.zfill(width)))\n"
    "    return out in (expected, aligned)"
)
# The height of a pyramid may also be read as its own, not a face's.
_UPRIGHT = Rule(
    "def accepts(args, out, expected, atol):\n"
    "    edge, height = args\n"
    "    upright = round(edge**2 + 2 * edge * ((edge / 2) ** 2 + height**2) ** 0.5)\n"
    "    return out == expected or abs(out - upright) <= atol"
)
_RULES = {**dict.fromkeys((2, 7, 111, 140, 232, 249, 579, 769), _AS_SETS), 255: _LONG, 558: _ALIGNED, 581: _UPRIGHT}
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
