"""How a buffer looks in a terminal: 80 columns are enough, and what is piped has no colour and no frames."""

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from azr.browse.folders import RunState, RunSummary
from azr.browse.listing import visible
from azr.browse.problems import AnswerRecord, ProblemDetail, ProblemFigures
from azr.browse.statistics import BufferStatistics, Figures
from azr.browse.tasks import AttemptRecord, ProposalRecord, TaskDetail

_VERDICT_STYLE = {"right": "green", "wrong": "red", "unparsed": "yellow"}
_STATE_STYLE = {RunState.RUNNING: "green", RunState.FINISHED: "bold", RunState.STOPPED: "yellow"}


def print_statistics(statistics: BufferStatistics) -> None:
    """The figures as three tables: by type, why proposals were rejected, over the steps."""
    console = _console()
    total = statistics.total
    console.print(
        f"{total.tasks:,} tasks, {total.distinct:,} distinct programs;"
        f" {total.proposals:,} proposals, {statistics.attempts:,} judged answers"
    )
    if statistics.problems:
        console.print(_problem_table(statistics.problems))
    if not total.tasks and not total.proposals:
        return
    by_type = _table("type", right=("tasks", "valid", "learnab.", "solved", "lines", "branches", "distinct"))
    for name, figures in statistics.by_type.items():
        by_type.add_row(name, f"{figures.tasks:,}", *_means(figures), f"{figures.distinct:,}")
    console.print(by_type)
    if total.rejected:
        types = list(statistics.by_type)
        reasons = _table("rejected because", right=("all", *types))
        for reason, count in total.rejected.items():
            each = (statistics.by_type[name].rejected.get(reason, 0) for name in types)
            reasons.add_row(reason, f"{count:,}", *(f"{number:,}" for number in each))
        console.print(reasons)
    by_step = _table("steps", right=("tasks", "valid", "learnab.", "solved", "lines", "branches", "new", "programs"))
    for row in statistics.by_step:
        steps = "seeding" if row.last == 0 else f"{row.first}" if row.first == row.last else f"{row.first}-{row.last}"
        by_step.add_row(
            steps, f"{row.figures.tasks:,}", *_means(row.figures), _percent(row.figures.novelty), f"{row.programs:,}"
        )
    console.print(by_step)
    console.print(
        "valid: of the proposals; learnab., solved: mean of the Monte Carlo estimates; new: tasks whose program no"
        " earlier task had",
        style="dim",
    )


def print_task(detail: TaskDetail) -> None:
    """Everything about one task."""
    console = _console()
    task = detail.summary
    console.print(f"task {task.id}: {task.type}, from {task.origin}, step {task.step}", style="bold")
    console.print(
        f"learnability {_number(task.learnability)}, solved {_percent(task.solve_rate)};"
        f" {task.lines} lines, {task.branches} branches"
    )
    _heading(console, "program")
    program = visible(task.program)
    if console.is_terminal:
        from rich.syntax import Syntax  # loads Pygments

        console.print(Syntax(program, "python", theme="ansi_dark", background_color="default", word_wrap=True))
    else:
        _print_plain(console, program)
    for number, (arguments, output) in enumerate(zip(detail.inputs, detail.outputs, strict=True)):
        held_out = task.type == "induction" and number >= len(detail.inputs) // 2
        _print_plain(console, f"f({visible(arguments)}) == {visible(output)}{'   (held out)' if held_out else ''}")
    if detail.message:
        _heading(console, "message")
        _print_plain(console, visible(detail.message))
    if detail.proposal is not None:
        _heading(console, "proposed")
        _print_proposal(console, detail.proposal)
    for attempt in detail.attempts:
        _print_attempt(console, attempt)


def print_problem(detail: ProblemDetail) -> None:
    """Everything about one problem that was given."""
    console = _console()
    one = detail.summary
    level = f", level {visible(one.level)}" if one.level else ""
    console.print(f"problem {one.id}: {one.method}, {visible(one.key)}{level}", style="bold", markup=False)
    right = "nobody knows how many are right" if one.right is None else f"{one.right:.0%} right"
    console.print(f"asked in {one.times} steps, {one.answers} answers: {right}, {one.agreed:.0%} of the label")
    _heading(console, "question")
    _print_plain(console, visible(one.question))
    console.print(f"answer: {'not known' if detail.answer is None else visible(detail.answer)}", markup=False)
    for answer in detail.answers:
        _print_answer(console, answer)


def print_rejected(proposals: list[ProposalRecord]) -> None:
    """Proposals that did not become tasks, newest first."""
    console = _console()
    if not proposals:
        console.print("no such proposal")
    for proposal in proposals:
        _heading(console, f"{proposal.type}, step {proposal.step}: {proposal.rejection}", style="red")
        _print_plain(console, visible(proposal.detail or ""))
        _print_proposal(console, proposal)


def print_runs(runs: list[RunSummary]) -> None:
    """The runs, a line each."""
    console = _console()
    if not runs:
        console.print("no runs yet; `azr train configs/quickstart.yaml` starts the first")
        return
    names = sorted({name for run in runs for name in run.scores})
    table = _table("run", left=("model", "state"), more_right=("step", *(n.removeprefix("probe/") for n in names)))
    for run in runs:
        state = Text(run.state, style=_STATE_STYLE[run.state])
        scores = (_percent(run.scores.get(name)) for name in names)
        table.add_row(run.name, run.model, state, f"{run.step}/{run.steps}", *scores)
    console.print(table)


def _print_proposal(console: Console, proposal: ProposalRecord) -> None:
    shown = f"shown tasks {', '.join(map(str, proposal.refs))}" if proposal.refs else "shown no tasks"
    reward = "no reward (seeding)" if proposal.reward is None else f"reward {proposal.reward:+.2f}"
    cut = ", cut off at the token limit" if proposal.truncated else ""
    console.print(f"step {proposal.step}, {shown}; {reward}, {proposal.tokens} tokens{cut}", style="dim")
    _print_plain(console, visible(proposal.text))


def _print_attempt(console: Console, attempt: AttemptRecord) -> None:
    cut = ", cut off at the token limit" if attempt.truncated else ""
    _heading(
        console,
        f"attempt {attempt.id}: {attempt.verdict} ({attempt.purpose}, step {attempt.step},"
        f" reward {attempt.reward:+.2f}, {attempt.tokens} tokens{cut})",
        style=_VERDICT_STYLE.get(attempt.verdict, ""),
    )
    console.print(f"answer: {'none' if attempt.answer is None else visible(attempt.answer)}", markup=False)
    _print_plain(console, visible(attempt.text))


def _print_answer(console: Console, answer: AnswerRecord) -> None:
    vote = "did not vote" if answer.cluster is None else f"cluster {answer.cluster}"
    facts = [
        f"step {answer.step}",
        f"{vote}{', the label' if answer.label else ''}",
        f"reward {answer.reward:+.2f}",
        "trained" if answer.trained else "voted alone",
        f"{answer.tokens} tokens{', cut off at the token limit' if answer.truncated else ''}",
    ]
    title = f"answer {answer.id}: {answer.verdict or 'not judged'} ({'; '.join(facts)})"
    _heading(console, title, style=_VERDICT_STYLE.get(answer.verdict or "", ""))
    console.print(f"answer: {'none' if answer.answer is None else visible(answer.answer)}", markup=False)
    _print_plain(console, visible(answer.text))


def _problem_table(figures: tuple[ProblemFigures, ...]) -> Table:
    table = _table("method", right=("problems", "answers", "trained", "right", "agreed", "tokens"))
    for one in figures:
        right = "?" if one.right is None else f"{one.right:.0%}"
        counts = (f"{one.problems:,}", f"{one.answers:,}", f"{one.trained:,}")
        table.add_row(one.method, *counts, right, f"{one.agreed:.0%}", f"{one.tokens:.0f}")
    return table


def _console() -> Console:
    return Console(highlight=False)


def _heading(console: Console, title: str, style: str = "bold") -> None:
    console.print()
    console.print(title, style=style, markup=False)


def _print_plain(console: Console, text: str) -> None:
    """Text as it is: no markup, and no line broken where it is piped."""
    console.print(text, markup=False, soft_wrap=True)


def _table(
    first: str | None = None, right: tuple[str, ...] = (), left: tuple[str, ...] = (), more_right: tuple[str, ...] = ()
) -> Table:
    """A table without frames; `first`, then columns set right, left and right again."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", title_justify="left")
    if first is not None:
        table.add_column(first)
    columns: list[tuple[JustifyMethod, tuple[str, ...]]] = [("right", right), ("left", left), ("right", more_right)]
    for justify, names in columns:
        for name in names:
            table.add_column(name, justify=justify, no_wrap=True)
    return table


def _means(figures: Figures) -> tuple[str, str, str, str, str]:
    return (
        _percent(figures.valid_share),
        _number(figures.learnability),
        _percent(figures.solve_rate),
        _number(figures.lines, 1),
        _number(figures.branches, 1),
    )


def _number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
