"""Puts an object of ours in the place of a module that the sandbox does not have."""

import ast
from collections.abc import Mapping


class StandIns(ast.NodeTransformer):
    """Turns `import m`, `import m as n` and `from m import x` into assignments from a name that the program has.

    `names` maps a module's name to the name of the object that stands in for it.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        """`import a, m` becomes `import a` and `m = stand_in`."""
        others = [alias for alias in node.names if alias.name not in self._names]
        kept: list[ast.stmt] = [ast.Import(others)] if others else []
        return kept + [
            _assign(alias.asname or alias.name, ast.Name(self._names[alias.name], ast.Load()))
            for alias in node.names
            if alias.name in self._names
        ]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | list[ast.stmt]:
        """`from m import x as y` becomes `y = stand_in.x`."""
        stand_in = self._names.get(node.module or "")
        if node.level or stand_in is None or node.names[0].name == "*":
            return node
        source = ast.Name(stand_in, ast.Load())
        return [
            _assign(alias.asname or alias.name, ast.Attribute(source, alias.name, ast.Load())) for alias in node.names
        ]


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.fix_missing_locations(ast.Assign([ast.Name(name, ast.Store())], value, lineno=1))
