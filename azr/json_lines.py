"""Files of JSON lines, read one way everywhere: plain or .gz, with or without a byte order mark.

A line ends at a line feed and nowhere else: U+2028 and U+0085 may stand inside a JSON string.
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from azr.errors import UserError

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BUFFER_BYTES = 1 << 20  # gzip hands out lines several times as fast as with its own buffer


@dataclass(frozen=True, slots=True)
class JsonLine:
    """A line that is not blank: its number from 1, and its value, or the `fault` for which it has none."""

    number: int
    value: Any = None
    fault: str | None = None


def read_json_lines(path: Path) -> Iterator[JsonLine]:
    """The lines of a file that are not blank, in order. Raises UserError as `numbered_lines`."""
    return (JsonLine(number, *read_json(line)) for number, line in numbered_lines(path))


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, unread, with their numbers from 1.

    Raises UserError, one line that names the file, where it can't be read: it is not there, its gzip data is damaged or
    cut, or its name says gzip and its content does not, or the other way round.
    """
    number = 0
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if text.strip():
                    yield number, text
    except EOFError:
        raise UserError(f"{path}, behind line {number}: the gzip data is cut off; fetch the file again") from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}, behind line {number}: the gzip data is damaged ({error})") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror or error}") from None


def read_json(line: bytes) -> tuple[Any, str | None]:
    """A line's value and None, or None and why it has no value."""
    try:
        return json.loads(line.decode("utf-8")), None
    except UnicodeDecodeError as error:
        return None, f"not UTF-8: byte 0x{line[error.start]:02x} at {error.start + 1}"
    except RecursionError:
        return None, "not JSON: nested too deeply"
    except ValueError as error:
        return None, f"not JSON: {error}"


def json_line(value: Any) -> str:
    """A value as a line for such a file, readable text unescaped but for lone surrogates, which UTF-8 does not have."""
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_gzip = file.read(len(_GZIP)) == _GZIP
    if is_gzip != (path.suffix == ".gz"):
        problem = "is gzip, but its name does not end in .gz" if is_gzip else "is not gzip, though its name ends in .gz"
        raise UserError(f"{path} {problem}; rename it")
    return cast(IO[bytes], io.BufferedReader(gzip.GzipFile(path), _BUFFER_BYTES)) if is_gzip else path.open("rb")
