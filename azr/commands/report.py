"""`azr report`: one HTML page about a run, or about several side by side."""

from pathlib import Path
from typing import Annotated

import typer

from azr.browse.folders import find_run
from azr.commands.arguments import AsJson, print_json
from azr.errors import UserError


def report(
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of runs, or their names in runs/.")],
    out: Annotated[Path | None, typer.Option(help="The page; by default report.html in the run's folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page: what the run was, its curves, its tasks.

    With several runs the page puts them side by side and is written to the current folder.
    """
    from azr.report.page import render
    from azr.report.story import gather
    from azr.training.run import write_whole

    runs = [find_run(name) for name in names]
    if len({run.name for run in runs}) < len(runs):
        raise UserError("two of the runs have the same name; give each once, or rename a folder")
    by_default = (
        runs[0].folder / "report.html" if len(runs) == 1 else Path(f"report-{'-'.join(r.name for r in runs)}.html")
    )
    page = out or by_default
    html = render([gather(run) for run in runs])
    try:
        write_whole(page, html)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise UserError(f"{page} can't be written: {error.strerror}") from None
    if as_json:
        print_json({"page": str(page), "bytes": len(html.encode()), "runs": [run.name for run in runs]})
    else:
        print(f"{page} ({len(html.encode()) / 1e6:.1f} MB); open it in a browser")
