"""Whether a program's values could depend on the order of a set, a hash or an address.

If they could, a repeated call is also run in another process, with another hash seed and other addresses. So a doubt
costs time, and a miss would let a task in whose output is drawn by lot. Sets come from displays, from `set`, and from
the keys and items of a dict; hashes from `hash`. Addresses show in the repr of what has none of its own: a function
or a bound method that stands somewhere as a value and is not called, an iterator that is not used up, an instance.
What a program makes anew in every run mostly lies elsewhere in every run as well (sandbox/child.py).
"""

import ast
import re
from collections.abc import Iterator
from types import ModuleType

from sandbox.names import UNORDERED_ATTRIBUTES, UNORDERED_NAMES, VIEWS, words

_SET_METHODS = frozenset(f"__{side}{name}__" for side in ("", "r", "i") for name in ("and", "or", "xor", "sub"))
# What the operator module has for the same, and for attributes by name.
_SET_FUNCTIONS = frozenset(
    words("and_ or_ xor sub iand ior ixor isub attrgetter methodcaller * __and__ __or__ __xor__ __sub__")
)
# Built-ins that are Python functions here: their repr shows an address, where CPython's own shows none.
GUARDED_FUNCTIONS = frozenset({"getattr", "setattr", "delattr", "vars", "dir", "print", "input"})
_ITERATORS = words("map filter zip enumerate reversed iter")
# What takes an iterator for its elements, whether function or method.
_CONSUMERS = (
    words(
        "list tuple sorted sum dict join any all max min set len Counter next frozenset deque extend OrderedDict update"
    )
    + _ITERATORS
)
_ITERATOR = re.compile(rf"\b(?:{'|'.join(_ITERATORS)})\b")
_CONSUMED = re.compile(rf"(?:\b(?:{'|'.join(_CONSUMERS)})\(|\bin\s|\*)\s*(?:{'|'.join(_ITERATORS)})\(")
_WRITERS = words("str repr ascii format")  # built-ins and methods that make text of any object
_WRITES = re.compile(rf"\b(?:{'|'.join(_WRITERS)})\b|\b[fF][rR]?['\"]|\b[rR][fF]['\"]|%")
FUNCTION_AS_VALUE = re.compile(rf"\b(?:{'|'.join(sorted(GUARDED_FUNCTIONS))})\b(?!\s*\()")
_CONSTANTS = (bool, int, float, complex, str, bytes, tuple, type)


def may_show_order(tree: ast.AST, modules: dict[str, ModuleType]) -> bool:
    """Whether the values of a module or expression may differ from process to process. Asked before it is rewritten.

    `modules` are what it can import: reading a constant of one shows nothing.
    """
    nodes = list(ast.walk(tree))
    return _makes_sets(nodes) or _holds_functions(nodes, modules) or (_writes(nodes) and _lets_objects_lie(nodes))


_TEXT = (
    *words("str repr print ascii format % import __"),
    *(f"{f}{r}{q}" for f in "fF" for r in ("", "r", "R") for q in "'\""),
)


def may_write_text(source: str) -> bool:
    """Whether a program, or a call, might make text of an object, as far as its own text shows: without that, and
    without what UNORDERED_NAMES has, no value tells where anything lies."""
    return any(map(source.__contains__, _TEXT))


def may_write_iterator(bare: str, source: str) -> bool:
    """The same question for iterators, of a program without classes and imports, by its text.

    `bare` is the source without what stands in its strings.
    """
    if not _WRITES.search(source):
        return False
    return len(_ITERATOR.findall(bare)) > len(_CONSUMED.findall(bare)) or "yield" in bare


def _makes_sets(nodes: list[ast.AST]) -> bool:
    views = combines = False
    for node in nodes:
        if isinstance(node, ast.Set | ast.SetComp):
            return True
        if isinstance(node, ast.Name):
            if node.id in UNORDERED_NAMES:
                return True
        elif isinstance(node, ast.Attribute):
            if node.attr in UNORDERED_ATTRIBUTES:
                return True
            views |= node.attr in VIEWS
            combines |= node.attr in _SET_METHODS or (node.attr in _SET_FUNCTIONS and _is_name(node.value, "operator"))
        elif isinstance(node, ast.BinOp | ast.AugAssign):
            combines |= isinstance(node.op, ast.BitAnd | ast.BitOr | ast.BitXor) or _may_subtract_sets(node)
        elif isinstance(node, ast.ImportFrom) and node.module == "operator":
            combines |= any(name.name in _SET_FUNCTIONS for name in node.names)
        elif isinstance(node, ast.Import):
            combines |= any(name.name == "operator" and name.asname for name in node.names)
    return views and combines


def _may_subtract_sets(node: ast.BinOp | ast.AugAssign) -> bool:
    """A difference of which no side is plainly a number."""
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
    return isinstance(node.op, ast.Sub) and not any(map(_is_number, sides))


def _is_number(node: ast.AST) -> bool:
    """A constant, a calculation, or the result of a function that gives numbers."""
    if isinstance(node, ast.BinOp) and isinstance(
        node.op, ast.Add | ast.Mult | ast.Div | ast.FloorDiv | ast.Mod | ast.Pow
    ):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("len", "ord", "int", "float", "sum", "abs", "round")
    return isinstance(node, ast.Constant)


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _holds_functions(nodes: list[ast.AST], modules: dict[str, ModuleType]) -> bool:
    """Whether an attribute, an imported name or a guarded built-in is read for anything but to be called at once."""
    passed_over = set(_called_or_never_shown(nodes))
    own = _own_attributes(nodes)
    imported = dict(_imported(nodes, modules))
    for node in nodes:
        if id(node) in passed_over or not isinstance(getattr(node, "ctx", None), ast.Load):
            continue
        if isinstance(node, ast.Attribute):
            owner = imported.get(node.value.id) if isinstance(node.value, ast.Name) else None
            if node.attr not in own and not isinstance(getattr(owner, node.attr, None), (*_CONSTANTS, ModuleType)):
                return True
        elif isinstance(node, ast.Name) and (
            node.id in GUARDED_FUNCTIONS or not isinstance(imported.get(node.id, 0), (*_CONSTANTS, ModuleType))
        ):
            return True
    return False


def _called_or_never_shown(nodes: list[ast.AST]) -> Iterator[int]:
    """The nodes in places from which no value comes out: before a call's bracket, in decorators, bases and hints."""
    for node in nodes:
        whole: list[ast.expr | None] = []
        if isinstance(node, ast.Call):
            yield id(node.func)
        elif isinstance(node, ast.Attribute):
            yield id(node.value) if isinstance(node.value, ast.Name) else 0
        elif isinstance(node, ast.ExceptHandler):
            whole = [node.type]
        elif isinstance(node, ast.ClassDef):
            whole = [*node.bases, *node.decorator_list]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            whole = [node.returns, *node.decorator_list]
        elif isinstance(node, ast.arg | ast.AnnAssign):
            whole = [node.annotation]
        for part in whole:
            if part is not None:
                yield from map(id, ast.walk(part))


def _writes(nodes: list[ast.AST]) -> bool:
    """Whether text may be made of any object."""
    return any(
        isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Name) and node.id in _WRITERS)
        or (isinstance(node, ast.Attribute) and node.attr in (*_WRITERS, "substitute", "safe_substitute"))
        or (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Mod)
            and isinstance(node.left, ast.Constant | ast.Name)
        )
        for node in nodes
    )


def _lets_objects_lie(nodes: list[ast.AST]) -> bool:
    """Whether an iterator, a generator or an instance without a repr of its own may stand where it is not used up."""
    consumed: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", None)
            if name in _CONSUMERS:
                consumed.update(map(id, node.args))
        elif isinstance(node, ast.For | ast.comprehension):
            consumed.add(id(node.iter))
        elif isinstance(node, ast.Starred):
            consumed.add(id(node.value))
    return any(
        isinstance(node, ast.Yield | ast.YieldFrom)
        or (isinstance(node, ast.ClassDef) and _has_no_repr(node))
        or (id(node) not in consumed and (isinstance(node, ast.GeneratorExp) or _makes_iterator(node)))
        for node in nodes
    )


def _makes_iterator(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ITERATORS


def _has_no_repr(node: ast.ClassDef) -> bool:
    """Whether instances show an address: the class has neither a repr nor anything from which to have one."""
    methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    return not (node.bases or node.decorator_list or methods & {"__repr__", "__str__"})


def _own_attributes(nodes: list[ast.AST]) -> set[str]:
    """Attributes that the program stores, or declares in a class: what they hold was judged where it was put there."""
    own = {node.attr for node in nodes if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)}
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                targets = statement.targets if isinstance(statement, ast.Assign) else []
                if isinstance(statement, ast.AnnAssign):
                    targets = [statement.target]
                own |= {target.id for target in targets if isinstance(target, ast.Name)}
    return own


def _imported(nodes: list[ast.AST], modules: dict[str, ModuleType]) -> Iterator[tuple[str, object]]:
    """What the program's import statements bind, as far as it is at hand; else None."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.asname or name.name.partition(".")[0], modules.get(name.name)
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                yield name.asname or name.name, getattr(modules.get(node.module or ""), name.name, None)
