"""Short programs with inputs, drawn by a fixed rule from two published sets: MBPP+ and CRUXEval.

Candidates are MBPP+'s canonical solutions (Liu et al. 2023, arXiv 2305.01210) and CRUXEval's functions (Gu et al. 2024,
arXiv 2401.03065), in the order of their files. A candidate is taken if
- it is one function and nothing else, of at most MOST_LINES lines and MOST_CHARACTERS characters without docstring and
  comments; it is called f here;
- none before it, and none of `known`, has its fingerprint;
- it ends on the first TRIES of its short inputs (at most MOST_INPUT characters, no number beyond MOST_NUMBER, no letter
  beyond ASCII), and PAIRS_ASKED or more of them give different outputs of at most MOST_OUTPUT characters, none of them
  an argument. Those are asked about; with more, up to PAIRS, it is asked as induction too.
MBPP+ brings its inputs, base before plus. CRUXEval has one a function; to it come those of the functions that follow in
the file (after the last one the first), where the arguments have the same types.

Nothing of the data is in this package: the programs are read, run in the sandbox and chosen when they are needed.
"""

import ast
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from azr.evaluation.benchmark import Row
from azr.evaluation.benchmarks.mbpp_plus import number_of, typed_inputs
from azr.evaluation.small.known import KnownProgram
from sandbox import CallStatus, Job, JobResult, JobStatus, Sandbox
from sandbox.syntax import parse
from tasks.program import fingerprint, tidy

MOST_LINES = 6
MOST_CHARACTERS = 120
MOST_INPUT = 30
MOST_OUTPUT = 20
MOST_NUMBER = 20
TRIES = 12
PAIRS = 5
PAIRS_ASKED = 2
TIMEOUT_S = 5.0  # far beyond what any that ends takes, so that the choice is not the machine's


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program `f` and argument lists for it, as source text."""

    id: str
    code: str
    inputs: tuple[str, ...]
    message: str = ""


def draw(sandbox: Sandbox, candidates: Sequence[Candidate], known: Iterable[str] = ()) -> list[KnownProgram]:
    """The candidates that the rule takes, in their order, with their pairs. `known` are programs to leave out."""
    jobs = [Job(candidate.code, candidate.inputs, repeats=2, timeout_s=TIMEOUT_S) for candidate in candidates]
    taken: list[KnownProgram] = []
    seen = set(map(fingerprint, known))
    for candidate, result in zip(candidates, sandbox.map(jobs), strict=True):
        digest = fingerprint(candidate.code)
        pairs = _pairs(candidate, result)
        if digest not in seen and len({output for _, output in pairs[:PAIRS_ASKED]}) == PAIRS_ASKED:
            seen.add(digest)
            inputs, outputs = zip(*pairs, strict=True)
            taken.append(KnownProgram(candidate.id, candidate.code, inputs, outputs, candidate.message, PAIRS_ASKED))
    return taken


def from_mbpp_plus(rows: Sequence[Row]) -> Iterator[Candidate]:
    """The canonical solutions that are short enough. The message is the problem's description."""
    for row in rows:
        inputs = typed_inputs(row)
        solution = row["canonical_solution"] if "canonical_solution" in row else row["code"]  # the hub's name for it
        if code := _short_function(solution, inputs.entry_point):
            texts = filter(None, map(_short_arguments, inputs.texts))
            yield Candidate(f"Mbpp/{number_of(row)}", code, _first(texts), _description(row["prompt"]))


def from_cruxeval(rows: Sequence[Row]) -> Iterator[Candidate]:
    """The functions that are short enough, each with its own input and those that fit it."""
    arguments = [_short_arguments(row["input"]) for row in rows]
    kinds = [text and _types(text) for text in arguments]
    for index, row in enumerate(rows):
        if kinds[index] and (code := _short_function(row["code"], "f")):
            following = [*range(index, len(rows)), *range(index)]
            yield Candidate(row["id"], code, _first(arguments[i] for i in following if kinds[i] == kinds[index]))


def _pairs(candidate: Candidate, result: JobResult) -> list[tuple[str, str]]:
    """The pairs that will do: first those whose output is new, then those whose output came once before, and so on."""
    if result.status is not JobStatus.OK:
        return []
    times: Counter[str] = Counter()
    ranked: list[tuple[int, tuple[str, str]]] = []
    for given, call in zip(candidate.inputs, result.calls, strict=True):
        if call.status is CallStatus.OK and call.value is not None and _is_fit(given, call.value):
            ranked.append((times[call.value], (given, call.value)))
            times[call.value] += 1
    return [pair for _, pair in sorted(ranked, key=lambda each: each[0])][:PAIRS]


def _is_fit(given: str, output: str) -> bool:
    arguments = ast.literal_eval(parse(f"({given},)", "eval"))
    return len(output) <= MOST_OUTPUT and output not in (repr(arguments), *map(repr, arguments))


def _description(prompt: str) -> str:
    """The sentence that describes the problem, without quotes around it and the example behind it."""
    return " ".join(prompt.strip().strip('"').partition("\nassert")[0].split())


def _first(inputs: Iterable[str]) -> tuple[str, ...]:
    """The first different ones; the rest is not even read, which may be long."""
    found: dict[str, None] = {}
    for text in inputs:
        found[text] = None
        if len(found) == TRIES:
            break
    return tuple(found)


def _short_function(source: str, entry_point: str) -> str | None:
    """The program with `entry_point` called f, in one layout; None where it is not one short function."""
    try:
        with warnings.catch_warnings(action="ignore"):  # an invalid escape in somebody else's string is not news here
            tree = parse(source)
    except (SyntaxError, ValueError):
        return None
    function = tree.body[0]
    if len(tree.body) > 1 or not isinstance(function, ast.FunctionDef) or function.name != entry_point:
        return None
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    if entry_point != "f" and any(node.id == "f" for node in names):
        return None
    function.name = "f"
    for node in names:
        node.id = "f" if node.id == entry_point else node.id
    code = tidy(ast.unparse(tree))
    short = code is not None and len(code) <= MOST_CHARACTERS and len(code.splitlines()) <= MOST_LINES
    return code if short else None


def _short_arguments(text: str) -> str | None:
    """The argument list in one layout; None where it is long, or no list of literals."""
    if len(text) > 2 * MOST_INPUT:  # no layout is so much shorter than another
        return None
    try:
        tree = parse(f"({text},)", "eval")
        layout = ", ".join(map(repr, ast.literal_eval(tree)))
    except (SyntaxError, ValueError, TypeError):
        return None
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    largest = max((abs(value) for value in constants if isinstance(value, (int, float))), default=0)
    return layout if len(layout) <= MOST_INPUT and layout.isascii() and largest <= MOST_NUMBER else None


def _types(arguments: str) -> tuple[str, ...]:
    """The names of the arguments' types, of containers with those of their items."""
    return tuple(map(_type_name, ast.literal_eval(parse(f"({arguments},)", "eval"))))


def _type_name(value: object) -> str:
    items: list[object] = []
    if isinstance(value, dict):
        items = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set)):
        items = list(value)
    inner = ",".join(sorted({_type_name(item) for item in items}))
    return f"{type(value).__name__}[{inner}]" if items else type(value).__name__
