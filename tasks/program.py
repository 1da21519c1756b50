"""A program as text to measure: its size, its branches, what it is made of, and whether it is another one in disguise.

Nothing here runs a program. Text that is not Python, or nested beyond what the parser takes, is measured as far as
text can be.
"""

import ast
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.syntax import parse

_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)

_BRANCHES = ast.If | ast.IfExp | ast.For | ast.While | ast.ExceptHandler | ast.match_case | ast.Assert
_STRING_METHODS = {name for name in dir(str) if not name.startswith("_")} - {"count", "index"}  # lists have these too


@dataclass(frozen=True, slots=True)
class ProgramFacts:
    """What the buffer keeps of a program beside its text.

    `lines`: those that are not blank. `nodes`: of the syntax tree. `branches`: the cyclomatic complexity of the whole
    text, 1 for a straight line (McCabe 1976). `fingerprint`: equal for programs that differ in layout, comments,
    docstrings and the names of their variables alone. `constructs`: words of CONSTRUCTS, sorted.
    A text that is not Python has 0 nodes, 1 branch and no constructs.
    """

    lines: int
    nodes: int
    branches: int
    fingerprint: str
    constructs: tuple[str, ...]


def describe(program: str) -> ProgramFacts:
    """Measures a program. Never raises."""
    lines = sum(1 for line in program.splitlines() if line.strip())
    tree = _parse(program)
    if tree is None:
        return ProgramFacts(lines, 0, 1, _digest(program), ())
    nodes = list(ast.walk(tree))
    constructs = tuple(sorted(name for name, found in CONSTRUCTS.items() if any(map(found, nodes))))
    return ProgramFacts(lines, len(nodes), 1 + sum(map(_branches, nodes)), _fingerprint(tree, program), constructs)


def fingerprint(program: str) -> str:
    """Sixteen hexadecimal digits, see `ProgramFacts`. Never raises."""
    tree = _parse(program)
    return _digest(program) if tree is None else _fingerprint(tree, program)


def tidy(program: str) -> str | None:
    """The same program in one layout, without text that does nothing, which could tell a solver the answer.

    Comments, docstrings, statements that are constants alone, and annotations with strings in them are dropped. Such a
    program is another one if it read its docstrings: what is tidied is what should be run. A text that is not Python is
    returned as it is; None stands for a program that no layout is sure to preserve.
    """
    tree = _parse(program)
    if tree is None:
        return program
    tree = _without_idle_text(tree)
    try:
        text = ast.unparse(tree)
        return text if ast.dump(parse(text)) == ast.dump(tree) else None
    except _UNPARSABLE:
        return None


def _parse(program: str) -> ast.Module | None:
    try:
        tree: ast.Module = parse(program)
        return tree
    except _UNPARSABLE:
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _fingerprint(tree: ast.Module, program: str) -> str:
    """Changes `tree`."""
    tree = _without_idle_text(tree)
    _rename_variables(tree)
    try:
        return _digest(ast.dump(tree))
    except _UNPARSABLE:
        return _digest(program)


def _without_idle_text(tree: ast.Module) -> ast.Module:
    """Changes `tree`."""
    changed: ast.Module = _IdleText().visit(tree)
    return changed


class _IdleText(ast.NodeTransformer):
    """Drops what a reader sees and the interpreter passes over."""

    def visit(self, node: ast.AST) -> Any:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and any(map(_is_idle, statements)):
                kept = [statement for statement in statements if not _is_idle(statement)]
                needed = name != "orelse" and not isinstance(node, ast.Module)
                setattr(node, name, kept or ([ast.Pass()] if needed else []))
        if isinstance(node, ast.ClassDef):
            return node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _has_string(node.returns):
            node.returns = None
        if isinstance(node, ast.arg) and _has_string(node.annotation):
            node.annotation = None
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                setattr(node, name, list(map(_without_string_annotation, statements)))
        return node


def _is_idle(statement: ast.AST) -> bool:
    """Whether a statement is a value that is written down and left there."""
    return isinstance(statement, ast.Expr) and _is_written_out(statement.value)


def _is_written_out(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr | ast.Tuple | ast.List):
        return all(map(_is_written_out, node.values if isinstance(node, ast.JoinedStr) else node.elts))
    return isinstance(node, ast.Constant)


def _has_string(annotation: ast.expr | None) -> bool:
    return annotation is not None and any(
        isinstance(node, ast.Constant) and isinstance(node.value, str) for node in ast.walk(annotation)
    )


def _without_string_annotation(statement: ast.stmt) -> ast.stmt:
    """A variable's annotation is never evaluated in a function. In a class it may be a dataclass's, and stays."""
    if not isinstance(statement, ast.AnnAssign) or not _has_string(statement.annotation):
        return statement
    if statement.value is None:
        statement.annotation = ast.Name("object", ast.Load())
        return statement
    return ast.copy_location(ast.Assign([statement.target], statement.value), statement)


def _rename_variables(tree: ast.Module) -> None:
    """Names that the program itself binds become v0, v1, ... in the order of the tree. f, the entry point, stays."""
    nodes = list(ast.walk(tree))
    bound = {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    bound -= {"f"}
    # A name that is also written as a keyword, a global or an attribute means something beyond this scope.
    bound -= {node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg}
    bound -= {name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}
    renamed: dict[str, str] = {}
    for node in nodes:
        attribute = {ast.Name: "id", ast.arg: "arg", ast.FunctionDef: "name"}.get(type(node))
        if attribute is not None and (name := getattr(node, attribute)) in bound:
            setattr(node, attribute, renamed.setdefault(name, f"v{len(renamed)}"))


def _branches(node: ast.AST) -> int:
    """How many ways to go on a node adds."""
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    return int(isinstance(node, _BRANCHES))


def _is(*types: type[ast.AST]) -> Callable[[ast.AST], bool]:
    return lambda node: isinstance(node, types)


def _calls(*names: str) -> Callable[[ast.AST], bool]:
    """A call of a built-in or a method of one of these names."""

    def found(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call):
            return False
        return (isinstance(node.func, ast.Name) and node.func.id in names) or (
            isinstance(node.func, ast.Attribute) and node.func.attr in names
        )

    return found


def _either(*tests: Callable[[ast.AST], bool]) -> Callable[[ast.AST], bool]:
    return lambda node: any(test(node) for test in tests)


def _recursive(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == node.name
        for inner in ast.walk(node)
    )


def _nested_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(inner, ast.FunctionDef) and inner is not node for inner in ast.walk(node)
    )


CONSTRUCTS: dict[str, Callable[[ast.AST], bool]] = {
    "for": _is(ast.For),
    "while": _is(ast.While),
    "if": _is(ast.If),
    "conditional expression": _is(ast.IfExp),
    "comprehension": _is(ast.ListComp, ast.SetComp, ast.DictComp),
    "generator": _is(ast.GeneratorExp, ast.Yield, ast.YieldFrom),
    "recursion": _recursive,
    "nested function": _nested_function,
    "class": _is(ast.ClassDef),
    "lambda": _is(ast.Lambda),
    "try": _is(ast.Try),
    "match": _is(ast.Match),
    "import": _is(ast.Import, ast.ImportFrom),
    "list": _either(_is(ast.List), _calls("list", "append", "extend")),
    "tuple": _either(_is(ast.Tuple), _calls("tuple")),
    "dict": _either(_is(ast.Dict, ast.DictComp), _calls("dict", "items", "keys", "setdefault")),
    "set": _either(_is(ast.Set, ast.SetComp), _calls("set", "frozenset")),
    "sort": _calls("sorted", "sort"),
    "map or filter": _calls("map", "filter", "reduce"),
    "string method": _calls(*_STRING_METHODS),
    "f-string": _is(ast.JoinedStr),
    "slice": _is(ast.Slice),
    "arithmetic": _is(ast.BinOp),
    "boolean logic": _is(ast.BoolOp),
    "unpacking": _is(ast.Starred),
}
"""Which Python a program is made of: name -> whether a node of the syntax tree shows it."""
