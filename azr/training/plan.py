"""`azr train --dry-run`: what a config would do on this machine, without doing it."""

from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Table

from azr.config.fields import Config, EngineChoice
from azr.config.settings import dump_config
from azr.errors import UserError
from azr.learner.formula import describe, estimators
from azr.methods.catalogue import rooms
from azr.planning.memory import plan_for
from azr.planning.told import print_memory
from azr.policy.device import resolve_device
from azr.policy.gguf_cache import find_gguf
from azr.policy.shape import read_shape
from azr.ranks import launched
from azr.rollout import choose_engine
from azr.training.checkpoint import checkpoints
from azr.training.disk import plan_disk
from azr.training.opening import check_update, newest_checkpoint, read_style
from azr.training.run import Run, refuse_occupied


def print_plan(config: Config, run: Run, resume: bool, console: Console | None = None) -> None:
    """Check everything that can be checked without loading the model, and print what a run would do and take.

    Raises UserError as a real run would.
    """
    if resume:
        newest_checkpoint(run, config)
    else:
        refuse_occupied(run)
    read_style(config)
    check_update(config)
    methods = [line for room in rooms(config) for line in room.plan(config)]
    shape = read_shape(config.model)
    out = console or Console(highlight=False)
    out.print(dump_config(config), style="dim", markup=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _rows(config, run, resume, methods):
        table.add_row(name, value)
    table.add_row("", str(plan_disk(config, shape, run)))  # told, not checked: the run may be another machine's
    out.print(table)
    memory = plan_for(config, shape, None, launched.size())
    print_memory(memory, out)
    memory.check()
    out.print("dry run: nothing was written, nothing was run")


def _rows(config: Config, run: Run, resume: bool, methods: list[tuple[str, str]]) -> list[tuple[str, str]]:
    start = f"resume after step {max((s for s, _ in checkpoints(run)), default=0)}" if resume else "new"
    asked = f"{config.probe.samples} answers each" if config.probe.samples > 1 else "greedy"
    probe = (
        f"every {config.probe.every} steps, {config.probe.problems} programs of {config.probe.data}"
        f" ({config.probe.half}), {asked}"
    )
    return [
        ("run", f"{run.folder} ({start}), steps up to {config.steps}"),
        ("model", _describe_model(config)),
        ("device", f"{resolve_device(config.model.device)} here"),
        ("engine", _describe_engine(config)),
        ("prompts", config.prompts.style),
        ("methods", ", ".join(config.methods)),
        *methods,
        ("update", f"{_describe_estimators(config)}, {_describe_pace(config)}"),
        *(("", line) for line in describe(config.learner)),
        ("probe", probe if config.probe.every else "never"),
        ("checkpoints", f"{_describe_saving(config)}, {config.checkpoint.keep or 'all'} kept"),
    ]


def _describe_estimators(config: Config) -> str:
    chosen = estimators(config.learner)
    names = set(chosen.values())
    return ", ".join(names if len(names) == 1 else (f"{role} {name}" for role, name in chosen.items()))


def _describe_saving(config: Config) -> str:
    every = config.checkpoint.every
    return f"every {every} steps" if every else "after the last step"


def _describe_pace(config: Config) -> str:
    learner = config.learner
    steps = f"{learner.minibatches} optimizer step{'s' if learner.minibatches > 1 else ''} a step"
    warmup = f" after {learner.warmup_steps or f'{100 * learner.warmup_share:g} %'} of warm-up"
    shape = f"{learner.schedule}{warmup if learner.warmup_steps or learner.warmup_share else ''}"
    return f"learning rate {learner.learning_rate:g} ({shape}), {steps}"


def _describe_model(config: Config) -> str:
    name = config.model.name
    lora = config.model.lora
    how = f"LoRA of rank {lora.rank}" if lora.rank else "every weight trained"
    if find_gguf(name) is not None:
        where = "a GGUF file that is installed"
    elif Path(name).expanduser().is_dir():
        where = "a folder"
    elif name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise UserError(f"model.name={name} is no folder, no installed package with a GGUF file, and no hub id")
    else:
        where = "from the hub"
    return f"{name} ({where}), {how}"


def _describe_engine(config: Config) -> str:
    choice = config.rollout.engine
    if choice is EngineChoice.VLLM and find_spec("vllm") is None:
        return "vllm, which is not installed here: `make vllm`"
    chosen = choose_engine(choice)
    return f"{choice}, which is {chosen} here" if choice is EngineChoice.AUTO else str(chosen)
