"""Imports of what is not part of Python, in programs that ask whether it is there.

`try: import numpy` with a handler for the failure is such a question, and the answer is no: the import fails where it
stands, as on a machine without numpy. Elsewhere the name stands for what is refused when it is used.
"""

import ast

from sandbox.modules import THIRD_PARTY


def catches_imports(caught: ast.expr | None) -> bool:
    """Whether a handler of that exception sees an import fail."""
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(name, ast.Name) and name.id in _IMPORT_ERRORS for name in names)


_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def without_third_party(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The statements, where those that import what is not part of Python fail as such an import does.

    Also in the blocks of a statement, but not in functions, which are called when nobody asks any more.
    """
    replaced: list[ast.stmt] = []
    for statement in statements:
        lacking = _lacking(statement)
        replaced += [_absent(statement, name, module) for name, module in lacking] if lacking else [statement]
        if isinstance(statement, _BLOCKS):
            for field in ("body", "orelse", "finalbody"):
                if block := getattr(statement, field, None):
                    setattr(statement, field, without_third_party(block))
    return replaced


_BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try)


def _lacking(statement: ast.stmt) -> list[tuple[str, str]]:
    """The names that an import binds and the modules that they come from, where some are not part of Python."""
    if isinstance(statement, ast.ImportFrom) and statement.module in THIRD_PARTY and not statement.level:
        return [(alias.asname or alias.name, statement.module) for alias in statement.names if alias.name != "*"]
    if isinstance(statement, ast.Import) and any(alias.name in THIRD_PARTY for alias in statement.names):
        return [(alias.asname or alias.name.partition(".")[0], alias.name) for alias in statement.names]
    return []


def _absent(statement: ast.stmt, name: str, module: str) -> ast.stmt:
    call = ast.Call(ast.Name("_absent_", ast.Load()), [ast.Constant(module)], [])
    assignment = ast.Assign([ast.Name(name, ast.Store())], call)
    return ast.fix_missing_locations(ast.copy_location(assignment, statement))
