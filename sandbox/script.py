"""A program that reads standard input and prints: what it finds as its streams, in a child that has none.

Everything here stands beside the built-ins or in `sys`, never in the program's own namespace.
"""

import builtins
import io
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

SETTINGS = ("get_int_max_str_digits", "set_int_max_str_digits", "getdefaultencoding")


class Input:
    """sys.stdin: text over the bytes in `buffer`; both read on from one place. Lines end at a line feed alone."""

    encoding = "utf-8"
    closed = False

    def __init__(self, text: str) -> None:
        self.buffer = io.BytesIO(text.encode("utf-8", "surrogatepass"))
        self._data = self.buffer.getvalue()
        self._text = io.StringIO(text, newline="\n")
        self._place = 0  # of the text's next character, in bytes

    def _synced(self) -> io.StringIO:
        """The text, from where the bytes were read to."""
        if self.buffer.tell() != self._place:
            self._place = self.buffer.tell()
            self._text.seek(len(self._data[: self._place].decode("utf-8", "ignore")))
        return self._text

    def _taken(self, text: str) -> str:
        self._place += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        self.buffer.seek(self._place)
        return text

    def read(self, size: int | None = -1) -> str:
        """So many characters, or all that are left."""
        return self._taken(self._synced().read(size))

    def readline(self, size: int = -1) -> str:
        """The next line with its end, or the first `size` characters of it; nothing at the end."""
        return self._taken(self._synced().readline(size))

    def readlines(self, hint: int = -1) -> list[str]:
        """The lines that are left, or enough of them to hold `hint` characters."""
        lines = self._synced().readlines(hint)
        self._taken("".join(lines))
        return lines

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def __enter__(self) -> "Input":
        return self

    def __exit__(self, *_: object) -> None:
        """Standard input stays open."""

    def close(self) -> None:
        """Standard input stays open."""

    def fileno(self) -> int:
        """0, as everywhere."""
        return 0

    def isatty(self) -> bool:
        """No one types here."""
        return False

    def readable(self) -> bool:
        """Yes."""
        return True


class _Bytes:
    """sys.stdout.buffer: what is written comes between the texts, in its order."""

    def __init__(self, parts: list[str | bytes]) -> None:
        self._parts = parts

    def write(self, data: Any) -> int:
        """Keeps bytes. Raises TypeError for text."""
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        self._parts.append(bytes(data))
        return len(data)

    def writelines(self, lines: Any) -> None:
        """Keeps each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing waits."""


class Output:
    """sys.stdout: keeps what is written."""

    encoding = "utf-8"
    closed = False

    def __init__(self) -> None:
        self._parts: list[str | bytes] = []
        self.buffer = _Bytes(self._parts)

    def write(self, text: Any) -> int:
        """Keeps text. Raises TypeError for anything else."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._parts.append(str.__str__(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Keeps each."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Standard output stays open."""

    def isatty(self) -> bool:
        """No one looks."""
        return False

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """1, as everywhere."""
        return 1


class _Nothing(Output):
    """sys.stderr: keeps nothing."""

    def write(self, text: Any) -> int:
        """Takes anything."""
        return len(text)


def printed(output: Output) -> str:
    """All that was written to it; bytes that are no text are marked as such."""
    parts = output._parts
    return "".join(part if isinstance(part, str) else part.decode("utf-8", "replace") for part in parts)


def system(base: Any, text: str) -> Any:
    """What a script finds as `sys`: what `base` has, and the streams, with `text` to read. The script may set them."""
    return SimpleNamespace(
        **{name: value for name, value in vars(base).items() if name[0] != "_" and name not in ("stdout", "stderr")},
        **{name: getattr(sys, name) for name in SETTINGS if hasattr(sys, name)},
        stdin=Input(text),
        stdout=Output(),
        stderr=_Nothing(),
        argv=["program.py"],
        path=[],
        platform=sys.platform,
        version=sys.version,
    )


def builtins_of(system: Any) -> dict[str, Callable[..., Any]]:
    """The built-ins that a script has beyond those of other programs, or in their place."""
    standard_input = system.stdin

    def read_line(prompt: Any = "") -> str:
        """As the built-in: the prompt is printed too."""
        system.stdout.write(str(prompt))
        line: str = system.stdin.readline()
        if not line:
            raise EOFError("EOF when reading a line")
        return line.removesuffix("\n")

    def show(*values: Any, sep: Any = " ", end: Any = "\n", file: Any = None, flush: Any = False) -> None:
        target = system.stdout if file is None else file
        if target is not None:
            builtins.print(*values, sep=sep, end=end, file=target, flush=flush)

    def open_file(file: Any, mode: Any = "r", *_: Any, **__: Any) -> Any:
        """Standard input; there are no other files."""
        if file not in (0, "/dev/stdin"):
            raise FileNotFoundError(f"there are no files here, and so no {str(file)[:60]!r}")
        return standard_input.buffer if "b" in mode else standard_input

    return {"input": read_line, "print": show, "open": open_file, "exit": sys.exit, "quit": sys.exit}
