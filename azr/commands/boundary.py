"""`azr boundary`: what did training add? And `azr delta-se`: one of its figures from a published table."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from azr.commands.arguments import AsJson, print_json
from azr.commands.eval import Data
from azr.errors import UserError

if TYPE_CHECKING:
    from azr.boundary.sides import NamedResults
    from azr.boundary.tally import Side
    from azr.evaluation.benchmark import Problem


def boundary(
    results: Annotated[
        list[str],
        typer.Argument(
            metavar="A B [C...]",
            help="The base first, then what was trained from it: files of results, or results folders of azr eval. "
            "LABEL=PATH names a side.",
        ),
    ],
    label: Annotated[
        list[str] | None, typer.Option(help="A side's name; once for each side, in their order. Or write LABEL=PATH.")
    ] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            "--benchmark",
            "-b",
            help="Which problems these are: lines without a verdict are judged, and questions stand beside the answers "
            "to be read. Of a results folder with several benchmarks it picks one.",
        ),
    ] = None,
    data: Data = None,
    k: Annotated[
        int | None,
        typer.Option(min=1, help="The largest k; problems with fewer samples are left out. By default the fewest."),
    ] = None,
    rare: Annotated[
        float,
        typer.Option(min=0, max=1, help="The page shows the right answers to problems solved less often than this."),
    ] = 0.05,
    marks: Annotated[
        Path | None, typer.Option(help="What a person found on reading: the file that the page exports.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page; by default boundary-A-B.html here.")] = None,
    as_json: AsJson = False,
) -> None:
    """What did training add? A base beside models trained from it, by pass@k to large k, from samples that are there.

    A model that only finds faster what its base could do before is ahead at one sample and behind at many (Yue et al.
    2025). The page shows pass@k with bands, where the curves cross and how sure that is, who solves what, how each
    problem moves, ΔSE, and the answers that may be guessed. No model is needed.

    A file of results has a line a sample, with its verdict (right, wrong, unparsed, true, false):
    `{"task_id": "7", "completion": "...", "verdict": "right"}`. Counts do as well: `{"task_id": "7", "n": 1024,
    "right": 12}`, or, where no more is known, `{"task_id": "7", "n": 1024, "solved": true}`, a line for every problem.
    Files may be packed with gzip.

    Only problems that every side has count. Every side is compared with the first.

    Examples:

    * `azr boundary base=base.jsonl rl=rl.jsonl`

    * `azr boundary base.jsonl rl.jsonl distilled.jsonl --benchmark math500 --data data/`

    * `azr boundary base.jsonl rl.jsonl --marks marks.jsonl --json > study.json`
    """
    from rich.console import Console

    from azr.boundary.guessing import read_marks
    from azr.boundary.page import render
    from azr.boundary.plain import as_json as study_as_json
    from azr.boundary.sides import named_results
    from azr.boundary.study import study
    from azr.boundary.terminal import print_study
    from azr.training.run import write_whole

    if len(results) < 2:
        raise UserError("name two sides or more: azr boundary BASE TRAINED")
    named = named_results(results, label or [], benchmark)
    problems = _problems(benchmark, data or [])
    found = study(_read_sides(named, problems), k, rare, read_marks(marks) if marks else {})
    page = out or Path(f"boundary-{'-'.join(_file_name(side.label) for side in named)}.html")
    html = render(found, {task_id: _question(problem) for task_id, problem in problems.items()})
    try:
        write_whole(page, html)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise UserError(f"{page} can't be written: {error.strerror}") from None
    if as_json:
        print_json({"page": str(page), **study_as_json(found)})
    else:
        print_study(found, Console(highlight=False, file=sys.stdout))
        print(f"{page} ({len(html.encode()) / 1e6:.1f} MB); open it in a browser")


def delta_se(
    table: Annotated[Path, typer.Argument(help="CSV: model,SET_pass1,SET_pass256,...; the base in the first row.")],
    as_json: AsJson = False,
) -> None:
    """ΔSE, the sampling efficiency gap, from a table of published figures.

    ΔSE = pass@k of the base − pass@1 of the trained model: how far one sample of the trained model is from what its
    base does with k. Smaller is better (Yue et al. 2025, where k is 256). `azr boundary` measures it from samples.

    Examples:

    * `azr delta-se table2.csv`
    """
    from rich.console import Console

    from azr.boundary.gap import published_gaps
    from azr.boundary.terminal import print_published

    gaps = published_gaps(table)
    if as_json:
        print_json(gaps)
    else:
        print_published(gaps, Console(highlight=False, file=sys.stdout))


def _problems(benchmark: str | None, data: Sequence[str]) -> "dict[str, Problem]":
    """The benchmark's problems by id; none where no benchmark is named."""
    if benchmark is None:
        if data:
            raise UserError("--data says where a benchmark's problems are: name it with --benchmark")
        return {}
    from azr.evaluation.benchmarks import find_benchmark
    from azr.evaluation.data import data_places, load_problems

    problems = load_problems(find_benchmark(benchmark), data_places(data, [benchmark]))
    return {problem.task_id: problem for problem in problems}


def _read_sides(named: "Sequence[NamedResults]", problems: "dict[str, Problem]") -> "list[Side]":
    """The sides, counted; where the problems are known, lines without a verdict are judged."""
    from azr.boundary.tally import read_side

    if not problems:
        return [read_side(one.label, one.file) for one in named]
    from azr.boundary.judging import judge_of

    with judge_of(problems) as judge:
        return [read_side(one.label, one.file, judge, problems) for one in named]


def _question(problem: "Problem") -> str:
    from azr.evaluation.benchmark import PromptForm

    return problem.prompts[PromptForm.REASONING].text


def _file_name(label: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in label)
