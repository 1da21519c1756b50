"""RLVR and TTRL as the loop opens them: one method, with a section of the config for each name."""

from collections.abc import Callable, Sequence
from functools import partial

from azr.config.fields import Config, Label, LookConfig, ProblemsConfig
from azr.errors import UserError
from azr.methods.method import Method, Room, Seat
from azr.methods.problems.labels import WANT_SPREADS
from azr.methods.problems.play import ProblemPlay
from azr.problems.ballots import ballot_for
from azr.problems.given import Given
from azr.problems.sources import read_problems
from tasks.triplet import Role


def problems_room(name: str) -> Room:
    """The room of the method whose section of the config has its own name."""
    return Room(
        read=partial(_read, name),
        plan=partial(_plan, name),
        longest=lambda config: _settings(name, config).max_tokens,
        fixed=(name,),
        baselines=tuple(Role),  # of proposals it has none
        refills=True,
    )


def _settings(name: str, config: Config) -> ProblemsConfig:
    settings: ProblemsConfig = getattr(config, name)
    return settings


def _read(name: str, config: Config) -> Callable[[Seat], Method]:
    settings = _settings(name, config)
    if config.learner.shard and settings.label in WANT_SPREADS:
        raise UserError(
            f"{name}.label={settings.label} asks a whole policy, which learner.shard=true leaves to no rank"
        )
    look = settings.look
    beside = settings.sources
    looked = read_problems(look.sources, settings.data, beside=beside, limit=look.limit) if look.every else []
    return partial(ProblemPlay, name=name, settings=settings, problems=_problems(name, settings), looked=looked)


def _problems(name: str, settings: ProblemsConfig) -> list[Given]:
    """The problems. Raises UserError where there are none, or where the label can't be had for them."""
    if not settings.sources:
        raise UserError(f"{name}.sources names no problems: give benchmarks, files or runs ({name}.sources=[aime24])")
    problems = read_problems(
        settings.sources, settings.data, beside=settings.look.sources, answers=settings.answers, limit=settings.limit
    )
    if len(problems) < settings.batch:
        raise UserError(f"{name}: {len(problems)} problems are fewer than {name}.batch={settings.batch}")
    if settings.label is Label.TRUTH and any(problem.answer is None for problem in problems):
        raise UserError(f"{name}.label=truth, but the answers to some of {', '.join(settings.sources)} are not known")
    if settings.label is Label.MAJORITY and any(ballot_for(problem.check) is None for problem in problems):
        raise UserError(f"{name}.label=majority, but answers to {', '.join(settings.sources)} can't be compared")
    return problems


def _describe_look(look: LookConfig) -> str:
    what = ", ".join(look.sources) or "the same problems"
    return f"every {look.every} steps {look.samples} answers to {what} at temperature {look.temperature:g}"


def _plan(name: str, config: Config) -> Sequence[tuple[str, str]]:
    settings = _settings(name, config)
    problems = _problems(name, settings)
    known = sum(problem.answer is not None for problem in problems)
    trained = min(settings.trained or settings.votes, settings.votes)
    passes = config.steps * settings.batch / len(problems)
    tokens = settings.batch * settings.votes * settings.max_tokens
    return [
        (name, f"{len(problems)} problems ({known} with their answers), paid by {settings.label}"),
        ("", f"{settings.batch} a step, {settings.votes} answers each, {trained} of them train; {passes:.1f} passes"),
        ("", f"{tokens:,} new tokens a step at the very most"),
        *([("", _describe_look(settings.look))] if settings.look.every else []),
    ]
