"""Standard input and output for a program that has neither. Runs inside the sandbox, before the program."""

from typing import Any


class ProgramExit(Exception):
    """What exit() raises; it ends the program with what was printed so far."""


class Reader:
    """sys.stdin: text, or bytes in its `buffer`."""

    buffer: "Reader"

    def __init__(self, lines: list[Any], end: Any) -> None:
        self.lines = lines
        self.end = end  # what a read past the end gives
        self.position = 0

    def readline(self, *_: Any) -> Any:
        """The next line with its end."""
        self.position += 1
        return self.lines[self.position - 1] if self.position <= len(self.lines) else self.end

    def readlines(self, *_: Any) -> list[Any]:
        """The lines that are left."""
        rest = self.lines[self.position :]
        self.position = len(self.lines)
        return rest

    def read(self, *_: Any) -> Any:
        """The text that is left."""
        return self.end.join(self.readlines())

    def __iter__(self) -> Any:
        while self.position < len(self.lines):
            yield self.readline()


class Writer:
    """sys.stdout, and its `buffer`."""

    buffer: "Writer"

    def __init__(self) -> None:
        self.parts: list[str] = []

    def write(self, text: Any) -> int:
        """Keeps text, or bytes."""
        self.parts.append(text if isinstance(text, str) else bytes(text).decode())
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Keeps each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing waits."""


class SystemStandIn:
    """What a program finds as `sys`."""

    argv = ("program",)
    maxsize = 2**63 - 1

    def __init__(self) -> None:
        self.stdout = Writer()
        self.stdout.buffer = self.stdout
        self.stderr = Writer()
        self.set_input("")

    def set_input(self, text: str) -> None:
        """Makes `text` what the program reads."""
        lines = text.splitlines(True)
        self.stdin = Reader(lines, "")
        self.stdin.buffer = Reader([line.encode() for line in lines], b"")

    def setrecursionlimit(self, _: int) -> None:
        """The sandbox has its own."""

    def exit(self, *_: Any) -> None:
        """Ends the program."""
        raise ProgramExit


system_standin = SystemStandIn()


def input(prompt: Any = "") -> str:
    """A line without its end."""
    line: str = system_standin.stdin.readline()
    if not line:
        raise EOFError("EOF when reading a line")
    return line.rstrip("\n")


def print(*values: Any, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False) -> None:
    """As the built-in."""
    writer = system_standin.stdout if file is None else file
    writer.write((" " if sep is None else sep).join(str(value) for value in values) + ("\n" if end is None else end))


def open(file: Any, *_: Any) -> Reader:
    """Standard input as file 0; there are no others."""
    if file != 0:
        raise FileNotFoundError("there are no files here")
    return system_standin.stdin


def exit(*_: Any) -> None:
    """Ends the program."""
    raise ProgramExit


quit = exit
