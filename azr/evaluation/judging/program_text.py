"""Reading a program from a completion: fenced or not, whole or the body that a given header waits for.

People's models write programs with talk around them, indented as a list item, or with an indent lost on the way. So
each text is read in several ways, and the one that takes most of its lines is kept.
"""

import ast
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

from azr.evaluation.judging.completion_text import answer_parts, fenced_blocks, parses
from sandbox.syntax import parse

ATTEMPTS = 60  # cuts tried before a reading is given up
STARTS = 40  # lines tried as a program's first
_ALLOWANCE = 150_000  # characters that are parsed for one text, all readings together
_LINE_END = re.compile(r"\r\n?|\n")

# First lines of code, such as prose seldom has. A decorator must stand on what it decorates.
_CODE_START = re.compile(
    r"(?:async\s+)?def\s+\w+\s*[(\[]|class\s+\w+\s*(?:[(\[].*)?:|import\s+[\w.]+(?:\s+as\s+\w+)?\s*(?:[,;#]|$)"
    r"|from\s+[.\w]+\s+import\b|@[\w.]+(?:\(.*)?\s*(?:#.*)?$|(?:if|for|while|with|try)\b.*:\s*(?:#.*)?$"
    r"|[A-Za-z_]\w*(?:\s*,\s*[A-Za-z_]\w*)*\s*=[^=]|(?:print|input|main|solve)\("
)
_ITEM = re.compile(r"([ \t]*)((?:[-*+]|\d{1,4}[.)])[ \t]+)?")


def whole_program(completion: str, name: str | None = None) -> str | None:
    """The program in a completion that is to hold all of it; where `name` is given, one that defines it.

    The last fenced block that will do is taken, else the text itself, from its first line of code to the last line that
    still parses (a model that goes on talking is cut there). Without a name a closed block must parse as it is: no one
    would run half of it. None where there is no such program.
    """
    for text in answer_parts(completion):
        if (program := _whole(text, name)) is not None:
            return program
    return None


def completed_program(header: str, completion: str, name: str) -> str | None:
    """The program that a completion makes of `header`, a source that ends in the signature and docstring of `name`.

    The completion may be the body or the whole function. What `header` has before the function (imports, other
    functions) is kept in either case. None where neither reading defines `name`.
    """
    for text in answer_parts(completion):
        is_body = _starts_as_body(text) and not _is_indented_whole(text, name)
        if is_body and (program := _with_body(header, text, name)) is not None:
            return program
        if (program := _whole(text, name)) is not None:
            return with_preamble(program, preamble(header, name))
        for body in [*(block.text for block in reversed(fenced_blocks(text))), text]:
            if (program := _with_body(header, body, name)) is not None:
                return program
    return None


def preamble(header: str, name: str) -> str:
    """The part of `header` before the definition of `name`."""
    found = re.search(rf"^(?:async )?def {re.escape(name)}\s*\(", header, re.MULTILINE)
    return header[: found.start()] if found else header


def with_preamble(program: str, lines: str) -> str:
    """`program`, which parses, with `lines` before its first statement: behind its docstring and its future imports."""
    if not lines.strip():
        return program
    first = next((node for number, node in enumerate(parse(program).body) if not _must_come_first(node, number)), None)
    if first is None:
        return f"{program}\n{lines}\n"
    decorators = getattr(first, "decorator_list", [])
    line_number = min([first.lineno, *(decorator.lineno for decorator in decorators)])
    rows = program_lines(program)
    row = rows[line_number - 1].encode()
    column = first.col_offset if line_number == first.lineno else 0
    before, behind = row[:column].decode(), row[column:].decode()
    if not before.strip():
        before, behind = "", before + behind
    return "\n".join([*rows[: line_number - 1], before, lines.rstrip("\n"), behind, *rows[line_number:]])


def defines(program: str, name: str) -> bool:
    """Whether the top level of `program` (which parses) gives `name` a value, as far as can be seen: a star may."""
    try:
        table = symtable.symtable(program, "<program>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # it parses, and yet no one can run it
        return re.search(rf"^(?:def|class)\s+{re.escape(name)}\b", program, re.MULTILINE) is not None
    if name in table.get_identifiers():
        symbol = table.lookup(name)
        return symbol.is_assigned() or symbol.is_imported()
    stars = "import *" in program and parse(program).body
    return any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in stars or ())


def program_lines(source: str) -> list[str]:
    """The lines of a source as Python counts them; other marks that end a line in a text are none here."""
    return _LINE_END.split(source)


# -- whole programs ---------------------------------------------------------------------------------------------------


def _whole(text: str, name: str | None) -> str | None:
    blocks = fenced_blocks(text)
    for block in reversed(blocks):
        if name is None and block.closed:
            program = next(filter(parses, _indentations(block.text)), None)
        else:
            program = _longest_program(block.text, name)
        if program is not None and program.strip():
            return program
    return None if name is None and any(block.closed for block in blocks) else _longest_program(text, name)


def _longest_program(text: str, name: str | None) -> str | None:
    """The program in a text: all of it, in one of its indentations, or the part that takes most lines."""

    def will_do(program: str) -> bool:
        return name is None or defines(program, name)

    for source in _indentations(text):
        if source.strip() and parses(source) and will_do(source):
            return source
    parts = _parts(text) if name is not None else sorted(_parts(text), key=lambda part: -part.lines)
    return next((part.source for part in parts if will_do(part.source)), None)


def _indentations(text: str) -> Iterator[str]:
    """The text as it is; without the indent of its first line of code; with the first line alone at the margin."""
    yield text
    lines = program_lines(text)
    first = _first_code_line(lines)
    if first is not None and lines[first][0] in " \t":
        yield "\n".join(_moved_left(lines, _indent(lines[first])))
        lines[first] = lines[first].lstrip()
        yield "\n".join(lines)


def _parts(text: str) -> Iterator["_Part"]:
    """What parses from each line on that looks like code, moved to the margin and without a list's mark."""
    effort = _Effort()
    lines = program_lines(text)
    taken = tried = 0
    for number, line in enumerate(lines):
        item = _ITEM.match(line)
        assert item is not None  # it also matches nothing
        for width in sorted({item.end(1), item.end()}):
            if number >= taken and _CODE_START.match(line[width:]) and _decorates(lines, number, width):
                source = "\n".join([line[width:], *_moved_left(lines[number + 1 :], width)])
                part = effort.longest_prefix(source, 1)
                tried += 1
                if part is not None:
                    taken = number + part.lines
                    yield part
        if tried >= STARTS:
            return


def _decorates(lines: list[str], number: int, width: int) -> bool:
    """Whether a line that begins with @ stands on another line of code; any other line will do."""
    following = lines[number + 1][width:].lstrip() if number + 1 < len(lines) else ""
    return lines[number][width] != "@" or following.startswith(("@", "def ", "class ", "async ", "#"))


def _must_come_first(node: ast.stmt, number: int) -> bool:
    """Whether a statement is the docstring or a future import."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "__future__"
    return number == 0 and isinstance(node, ast.Expr) and _is_text(node.value)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


# -- bodies -----------------------------------------------------------------------------------------------------------


def _with_body(header: str, text: str, name: str) -> str | None:
    """`header` and what of the text can be the rest of its function, in the indentation that takes most of it."""
    effort = _Effort()
    start = header.rstrip("\n") + "\n"
    above = len(program_lines(start)) - 1
    best: _Part | None = None
    for body in _body_indentations(text.strip("\n").rstrip(), _body_indent(header)):
        lines = program_lines(body)
        first = _first_code_line(lines)
        if first is None:
            return None
        part = effort.longest_prefix(start + body, above + first + 1)
        if part is not None and (best is None or part.lines > best.lines):
            best = part
        if part is not None and part.lines == above + len(lines):
            break
    return best.source if best is not None and defines(best.source, name) else None


def _body_indentations(text: str, width: int) -> Iterator[str]:
    """The ways to indent a body that may have lost or gained spaces: all of it, or its first line of code."""
    lines = program_lines(text)
    first = _first_code_line(lines)
    if first is None:
        return
    head = lines[first].lstrip()
    if lines[first] != head:
        yield text
    behind = [_indent(line) for line in lines[first + 1 :] if line.strip() and not line.lstrip().startswith("#")]
    for indent in dict.fromkeys((min(behind, default=width), width)):
        if indent:
            yield "\n".join([*lines[:first], " " * indent + head, *lines[first + 1 :]])
    margin = min([_indent(lines[first]), *behind])
    yield "\n".join(" " * width + line if line.strip() else line for line in _moved_left(lines, margin))


def _starts_as_body(text: str) -> bool:
    lines = program_lines(text)
    first = _first_code_line(lines)
    return first is not None and lines[first][0] in " \t"


def _is_indented_whole(text: str, name: str) -> bool:
    """Whether a text that begins with an indent is the whole function, moved to the right as one or at its start."""
    lines = program_lines(text)
    first = _first_code_line(lines)
    if first is None or not re.match(
        rf"\s*(?:(?:async )?def {re.escape(name)}\b|from |import |@|class )", lines[first]
    ):
        return False
    return any(_runs(source) and defines(source, name) for source in list(_indentations(text))[1:])


def _runs(source: str) -> bool:
    """Whether a text can be compiled as a program: a body's `return` can't stand at the margin."""
    try:
        compile(source, "<program>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _body_indent(header: str) -> int:
    """The indent of the header's last line, its docstring's: the body's."""
    return _indent(header.rstrip().rpartition("\n")[2]) or 4


# -- lines ------------------------------------------------------------------------------------------------------------


def _first_code_line(lines: list[str]) -> int | None:
    """The number of the first line that is neither empty nor a comment."""
    return next((n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), None)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _moved_left(lines: list[str], width: int) -> list[str]:
    """The lines without `width` columns of white space; what has less loses what it has."""
    return [line[min(width, _indent(line)) :] for line in lines]


@dataclass(frozen=True, slots=True)
class _Part:
    """The lines of a text that parse."""

    source: str
    lines: int


class _Effort:
    """What is spent on one text: long ones that parse in no way are given up."""

    def __init__(self) -> None:
        self.left = _ALLOWANCE

    def longest_prefix(self, source: str, at_least: int) -> _Part | None:
        """The longest run of whole lines from the start that parses, of at least so many lines."""
        lines = program_lines(source)
        end = len(lines)
        for attempt in range(ATTEMPTS):
            if end < at_least or self.left <= 0:
                break
            prefix = "\n".join(lines[:end])
            wrong = _wrong_line(prefix, end)
            self.left -= len(prefix) * (wrong or end) // end
            if wrong is None:
                return _Part(prefix + "\n", end)
            by_lines = attempt < ATTEMPTS // 2 and self.left > _ALLOWANCE // 2
            end = wrong - 1 if by_lines else _statement_before(lines, wrong - 1)
        return None


def _wrong_line(source: str, lines: int) -> int | None:
    """The number of the first line that is wrong, the last one where the parser names none; None where none is."""
    try:
        parse(source)
    except SyntaxError as error:
        return min(lines, error.lineno or lines)
    return None


def _statement_before(lines: list[str], end: int) -> int:
    """The number of lines before the last one at the margin."""
    while end > 0 and (not lines[end - 1].strip() or lines[end - 1][0] in " \t"):
        end -= 1
    return max(end - 1, 0)
