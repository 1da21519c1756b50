"""`azr train --dry-run`: what a config would do on this machine, without doing it."""

import re
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.table import Table

from azr.config.fields import Config, EngineChoice, Precision
from azr.config.settings import dump_config
from azr.errors import UserError
from azr.learner.algorithms import ALGORITHMS
from azr.learner.formula import describe
from azr.methods.catalogue import rooms
from azr.policy.gguf_cache import find_gguf
from azr.policy.model import resolve_device
from azr.rollout import choose_engine
from azr.training.checkpoint import checkpoints
from azr.training.opening import check_update, read_style
from azr.training.run import Run, refuse_occupied

GIB = 2**30


def weights_gib(config: Config, parameters: float) -> float:
    """GiB for weights, gradients and AdamW's moments; activations and the engine's memory come on top.

    A parameter trained in full takes 16 bytes in fp32 (weight, gradient, two moments), and 4 more where the model
    itself is bf16. With LoRA, what counts is the frozen base. PPO's critic takes as much again, and a KL term a frozen
    copy where there is no adapter to switch off.
    """
    frozen = 2 if config.model.precision is Precision.BF16 else 4
    trained = frozen if config.model.lora.rank else 20 if config.model.precision is Precision.BF16 else 16
    models = 2 if ALGORITHMS[config.learner.estimator].critic else 1
    reference = frozen if config.learner.kl.coefficient and not config.model.lora.rank else 0
    return (models * trained + reference) * parameters / GIB


def print_plan(config: Config, run: Run, resume: bool, console: Console | None = None) -> None:
    """Check everything that can be checked without loading the model, and print what a run would do.

    Raises UserError as a real run would.
    """
    if not resume:
        refuse_occupied(run)
    read_style(config)
    check_update(config)
    methods = [line for room in rooms(config) for line in room.plan(config)]
    out = console or Console(highlight=False)
    out.print(dump_config(config), style="dim", markup=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _rows(config, run, resume, methods):
        table.add_row(name, value)
    out.print(table)
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
        ("update", f"{config.learner.estimator}, {_describe_pace(config)}"),
        *(("", line) for line in describe(config.learner)),
        ("probe", probe if config.probe.every else "never"),
        ("checkpoints", f"every {config.checkpoint.every} steps, {config.checkpoint.keep or 'all'} kept"),
    ]


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
    billions = _billions(name)
    size = f", some {weights_gib(config, billions * 1e9):.0f} GiB for weights and optimizer" if billions else ""
    if find_gguf(name) is not None:
        where = "a GGUF file that is installed"
    elif Path(name).expanduser().is_dir():
        where = "a folder"
    elif name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise UserError(f"model.name={name} is no folder, no installed package with a GGUF file, and no hub id")
    else:
        where = "from the hub, not looked up now"
    return f"{name} ({where}), {how}{size}"


def _billions(name: str) -> float | None:
    """The size that a model's name boasts of: "Qwen2.5-7B" is 7, "SmolLM2-135M" 0.135."""
    found = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z])", Path(name).name.lower())
    if not found:
        return None
    return float(found[1]) * (1.0 if found[2] == "b" else 1e-3)


def _describe_engine(config: Config) -> str:
    choice = config.rollout.engine
    if choice is EngineChoice.VLLM and find_spec("vllm") is None:
        return "vllm, which is not installed here: `make vllm`"
    chosen = choose_engine(choice)
    return f"{choice}, which is {chosen} here" if choice is EngineChoice.AUTO else str(chosen)
