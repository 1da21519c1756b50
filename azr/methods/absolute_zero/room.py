"""Self-play as the loop opens it: what it reads, and what a step of it asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from azr.buffer.seed_file import read_seed_files
from azr.config.fields import Config, TrainOn
from azr.methods.absolute_zero.selfplay import SelfPlay
from azr.methods.method import Method, Room, Seat
from tasks.triplet import Role


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What one step asks for, at most (fewer where proposals are invalid)."""

    proposals: int
    proposal_prompts: int
    estimates: int
    answers: int  # of all rounds

    @property
    def trained(self) -> int:
        """Rollouts that the learner sees."""
        return self.proposals + self.answers


def plan_step(config: Config) -> StepPlan:
    """The counts of one step that proposes, over all its task types."""
    types = len(config.propose.types)
    prompts = -(-config.propose.batch // config.propose.samples_per_prompt)
    tasks = types * config.solver.batch * config.solver.rounds
    if config.solver.train_on is TrainOn.ESTIMATE:
        estimates, answers = 0, tasks * config.solver.estimate_samples
    else:
        estimates = types * config.propose.batch * config.solver.estimate_samples
        answers = tasks * config.solver.samples_per_task
    return StepPlan(types * config.propose.batch, types * prompts, estimates, answers)


def plan(config: Config) -> list[tuple[str, str]]:
    """What seeding and a step do at most. Raises UserError for a seed file that is missing or broken."""
    step, seeds = plan_step(config), len(read_seed_files(config.seeding.files))
    per_prompt = config.propose.samples_per_prompt
    wanted = config.propose.batch * config.seeding.factor
    estimated = f"{step.estimates} answers estimate learnability, " if step.estimates else ""
    tokens = step.proposals * config.propose.max_tokens + (step.estimates + step.answers) * config.solver.max_tokens
    return [
        ("seeding", f"until each type holds {wanted} tasks" + (f", from {seeds} in files" if seeds else "")),
        *_warm_up(config),
        ("a step", f"{step.proposals} proposals behind {step.proposal_prompts} prompts ({per_prompt} each)"),
        ("", f"{estimated}{step.answers} answers train the solver{_rounds(config)}"),
        ("", f"{step.trained} rollouts to the learner, {tokens:,} new tokens at the very most"),
        ("panel", _describe_panel(config)),
    ]


def read(config: Config) -> Callable[[Seat], Method]:
    """The seed files. Raises UserError where one is missing or broken."""
    return partial(SelfPlay, seeds=read_seed_files(config.seeding.files))


def _warm_up(config: Config) -> list[tuple[str, str]]:
    steps = config.propose.warmup_steps
    return [("warm-up", f"{steps} steps in which the proposer alone learns, paid for valid tasks")] if steps else []


def _rounds(config: Config) -> str:
    if config.solver.rounds == 1:
        return ""
    return f" in {config.solver.rounds} updates, {len(config.propose.types) * config.solver.batch} tasks each"


def _describe_panel(config: Config) -> str:
    panel = config.panel
    if not panel.every:
        return "none"
    tasks = len(config.propose.types) * panel.tasks
    return f"every {panel.every} steps, {tasks} of the first tasks, {panel.samples} answers each"


ROOM = Room(
    read=read,
    plan=plan,
    longest=lambda config: max(config.propose.max_tokens, config.solver.max_tokens),
    updates=lambda config: config.solver.rounds,
    fixed=("propose", "seeding"),
    baselines=(Role.SOLVE,),  # a greedy proposal would have to be estimated as the others are, and trains nothing
)
