"""Opening a run: everything that must be there before the first step, in an order that leaves nothing half-made.

First what the config names is read, then the model is loaded, and only then is the run's folder written to.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from transformers.utils.logging import disable_progress_bar

from azr.buffer import TaskBuffer
from azr.config.fields import Config
from azr.config.settings import dump_config
from azr.errors import UserError
from azr.evaluation.judging.math_grader import MathGrader
from azr.evaluation.probe import load_probe
from azr.evaluation.probe_counts import rewind_looks
from azr.evaluation.small.known import Question
from azr.learner import Learner
from azr.learner.algorithms import ALGORITHMS
from azr.learner.formula import formula_of, learning_rates
from azr.learner.schedule import learning_rate_factor
from azr.learner.sharding import check_sharded
from azr.methods.catalogue import rooms
from azr.methods.method import Method, Seat
from azr.planning.machine import machine_here
from azr.planning.memory import plan_memory
from azr.policy.device import own_random_state
from azr.policy.model import Policy, load_policy, trained_weights
from azr.policy.shape import read_shape
from azr.ranks.group import ALONE, Ranks, check_card
from azr.ranks.leading import LeadingLearner, led_learner
from azr.rollout import open_engine
from azr.rollout.asking import Table
from azr.rollout.engine import Engine
from azr.rollout.gathering import GatheringEngine
from azr.rollout.tensor_parallel import check_ranks_share, check_tensor_parallel
from azr.seeds import derive_seed
from azr.training.checkpoint import checkpoints, read_learner_state, read_state, restore_random_state
from azr.training.disk import plan_disk
from azr.training.loop import Stopwatch
from azr.training.run import Run, hold, refuse_occupied, run_config, write_whole
from azr.training.telemetry import Telemetry, rewind_metrics
from azr.training.wants import wants
from sandbox import Sandbox, SandboxConfig
from tasks.prompts import Style, StyleError, load_style

EngineOpener = Callable[[Policy, Config], Engine]


@dataclass(frozen=True)
class Materials:
    """What is read before anything is written, so that a mistake leaves no half-made run behind."""

    style: Style
    probe: list[Question]
    openers: list[Callable[[Seat], Method]]


def gather(config: Config) -> Materials:
    """Read the style, the probe's problems and what the methods need. Raises UserError for what can't be had."""
    check_update(config)
    openers = [room.read(config) for room in rooms(config)]
    return Materials(read_style(config), load_probe(config.probe), openers)


def check_update(config: Config) -> None:
    """Raises UserError for an update, or for sampling, that the config can't have."""
    _check_row(config)
    check_tensor_parallel(config.rollout, config.model)
    formula_of(config.learner)
    learning_rate_factor(config.learner, optimizer_steps(config))
    wants(config)


def _check_row(config: Config) -> None:
    """A sample is never cut, so the longest one decides how much memory a micro-batch takes, whatever its budget."""
    longest = config.rollout.max_prompt_tokens + _longest_response(config)
    if longest > config.learner.max_batch_tokens:
        raise UserError(
            f"a prompt and its response may have {longest} tokens together, more than learner.max_batch_tokens="
            f"{config.learner.max_batch_tokens} has room for: raise it, or lower rollout.max_prompt_tokens"
            f" or the max_tokens of {', '.join(config.methods)}"
        )


def optimizer_steps(config: Config) -> int:
    """The most that a run makes."""
    updates = max(room.updates(config) for room in rooms(config))
    apart = len(set(learning_rates(config.learner).values())) - 1  # where both roles learn, an update is of two parts
    return config.steps * (updates + apart) * config.learner.minibatches


def read_style(config: Config) -> Style:
    """The prompts' style. Raises UserError where there is none of that name, or it can't be used."""
    try:
        return load_style(config.prompts.style)
    except StyleError as error:
        raise UserError(f"prompts.style={config.prompts.style}: {error}") from None


@dataclass(frozen=True)
class OpenRun:
    """A run with all its parts open. `done` steps of it lie behind."""

    config: Config
    run: Run
    materials: Materials
    telemetry: Telemetry
    buffer: TaskBuffer
    table: Table
    learner: Learner | LeadingLearner
    methods: list[Method]
    watch: Stopwatch
    done: int


def open_configured_engine(policy: Policy, config: Config) -> Engine:
    """The engine that the config names, with room for the longest prompt and response the run can ask for."""
    most = max(_longest_response(config), config.probe.max_tokens if config.probe.every else 0)
    return open_engine(policy, config.rollout, config.rollout.max_prompt_tokens + most)


@contextmanager
def open_for_training(
    config: Config,
    run: Run,
    resume: bool,
    open_engine: EngineOpener = open_configured_engine,
    ranks: Ranks = ALONE,
) -> Iterator[OpenRun]:
    """Start the run in `run`'s folder, or take it up where its newest checkpoint left it.

    `open_engine` is asked for the engine once the policy is loaded. Of several ranks this is the first.
    Raises UserError for what the user can mend; a run that could not start leaves no folder behind.
    """
    check_card(config.model.device, ranks)
    check_ranks_share(config.rollout, ranks)
    if config.learner.shard:
        check_sharded(config.learner, ranks)
    materials = gather(config)
    disable_progress_bar()  # transformers' own, which would cut through ours
    with hold(run), ExitStack() as stack:
        checkpoint = newest_checkpoint(run, config) if resume else None
        if not resume:
            refuse_occupied(run)
        _check_memory(config, ranks)
        plan_disk(config, read_shape(config.model), run).check()
        Console(highlight=False).print(f"loading {checkpoint or config.model.name}", soft_wrap=True)
        ranks.tell(config)
        table, learner = _open_table(config, materials.style, checkpoint, open_engine, ranks, stack)
        if checkpoint:
            restore_random_state(read_state(checkpoint))
        if resume:
            _rewind(run, checkpoint)
        else:
            _lay_out(run)
        write_whole(run.config, dump_config(config))
        buffer = TaskBuffer.open(run.buffer)
        stack.callback(buffer.close)
        telemetry = stack.enter_context(Telemetry(run))
        done = read_state(checkpoint).step if checkpoint else 0
        watch = Stopwatch(telemetry.phase)
        seat = Seat(table, buffer, watch.phase, telemetry.say, stack, wants(config))
        methods = [open_method(seat) for open_method in materials.openers]
        led = led_learner(learner, ranks)
        yield OpenRun(config, run, materials, telemetry, buffer, table, led, methods, watch, done)


@contextmanager
def open_served(
    config: Config, ranks: Ranks, open_engine: EngineOpener = open_configured_engine
) -> Iterator[tuple[Table, Learner]]:
    """What a rank that isn't the first works with, as the first has it. Raises UserError as the first does."""
    disable_progress_bar()
    with ExitStack() as stack:
        yield _open_table(config, read_style(config), None, open_engine, ranks, stack)


def _open_table(
    config: Config, style: Style, checkpoint: Path | None, open_engine: EngineOpener, ranks: Ranks, stack: ExitStack
) -> tuple[Table, Learner]:
    """What every rank has. The weights and the learner's state are rank 0's, which reads them from `checkpoint`."""
    policy = _load_policy(config, checkpoint and checkpoint / "model")
    ranks.spread(trained_weights(policy))
    sandbox = stack.enter_context(Sandbox(_sandbox_config(config, ranks)))
    grader = stack.enter_context(MathGrader())
    learner = _open_learner(policy, config, ranks)
    state = ranks.same(read_learner_state(checkpoint) if checkpoint else None)
    if state:
        learner.load_state_dict(state)
    engine = _open_warm_engine(policy, learner, config, open_engine)
    if config.learner.shard and not engine.has_weights:
        engine = GatheringEngine(engine, learner.gathered)
    stack.callback(engine.close)
    return Table(config, policy, engine, sandbox, style, grader, ranks), learner


def _load_policy(config: Config, saved: Path | None) -> Policy:
    torch.manual_seed(derive_seed(config.seed, "model"))
    return load_policy(config.model, saved, on_host=config.learner.shard)


def _open_warm_engine(policy: Policy, learner: Learner, config: Config, open_engine: EngineOpener) -> Engine:
    """The engine, after the learner has taken all the memory that it will ever need, where that can run out."""
    engine = open_engine(policy, config)
    if policy.device.type != "cpu":
        _warm_up(learner, engine, policy)
    return engine


def _open_learner(policy: Policy, config: Config, ranks: Ranks) -> Learner:
    """The learner, with what a KL term and a critic need: the starting weights once more, and once more to train."""
    frozen = critic = None
    with own_random_state(policy.device):
        if config.learner.kl.coefficient and not config.model.lora.rank:
            frozen = load_policy(config.model).base
        if ALGORITHMS[config.learner.estimator].critic:
            torch.manual_seed(derive_seed(config.seed, "critic"))
            critic = load_policy(config.model)
    longest = _longest_response(config)
    return Learner(policy, config.learner, config.model, longest, optimizer_steps(config), frozen, critic, ranks)


def _check_memory(config: Config, ranks: Ranks) -> None:
    """Raises UserError for a run that this machine's memory can't hold, where running out can't be caught later.

    A card says when it runs out, and `_warm_up` listens. On a processor the system kills the process instead.
    """
    machine = machine_here(config.model.device, ranks.here)
    if not machine.card:
        plan_memory(config, read_shape(config.model), machine, ranks.size).check()


def _warm_up(learner: Learner, engine: Engine, policy: Policy) -> None:
    """Let the learner take now what memory it will ever need, as in a step: while the engine rests."""
    engine.rest()
    learner.warm_up()
    engine.update_weights(policy.model)


def _lay_out(run: Run) -> None:
    """An empty buffer. The config is written after it, and makes the folder a run."""
    for leftover in run.folder.glob("buffer.sqlite*"):  # of a start that was killed
        leftover.unlink()
    TaskBuffer.create(run.buffer).close()


def newest_checkpoint(run: Run, config: Config) -> Path | None:
    """What a resume starts from; None where the run was stopped before its first checkpoint.

    Raises UserError where there is nothing to resume, or where the config is of another run.
    """
    if not run.config.is_file():
        raise UserError(f"nothing to resume: {run.folder} is not there; start it without --resume")
    _check_same_run(run, config)
    saved = checkpoints(run)
    return saved[-1][1] if saved else None


def _rewind(run: Run, checkpoint: Path | None) -> None:
    """Take buffer and metrics back to the checkpoint, or to before the first step.

    Raises UserError, before anything is dropped, where the buffer is another one than the checkpoint's.
    """
    state = read_state(checkpoint) if checkpoint else None
    step = state.step if state else 0
    buffer = TaskBuffer.open(run.buffer)
    try:
        # A checkpoint from before a table was there says nothing of it.
        if state and not state.buffer.items() <= buffer.position(step).items():
            raise UserError(f"{run.buffer} is not the buffer that checkpoint {checkpoint} was written with")
        buffer.rewind(step)
    finally:
        buffer.close()
    rewind_metrics(run.metrics, step)
    rewind_looks(run.probe, step)


def _check_same_run(run: Run, config: Config) -> None:
    before = run_config(run)
    fixed = [section for room in rooms(config) for section in room.fixed]
    for section in dict.fromkeys(("seed", "model", "prompts", "methods", *fixed)):
        if getattr(before, section) != getattr(config, section):
            raise UserError(
                f"{run.folder} was started with another {section}; resume it with `azr train {run.folder} --resume`,"
                " or start a new run (name=...)"
            )


def _longest_response(config: Config) -> int:
    return max(room.longest(config) for room in rooms(config))


def _sandbox_config(config: Config, ranks: Ranks) -> SandboxConfig:
    """Of this rank: with as many workers as it has cores of the machine, where the config has no number."""
    limits = config.sandbox
    workers = limits.workers or max(1, (os.cpu_count() or 1) // ranks.here)
    return SandboxConfig(workers=workers, timeout_s=limits.timeout_s, memory_mb=limits.memory_mb)
