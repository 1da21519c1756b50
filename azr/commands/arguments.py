"""What commands share: how a run is named, how JSON is printed, and how a page is written."""

import json
import os
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from azr.errors import UserError
from azr.training.run import write_whole

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in runs/.")]
TensorParallel = Annotated[
    int, typer.Option("--tensor-parallel", min=1, help="Ranks that share one engine of vLLM (docs/scale.md).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(value: Any) -> None:
    """Print a dataclass, or plain data with dataclasses in it, as JSON."""
    json.dump(value, sys.stdout, indent=2, default=_plain)
    print()


def check_page(page: Path) -> None:
    """Raise UserError where a page can't be written: asked before long work, so that it isn't told after it."""
    if page.is_dir():
        raise UserError(f"{page} can't be written: it is a folder; name a file in it")
    if not os.access(page.parent, os.W_OK):
        raise UserError(f"{page} can't be written: make its folder first, or choose another with --out")


def write_page(page: Path, html: str) -> str:
    """Write a page, whole or not at all, and say so in a line. Raises UserError where it can't be written."""
    try:
        write_whole(page, html)
    except OSError as error:
        raise UserError(f"{page} can't be written: {error.strerror}") from None
    return f"{page} ({len(html.encode()) / 1e6:.1f} MB); open it in a browser"


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
