"""`azr runs`: the runs here, and how each is doing."""

from pathlib import Path
from typing import Annotated

import typer

from azr.browse.folders import list_runs
from azr.commands.arguments import AsJson, print_json
from azr.training.run import RUNS


def runs(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the runs.")] = RUNS, as_json: AsJson = False
) -> None:
    """List the runs with their model, steps, state and last scores."""
    found = list_runs(folder)
    if as_json:
        return print_json(found)
    from azr.browse.terminal import print_runs

    return print_runs(found)
