"""`azr buffer`: look at the tasks a run invented and the problems it was given, while it runs or after."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from azr.browse.exports import ExportFormat, export_tasks
from azr.browse.folders import find_run, reading
from azr.browse.problems import ProblemDetail, ProblemPage, has_only_problems, list_problems, show_problem
from azr.browse.statistics import buffer_statistics
from azr.browse.tasks import SortKey, TaskFilter, list_tasks, rejected_proposals, show_task
from azr.buffer import Origin
from azr.commands.arguments import AsJson, RunName, print_json
from azr.errors import UserError
from tasks.triplet import TaskType

Number = TypeVar("Number", int, float)

app = typer.Typer(help="Look at the tasks a run invented, and at the problems it was given.", no_args_is_help=True)

TypeOption = Annotated[TaskType | None, typer.Option("--type", help="Only this type of task.", show_default=False)]
OriginOption = Annotated[Origin | None, typer.Option("--origin", help="Only tasks from there.", show_default=False)]
StepsOption = Annotated[
    str | None, typer.Option("--steps", metavar="FIRST:LAST", help="Only tasks of these steps: 10:20, 10:, :20, 10.")
]
LearnabilityOption = Annotated[
    str | None, typer.Option("--learnability", metavar="LOW:HIGH", help="Only tasks of this learnability: 0.5:, :0.")
]
SolveRateOption = Annotated[
    str | None, typer.Option("--solve-rate", metavar="LOW:HIGH", help="Only tasks solved this often: 0.25:0.75.")
]
TextOption = Annotated[
    str | None, typer.Option("--text", help="Only tasks with this text in program, inputs, outputs or message.")
]
ProblemsOption = Annotated[
    bool, typer.Option("--problems", help="The problems that were given; so by default where no task was made.")
]


@app.command()
def stats(run: RunName, as_json: AsJson = False) -> None:
    """Figures by type and by step: valid, rejected and why, learnability, solve rate, size of programs, novelty."""
    with reading(find_run(run)) as db:
        statistics = buffer_statistics(db)
    if as_json:
        return print_json(statistics)
    from azr.browse.terminal import print_statistics

    return print_statistics(statistics)


@app.command("list")
def list_(
    run: RunName,
    task_type: TypeOption = None,
    origin: OriginOption = None,
    steps: StepsOption = None,
    learnability: LearnabilityOption = None,
    solve_rate: SolveRateOption = None,
    text: TextOption = None,
    sort: Annotated[SortKey, typer.Option(help="What to order by.")] = SortKey.ID,
    descending: Annotated[
        bool | None,
        typer.Option("--desc/--asc", help="Largest or smallest first; by default the most learnable, else smallest."),
    ] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="Most tasks to list.")] = 20,
    offset: Annotated[int, typer.Option(min=0, help="Tasks to skip.")] = 0,
    problems: ProblemsOption = False,
    as_json: AsJson = False,
) -> None:
    """The tasks that match, or the problems that have --text in their question.

    Example: azr buffer list quickstart --type deduction --solve-rate 0.1:0.5 --sort learnability
    """
    if descending is None:
        descending = sort is SortKey.LEARNABILITY
    wanted = _filter(task_type, origin, steps, learnability, solve_rate, text)
    with reading(find_run(run)) as db:
        if problems or has_only_problems(db):
            return _list_problems(list_problems(db, text, limit, offset), offset, as_json)
        page = list_tasks(db, wanted, sort, descending, limit, offset)
    if as_json:
        return print_json(page)
    from azr.browse.listing import print_page

    return print_page(page, offset)


@app.command()
def show(
    run: RunName,
    task_id: Annotated[int, typer.Argument(metavar="ID")],
    problems: ProblemsOption = False,
    as_json: AsJson = False,
) -> None:
    """One task: its program, where it came from, and every attempt on it; or one problem and every answer to it."""
    with reading(find_run(run)) as db:
        if problems or has_only_problems(db):
            return _show_problem(show_problem(db, task_id), as_json)
        detail = show_task(db, task_id)
    if as_json:
        return print_json(detail)
    from azr.browse.terminal import print_task

    return print_task(detail)


@app.command()
def rejected(
    run: RunName,
    reason: Annotated[str | None, typer.Option(help="Only this reason (`azr buffer stats` has them).")] = None,
    task_type: TypeOption = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="Most proposals to list.")] = 5,
    as_json: AsJson = False,
) -> None:
    """The newest proposals that did not become tasks, with the model's own text."""
    with reading(find_run(run)) as db:
        proposals = rejected_proposals(db, reason, task_type, limit)
    if as_json:
        return print_json(proposals)
    from azr.browse.terminal import print_rejected

    return print_rejected(proposals)


@app.command()
def export(
    run: RunName,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.")],
    kind: Annotated[
        ExportFormat | None, typer.Option("--format", help="By default by OUT's suffix: .parquet, else jsonl.")
    ] = None,
    task_type: TypeOption = None,
    origin: OriginOption = None,
    steps: StepsOption = None,
    learnability: LearnabilityOption = None,
    solve_rate: SolveRateOption = None,
    text: TextOption = None,
    attempts: Annotated[bool, typer.Option("--attempts", help="With every judged answer (not in seed files).")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the tasks that match into a file: JSON lines, Parquet, or the seed format that another run starts from.

    Example: azr buffer export quickstart seeds.jsonl --format seed --learnability 0.1:
    """
    wanted = _filter(task_type, origin, steps, learnability, solve_rate, text)
    kind = kind or (ExportFormat.PARQUET if out.suffix == ".parquet" else ExportFormat.JSONL)
    source = find_run(run)
    if source.folder.resolve() in out.resolve().parents:
        raise UserError(f"{out} lies in the run's own folder; choose a place outside it")
    with reading(source) as db:
        try:
            count = export_tasks(db, wanted, kind, out, attempts)
        except OSError as error:
            raise UserError(f"{out} can't be written: {error.strerror}") from None
    if as_json:
        print_json({"tasks": count, "format": kind, "file": str(out)})
    else:
        print(f"{count} tasks written to {out} ({kind})")


def _list_problems(page: ProblemPage, offset: int, as_json: bool) -> None:
    if as_json:
        return print_json(page)
    from azr.browse.listing import print_problems

    return print_problems(page, offset)


def _show_problem(detail: ProblemDetail, as_json: bool) -> None:
    if as_json:
        return print_json(detail)
    from azr.browse.terminal import print_problem

    return print_problem(detail)


def _filter(
    task_type: TaskType | None,
    origin: Origin | None,
    steps: str | None,
    learnability: str | None,
    solve_rate: str | None,
    text: str | None,
) -> TaskFilter:
    first, last = _bounds("--steps", steps, int)
    low, high = _bounds("--learnability", learnability, float)
    rarest, commonest = _bounds("--solve-rate", solve_rate, float)
    return TaskFilter(
        type=task_type,
        origin=origin,
        first_step=first,
        last_step=last,
        min_learnability=low,
        max_learnability=high,
        min_solve_rate=rarest,
        max_solve_rate=commonest,
        text=text,
    )


def _bounds(option: str, text: str | None, number: Callable[[str], Number]) -> tuple[Number | None, Number | None]:
    """(low, high) of "low:high", either side open; a single number is both."""
    if text is None:
        return None, None
    low, colon, high = text.partition(":")
    try:
        return number(low) if low else None, number(high if colon else low) if high or not colon else None
    except ValueError:
        raise UserError(f"{option} {text}: write LOW:HIGH, LOW: or :HIGH, with numbers") from None
