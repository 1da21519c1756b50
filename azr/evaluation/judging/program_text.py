"""Reading a program from a completion: fenced or not, whole or the body that a given header waits for."""

import ast
import re
import textwrap

LONGEST = 100_000  # characters of a completion that are looked at
ATTEMPTS = 200  # cuts tried before a text is given up
_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_CODE_STARTS = ("def ", "async def ", "import ", "from ", "class ", "@")


def whole_program(completion: str, name: str | None = None) -> str | None:
    """The program in a completion that is to hold all of it; where `name` is given, one that defines it.

    The last fenced block that will do is taken, else the text itself, from its first line of code to the last line that
    still parses (a model that goes on talking is cut there). None where there is no such program.
    """
    text = answer_part(completion)
    for source in [*reversed(_FENCE.findall(text)), text]:
        program = _longest_program(source)
        if program is not None and (name is None or defines(program, name)):
            return program
    return None


def completed_program(header: str, completion: str, name: str) -> str | None:
    """The program that a completion makes of `header`, a source that ends in the signature and docstring of `name`.

    The completion may be the body or the whole function. What `header` has before the function (imports, other
    functions) is kept in either case. None where neither reading defines `name`.
    """
    text = answer_part(completion)
    starts_as_body = text.lstrip("\n").startswith((" ", "\t"))
    if starts_as_body and (program := _with_body(header, text, name)) is not None:
        return program
    if (program := whole_program(completion, name)) is not None:
        return f"{preamble(header, name)}\n{program}"
    for body in [*reversed(_FENCE.findall(text)), text]:
        if (program := _with_body(header, textwrap.indent(textwrap.dedent(body), "    "), name)) is not None:
            return program
    return None


def preamble(header: str, name: str) -> str:
    """The part of `header` before the definition of `name`."""
    found = re.search(rf"^(?:async )?def {re.escape(name)}\s*\(", header, re.MULTILINE)
    return header[: found.start()] if found else header


def answer_part(completion: str) -> str:
    """The completion without thinking and answer tags, cut to the length that is looked at."""
    text = completion[:LONGEST].rsplit("</think>", 1)[-1]
    tagged = re.findall(r"<answer>(.*?)(?:</answer>|\Z)", text, re.DOTALL)
    return tagged[-1] if tagged else text


def defines(program: str, name: str) -> bool:
    """Whether the top level of `program` (which parses) defines or assigns `name`."""
    for node in parse(program).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
            return True
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return True
    return False


def parse(source: str) -> ast.Module:
    """`ast.parse` with every way in which a text can fail to be a program turned into SyntaxError."""
    try:
        return ast.parse(source)
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested too deeply for the parser
        raise SyntaxError(str(error)) from error


def parses(source: str) -> bool:
    """Whether `source` is a Python program."""
    try:
        parse(source)
    except SyntaxError:
        return False
    return True


def _with_body(header: str, body: str, name: str) -> str | None:
    program = _longest_prefix(header.rstrip("\n") + "\n" + body.strip("\n"), len(header.splitlines()) + 1)
    return program if program is not None and defines(program, name) else None


def _longest_program(source: str) -> str | None:
    if parses(source) and source.strip():
        return source
    lines = source.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(_CODE_STARTS)]
    return _longest_prefix("\n".join(lines[starts[0] :]), 1) if starts else None


def _longest_prefix(source: str, at_least: int) -> str | None:
    """The longest run of whole lines from the start that parses, of at least so many lines."""
    lines = source.splitlines()
    end = len(lines)
    for _ in range(ATTEMPTS):
        if end < at_least:
            break
        prefix = "\n".join(lines[:end])
        try:
            parse(prefix)
        except SyntaxError as error:
            # The program can't reach past the first line that is wrong; where the parser names none, drop one line.
            end = min(end, error.lineno or end) - 1
        else:
            return prefix + "\n"
    return None
