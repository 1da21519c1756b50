"""Wall 1: what source may be compiled.

RestrictedPython's transformer, which admits a syntax node only if it knows it, extended until it accepts what models
really write. RestrictedPython guards every item, iteration and attribute at run time; here most of that is decided at
compile time instead. An attribute's name is in the source, so a harmless name needs no guard, and what could make a
harmless name dangerous (foreign modules, metaclasses, format strings, names in strings) is kept out of reach by
sandbox/guards.py and sandbox/modules.py.
"""

import ast
import sys
from types import CodeType
from typing import Any

from RestrictedPython.transformer import RestrictingNodeTransformer

from sandbox import standins
from sandbox.absent import catches_imports, without_third_party
from sandbox.modules import ABSENT, MODULES, REFUSED_MODULES, missing
from sandbox.names import (
    NAME_LISTS,
    PROGRAM,
    NameKind,
    attribute_kind,
    is_field,
    is_matchable,
    is_variable,
    store_kind,
    words,
)
from sandbox.order import may_show_order
from sandbox.plain import plain_call, plain_program
from sandbox.refused import PolicyError

_VISITOR_DEPTH = 4  # Python frames that one level of nesting takes while the tree is visited
_OPERATORS = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)
LEAVES = (ast.Constant, ast.Pass, ast.Break, ast.Continue, *_OPERATORS)


class Policy(RestrictingNodeTransformer):
    """One use, for one tree. `errors` says what is refused."""

    def __init__(self, nesting: int) -> None:
        super().__init__()
        self.nesting = nesting
        self.depth = 0
        self.class_names: list[str] = []

    # -- walking ------------------------------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> Any:
        """Dispatch on the exact type, by a table that fills as types are met."""
        kind = type(node)
        method = _DISPATCH.get(kind)
        if method is None:
            method = _DISPATCH[kind] = _dispatch(kind)
        self.depth += 1
        if self.depth > self.nesting:
            raise PolicyError(f"the source is nested deeper than {self.nesting} levels")
        result = method(self, node)
        self.depth -= 1
        return result

    def node_contents_visit(self, node: Any) -> Any:
        """Visit what the node is made of, leaving out the leaves that cannot be refused."""
        for field in node._fields:
            value = getattr(node, field, None)
            if type(value) is list:
                for index, item in enumerate(value):
                    if isinstance(item, ast.AST) and not isinstance(item, LEAVES):
                        value[index] = self.visit(item)
            elif isinstance(value, ast.AST) and not isinstance(value, LEAVES):
                setattr(node, field, self.visit(value))
        return node

    def check_name(self, node: Any, name: str | None, allow_magic_methods: bool = False) -> None:
        if name is not None and not is_variable(name):
            self.error(node, f"the name {name!r} is reserved")

    def finish(self) -> None:
        """Refuse what could only be judged with the whole tree seen. Raises PolicyError with the first refusal."""
        if self.errors:
            raise PolicyError(self.errors[0])

    # -- names and attributes -----------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> ast.AST:
        name = node.id
        if type(node.ctx) is not ast.Load:
            self.check_name(node, name)
        elif name[0] == "_" and not is_variable(name):
            self.error(node, f"the name {name!r} is reserved")
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        name = node.attr
        owner = self.visit(node.value)
        if type(node.ctx) is ast.Load:
            kind = attribute_kind(name)
            if kind is NameKind.PLAIN:
                node.value = owner
                return node
            if kind is not NameKind.REFUSED:
                return _call(node, _READ_GUARDS[kind], owner, *self._named(kind, name))
        else:
            kind = store_kind(name)
            if kind is not NameKind.REFUSED:
                guard = "_write_" if kind is NameKind.PLAIN else "_own_"
                node.value = _call(node, guard, owner, *self._named(kind, name))
                return node
        self.error(node, f"the attribute {name!r} leads to the interpreter")
        return node

    def _named(self, kind: NameKind, name: str) -> tuple[ast.Constant, ...]:
        """The name as the guard's second argument, mangled as the compiler would have mangled the attribute."""
        if kind is NameKind.PRIVATE and name.startswith("__") and self.class_names:
            name = f"_{self.class_names[-1].lstrip('_')}{name}"
        return (ast.Constant(name),) if kind in (NameKind.PRIVATE, NameKind.GUARDED, NameKind.VIEW) else ()

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        if node.arg is not None and not is_variable(node.arg):
            self.error(node.value, f"the name {node.arg!r} is reserved")
        return self.node_contents_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return self.node_contents_visit(node)

    # -- displays and comprehensions ----------------------------------------------------------------------------------

    def visit_Set(self, node: ast.Set) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        if node.is_async:
            self.not_allowed(node)
        return self.node_contents_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        return self.node_contents_visit(node)

    # -- statements ---------------------------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        for index, target in enumerate(node.targets):
            if isinstance(target, ast.Name) and target.id in NAME_LISTS:
                self._check_name_list(node.value)
            else:
                node.targets[index] = self.visit(target)
        node.value = self.visit(node.value)
        return node

    def _check_name_list(self, value: ast.expr) -> None:
        elements = value.elts if isinstance(value, (ast.Tuple, ast.List)) else [value]
        for element in elements:
            if not (isinstance(element, ast.Constant) and type(element.value) is str and is_field(element.value)):
                self.error(value, "__slots__ and __match_args__ must be literal tuples of ordinary names")

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        """The target is read before it is written to, so an attribute has to pass for both."""
        target = node.target
        if isinstance(target, ast.Attribute):
            kind = attribute_kind(target.attr)
            if kind in (NameKind.GUARDED, NameKind.VIEW) and not target.attr.startswith("__"):
                target.value = _call(target, "_own_", self.visit(target.value), ast.Constant(target.attr))
                node.value = self.visit(node.value)
                return node
            if kind not in (NameKind.PLAIN, NameKind.PRIVATE):
                self.error(node, f"the attribute {target.attr!r} leads to the interpreter")
        return self.node_contents_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_With(self, node: ast.With) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.check_name(node, node.name)
        return self.node_contents_visit(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:
        for name in node.names:
            self.check_name(node, name)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        for name in node.names:
            self.check_name(node, name)
        return node

    # -- definitions --------------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.check_name(node, node.name)
        return self.node_contents_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        return self.node_contents_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        self.check_name(node, node.arg)
        return self.node_contents_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.check_name(node, node.name)
        self.class_names.append(node.name)
        self.node_contents_visit(node)
        self.class_names.pop()
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self.node_contents_visit(node)

    # -- imports ------------------------------------------------------------------------------------------------------

    def visit_Try(self, node: ast.Try) -> ast.AST:
        """An import in a try whose handlers would see its failure asks whether the module is there."""
        asks = any(catches_imports(handler.type) for handler in node.handlers)
        self.node_contents_visit(node)
        if asks:
            node.body = without_third_party(node.body)
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST:
        for alias in node.names:
            self.check_name(node, alias.asname or alias.name.partition(".")[0])
            _require(alias.name)
            if not _is_known(alias.name):
                self.error(node, f"the module {alias.name!r} is not on the allow-list")
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        module = node.module or ""
        _require(module)
        if node.level or not _is_known(module):
            self.error(node, f"the module {'.' * node.level + module!r} is not on the allow-list")
            return node
        for alias in node.names:
            if alias.name != "*":
                self.check_name(node, alias.asname or alias.name)
                if module in MODULES and module != "__future__" and not hasattr(MODULES[module], alias.name):
                    self.error(node, f"{module}.{alias.name} is not on the allow-list")
            elif module not in MODULES:
                self.error(node, f"{module} {REFUSED_MODULES.get(module, 'is not in the sandbox')}")
        return node

    # -- match --------------------------------------------------------------------------------------------------------

    def visit_MatchClass(self, node: ast.MatchClass) -> ast.AST:
        for name in node.kwd_attrs:
            if not is_matchable(name):
                self.error(node, f"the attribute {name!r} may not be matched")
        return self.node_contents_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.AST:
        self.check_name(node, node.name)
        return self.node_contents_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.AST:
        self.check_name(node, node.name)
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.AST:
        self.check_name(node, node.rest)
        return self.node_contents_visit(node)


_READ_GUARDS = {
    NameKind.GUARDED: "_guarded_",
    NameKind.PRIVATE: "_private_",
    NameKind.CLASS: "_type_",
    NameKind.DICT: "_vars_",
    NameKind.SETATTR: "_setter_",
    NameKind.VIEW: "_view_",
}
# Nodes that RestrictedPython does not know, or guards at run time, and that need nothing but a look at their contents.
_CONTENTS_ONLY = frozenset(
    words(
        "List Tuple Dict FormattedValue JoinedStr Starred Expression Expr UnaryOp BoolOp Compare IfExp Slice ListComp "
        "GeneratorExp DictComp Raise Assert Delete If While withitem Return Yield YieldFrom Match "
        "match_case MatchValue MatchSingleton MatchSequence MatchOr"
    )
)
_DISPATCH: dict[type, Any] = {}


def _dispatch(kind: type) -> Any:
    """The method for a node type: ours, else RestrictedPython's, which refuses what it does not know."""
    if kind.__name__ in _CONTENTS_ONLY:
        return Policy.node_contents_visit
    return getattr(Policy, f"visit_{kind.__name__}", Policy.generic_visit)


def _is_known(module: str) -> bool:
    return module in MODULES or module in REFUSED_MODULES or module in standins.NAMES


def _require(module: str) -> None:
    if module in ABSENT:
        missing.report(module)


def _call(node: ast.expr, guard: str, *args: ast.expr) -> ast.Call:
    call = ast.Call(ast.Name(guard, ast.Load()), list(args), [])
    for new in (call, call.func, *args):
        if not hasattr(new, "lineno"):
            ast.copy_location(new, node)
    return call


def _transform(tree: ast.AST, nesting: int) -> Policy:
    policy = Policy(nesting)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, _VISITOR_DEPTH * nesting + 200))
    try:
        policy.visit(tree)
    finally:
        sys.setrecursionlimit(limit)
    policy.finish()
    return policy


def compile_program(source: str, *, nesting: int) -> tuple[CodeType, bool]:
    """Code for a module, and whether its values may depend on the order of sets or on addresses.

    Raises PolicyError for what is refused, SyntaxError or ValueError for what is not Python.
    """
    return plain_program(source, nesting) or transform_program(source, nesting=nesting)


def transform_program(source: str, *, nesting: int) -> tuple[CodeType, bool]:
    """`compile_program` by way of the syntax tree, whatever the source."""
    tree = _parse(source, "exec")
    order_sensitive = may_show_order(tree, MODULES)
    _transform(tree, nesting)
    return _compile(tree, "exec"), order_sensitive


def compile_call(arguments: str, *, nesting: int, function: str = "f") -> tuple[CodeType, bool]:
    """Code for the expression f(<arguments>). Raises as `compile_program`; also where the text is no argument list."""
    return plain_call(arguments, nesting, function) or transform_call(arguments, nesting=nesting, function=function)


def transform_call(arguments: str, *, nesting: int, function: str = "f") -> tuple[CodeType, bool]:
    """`compile_call` by way of the syntax tree, whatever the text."""
    tree = _parse(f"{function}({arguments}\n)", "eval")
    call = tree.body
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == function):
        raise PolicyError("the text is not one argument list")
    order_sensitive = may_show_order(tree, MODULES)
    _transform(tree, nesting)
    return _compile(tree, "eval"), order_sensitive


def compile_expression(source: str, *, nesting: int) -> tuple[CodeType, set[str]]:
    """Code for one expression, and the names that it reads. Raises as `compile_program`."""
    tree = _parse(source.strip(), "eval")
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    _transform(tree, nesting)
    return _compile(tree, "eval"), names


def _parse(source: str, mode: str) -> Any:
    try:
        return compile(source, PROGRAM, mode, ast.PyCF_ONLY_AST, dont_inherit=True)
    except (RecursionError, MemoryError) as error:
        raise PolicyError("the source is nested too deeply to be parsed") from error


def _compile(tree: Any, mode: str) -> CodeType:
    try:
        return compile(tree, PROGRAM, mode, dont_inherit=True)
    except RecursionError as error:
        raise PolicyError("the source is nested too deeply to be compiled") from error
