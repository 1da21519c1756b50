"""What the commands that look at runs share: how a run is named, and how JSON is printed."""

import json
import sys
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

import typer

RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in runs/.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def print_json(value: Any) -> None:
    """Print a dataclass, or plain data with dataclasses in it, as JSON."""
    json.dump(value, sys.stdout, indent=2, default=_plain)
    print()


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)
