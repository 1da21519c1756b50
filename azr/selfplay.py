"""One step of self-play, and the seeding before the first.

    propose → validate → estimate learnability → solve → reward → advantage → update → hand over weights → store

The algorithm is Absolute Zero (Zhao et al. 2025, arXiv 2505.03335), section 3.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import chain
from statistics import fmean

from azr.buffer import Origin, TaskBuffer, TaskRow
from azr.config import TrainOn
from azr.errors import UserError
from azr.learner import Learner, Outcome, Sample
from azr.learner.sampling import overlong_penalty
from azr.practice import Practice, Source
from azr.record import Exercise, Invented, Rollout, StepRecord, store_seeds, store_step
from azr.roles import Answer, Proposed, Table, propose, solve
from azr.seeds import stream
from azr.telemetry import Advance
from tasks.reward import proposer_reward, solver_reward
from tasks.triplet import Role, TaskType, Triplet, Verdict

Phase = Callable[[str, int], AbstractContextManager[Advance]]

IDENTITY = "def f(x):\n    return x"
IDENTITY_INPUT = "'Hello World'"


class SelfPlay:
    """The loop's body. `phase(name, total)` opens a progress bar and yields the function that advances it."""

    def __init__(self, table: Table, learner: Learner, buffer: TaskBuffer, phase: Phase) -> None:
        self._table = table
        self._config = table.config
        self._learner = learner
        self._buffer = buffer
        self._phase = phase
        self._practice = Practice(table.config, buffer)
        self._seconds: dict[str, float] = {}

    def step(self, number: int) -> StepRecord:
        """Propose, solve and learn, then solve and learn solver.rounds - 1 times more, and store it all.

        `number` counts from 1.
        """
        began = time.perf_counter()
        self._seconds = {}
        proposed = self._propose(number) if self._proposes(number) else []
        invented, exercises = self._exercise(number, proposed)
        rollouts = [*self._proposer_rollouts(proposed, invented), *self._solver_rollouts(exercises)]
        updates = [self._learn(rollouts)]
        self._note_stored(exercises)
        for turn in range(2, self._config.solver.rounds + 1):
            again = self._exercise_again(number, turn, invented, exercises)
            practised = list(self._solver_rollouts(again, len(exercises)))
            updates.append(self._learn(practised))
            self._note_stored(again)
            exercises += again
            rollouts += practised
        record = StepRecord(number, proposed, invented, exercises, rollouts, _together(updates), self._seconds)
        with self._timed("store"):
            self._note_new(record, store_step(self._buffer, record))
        self._seconds["total"] = time.perf_counter() - began
        return record

    def seed_round(self) -> bool:
        """One round of proposals without training, for the types whose buffers are short (section 3.3.1).

        Returns whether every type has its propose.batch × seeding.factor tasks, so that training can begin. Starts from
        the identity function. Raises UserError where seeding.max_rounds were not enough.
        """
        self._store_identity()
        wanted = self._config.propose.batch * self._config.seeding.factor
        types = self._config.propose.types
        short = [task_type for task_type in types if self._buffer.counts()[task_type] < wanted]
        if short:
            self._check_patience(wanted)
            store_seeds(self._buffer, self._propose_seeds(dict.fromkeys(short, self._config.propose.batch)))
        return all(self._buffer.counts()[task_type] >= wanted for task_type in types)

    def _check_patience(self, wanted: int) -> None:
        if self._buffer.seed_rounds() < self._config.seeding.max_rounds:
            return
        held = ", ".join(f"{count} {task_type}" for task_type, count in self._buffer.counts().items())
        raise UserError(
            f"after {self._config.seeding.max_rounds} rounds of seeding the buffer holds {held} tasks of the {wanted}"
            " wanted; this model writes too few valid tasks in this style: try prompts.style=completion, a lower"
            " rollout.temperature, seeding.files=[...] or a smaller seeding.factor"
        )

    def _proposes(self, number: int) -> bool:
        return self._config.propose.until is None or number <= self._config.propose.until

    def _propose(self, number: int) -> list[Proposed]:
        batch = dict.fromkeys(self._config.propose.types, self._config.propose.batch)
        with self._timed("propose"), self._phase("propose", sum(batch.values())) as advance:
            return propose(self._table, self._buffer, batch, ("step", number, "propose"), advance)

    def _propose_seeds(self, batch: dict[TaskType, int]) -> list[Proposed]:
        number = self._buffer.seed_rounds() + 1
        with self._phase(f"seed, round {number}", sum(batch.values())) as advance:
            return propose(self._table, self._buffer, batch, ("seed", number), advance)

    def _exercise(self, number: int, proposed: Sequence[Proposed]) -> tuple[list[Invented], list[Exercise]]:
        valid = [(i, p.outcome) for i, p in enumerate(proposed) if isinstance(p.outcome, Triplet)]
        if self._config.solver.train_on is TrainOn.ESTIMATE:
            return self._exercise_on_estimates(number, valid)
        return self._exercise_afresh(number, valid)

    def _exercise_afresh(
        self, number: int, valid: Sequence[tuple[int, Triplet]]
    ) -> tuple[list[Invented], list[Exercise]]:
        """The paper's way: Monte Carlo answers pay the proposer, newly sampled ones train the solver."""
        triplets = [triplet for _, triplet in valid]
        estimates = self._solve("estimate", number, triplets, self._config.solver.estimate_samples)
        invented = [Invented(i, triplet, answers) for (i, triplet), answers in zip(valid, estimates, strict=True)]
        sources = self._first_round(number, valid)
        answers = self._solve("solve", number, [s.triplet for s in sources], self._config.solver.samples_per_task)
        return invented, _exercises(sources, answers)

    def _exercise_on_estimates(
        self, number: int, valid: Sequence[tuple[int, Triplet]]
    ) -> tuple[list[Invented], list[Exercise]]:
        """The Monte Carlo answers train the solver too: one phase of generation less."""
        sources = self._first_round(number, valid)
        stored = [source for source in sources if source.stored is not None]
        tasks = [triplet for _, triplet in valid] + [source.triplet for source in stored]
        answers = self._solve("solve", number, tasks, self._config.solver.estimate_samples)
        invented = [Invented(i, triplet, answers[at]) for at, (i, triplet) in enumerate(valid)]
        by_proposal = {task.proposal: task.estimate for task in invented}
        own = [source for source in sources if source.proposal is not None]
        given = [by_proposal[source.proposal] for source in own if source.proposal is not None]
        return invented, _exercises([*own, *stored], [*given, *answers[len(valid) :]])

    def _exercise_again(
        self, number: int, turn: int, invented: Sequence[Invented], exercises: Sequence[Exercise]
    ) -> list[Exercise]:
        """A later round: old tasks, and those that this step invented."""
        fresh = [(Source(task.triplet, proposal=task.proposal), _verdicts_on(task, exercises)) for task in invented]
        sources = self._practice.later_round(fresh, partial(stream, self._config.seed, "step", number, "round", turn))
        reuses = self._config.solver.train_on is TrainOn.ESTIMATE
        samples = self._config.solver.estimate_samples if reuses else self._config.solver.samples_per_task
        answers = self._solve("solve", number, [source.triplet for source in sources], samples, "round", turn)
        return _exercises(sources, answers)

    def _first_round(self, number: int, valid: Sequence[tuple[int, Triplet]]) -> list[Source]:
        fresh = [Source(triplet, proposal=index) for index, triplet in valid]
        return self._practice.first_round(fresh, partial(stream, self._config.seed, "step", number))

    def _note_stored(self, exercises: Sequence[Exercise]) -> None:
        for exercise in exercises:
            if exercise.stored is not None:
                self._practice.note(exercise.stored, [answer.verdict for answer in exercise.answers])

    def _note_new(self, record: StepRecord, task_ids: Mapping[int, int]) -> None:
        for task in record.invented:
            self._practice.note(task_ids[task.proposal], _verdicts_on(task, record.exercises))

    def _solve(
        self, phase: str, number: int, tasks: Sequence[Triplet], samples: int, *turn: str | int
    ) -> list[list[Answer]]:
        with self._timed(phase), self._phase(phase, len(tasks) * samples) as advance:
            return solve(self._table, tasks, samples, ("step", number, phase, *turn), advance)

    def _proposer_rollouts(self, proposed: Sequence[Proposed], invented: Sequence[Invented]) -> Iterator[Rollout]:
        estimates = {task.proposal: task.estimate for task in invented}
        temperature = self._config.propose.temperature or self._config.rollout.temperature
        for index, proposal in enumerate(proposed):
            verdicts = [answer.verdict for answer in estimates.get(index, ())]
            yield Rollout(
                Role.PROPOSE,
                proposal.type,
                (Role.PROPOSE, proposal.prompt),
                proposal.prompt_ids,
                proposal.completion.token_ids,
                proposal.completion.logprobs,
                temperature,
                proposer_reward(proposal.outcome, verdicts),
            )

    def _solver_rollouts(self, exercises: Sequence[Exercise], first: int = 0) -> Iterator[Rollout]:
        """`first`: how many exercises of the step came before."""
        temperature = self._config.solver.temperature or self._config.rollout.temperature
        for number, exercise in enumerate(exercises, first):
            penalty = self._config.solver.copy_penalty if _any_right(exercise.answers) else 0.0
            for answer in exercise.answers:
                yield Rollout(
                    Role.SOLVE,
                    exercise.triplet.type,
                    (Role.SOLVE, number),
                    answer.prompt_ids,
                    answer.completion.token_ids,
                    answer.completion.logprobs,
                    temperature,
                    solver_reward(answer.verdict),
                    penalty if _is_wrong_copy(answer) else 0.0,
                )

    def _learn(self, rollouts: Sequence[Rollout]) -> dict[str, float]:
        samples = self._learner.credit(
            [
                Sample(rollout.prompt_ids, rollout.response_ids, rollout.logprobs, 0.0, rollout.temperature)
                for rollout in rollouts
            ],
            [
                Outcome(self._shaped(rollout), (rollout.role, rollout.type), rollout.group, rollout.role)
                for rollout in rollouts
            ],
        )
        with self._timed("learn"), self._phase("learn", len(samples)) as advance:
            done = 0

            def on_progress(tokens: int, total: int) -> None:
                nonlocal done
                advance(tokens - done, total)
                done = tokens

            update = self._learner.step(samples, on_progress)
        with self._timed("sync"):
            self._table.engine.update_weights(self._table.policy.model)
        return update

    def _shaped(self, rollout: Rollout) -> float:
        """The reward, less what the config takes off: for repeating the question, and DAPO's for a long response."""
        reward = rollout.reward - rollout.penalty
        buffer = self._config.learner.overlong_buffer
        if not buffer:
            return reward
        section = self._config.propose if rollout.role is Role.PROPOSE else self._config.solver
        return reward + overlong_penalty(len(rollout.response_ids), section.max_tokens, buffer)

    def _store_identity(self) -> None:
        """The one task that is given: the identity function (section 3.3.1)."""
        with self._buffer.transaction():
            for task_type in (TaskType.DEDUCTION, TaskType.ABDUCTION):
                if task_type in self._config.propose.types and not self._buffer.counts()[task_type]:
                    triplet = Triplet(task_type, IDENTITY, (IDENTITY_INPUT,), (IDENTITY_INPUT,))
                    self._buffer.add_task(TaskRow(0, triplet, Origin.IDENTITY))

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._seconds[phase] = self._seconds.get(phase, 0.0) + time.perf_counter() - began


def _exercises(sources: Sequence[Source], answers: Sequence[list[Answer]]) -> list[Exercise]:
    return [
        Exercise(source.triplet, given, source.proposal, source.stored)
        for source, given in zip(sources, answers, strict=True)
    ]


def _any_right(answers: Sequence[Answer]) -> bool:
    return any(answer.verdict is Verdict.RIGHT for answer in answers)


def _is_wrong_copy(answer: Answer) -> bool:
    return answer.repeats and answer.verdict is Verdict.WRONG


def _verdicts_on(task: Invented, exercises: Sequence[Exercise]) -> list[Verdict]:
    """On every answer of the step to a task that it invented, in the order in which they are stored."""
    trained = [exercise.answers for exercise in exercises if exercise.proposal == task.proposal]
    estimates = [] if any(answers is task.estimate for answers in trained) else [task.estimate]
    return [answer.verdict for answers in (*estimates, *trained) for answer in answers]


_TOTALS = ("samples", "dropped_samples", "micro_batches", "tokens_real", "tokens_computed", "seconds")


def _together(updates: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """A step's updates as one: sums of what is counted, means of the rest, each over the updates that have it."""
    merged = {}
    for name in dict.fromkeys(chain.from_iterable(updates)):
        values = [update[name] for update in updates if name in update]
        merged[name] = sum(values) if name in _TOTALS else fmean(values)
    return merged
