"""Parsing in a process that has several threads.

CPython 3.11 counts how deep a syntax tree is in one place for all threads. Where the collector lets another thread in,
which parses too, the count comes out wrong: a good text fails with SystemError. So one thread parses at a time.
"""

import ast
import threading
from typing import Any

_one_at_a_time = threading.Lock()


def parse(source: str, mode: str = "exec") -> Any:
    """`ast.parse`, and with every way in which a text can fail to be Python turned into SyntaxError."""
    try:
        with _one_at_a_time:
            return ast.parse(source, mode=mode)
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested too deeply for the parser
        raise SyntaxError(str(error)) from error
