"""One step of self-play, and the seeding before the first.

    propose → validate → estimate learnability → solve → reward

The algorithm is Absolute Zero (Zhao et al. 2025, arXiv 2505.03335), section 3. What is made of the rewards is the
loop's (azr/training/loop.py). Tasks and answers are stored when the step ends.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from azr.buffer import Origin, TaskBuffer, TaskRow
from azr.buffer.seed_file import store_seed_tasks
from azr.config.fields import TrainOn
from azr.errors import UserError
from azr.methods.absolute_zero.panel import ask_panel, choose_panel
from azr.methods.absolute_zero.practice import Practice, Source
from azr.methods.absolute_zero.proposing import Proposed, propose
from azr.methods.absolute_zero.record import Exercise, Invented, StepRecord, earned, store_seeds, store_step
from azr.methods.absolute_zero.step_metrics import cut_shares, step_line, step_line_key, step_metrics, tokens_generated
from azr.methods.method import Play, Rollout, Seat, Stop
from azr.rollout.asking import Answer, Exam, solve, solve_together
from azr.seeds import stream
from tasks.reward import solver_reward
from tasks.triplet import Proposal, Role, TaskType, Triplet, Verdict

IDENTITY = "def f(x):\n    return x"
IDENTITY_INPUT = "'Hello World'"


class SelfPlay:
    """The method (azr/methods/method.py). `seeds` are the tasks of the seed files; `record` is the newest step's."""

    looks = "panel/"

    def __init__(self, seat: Seat, seeds: Sequence[Proposal] = ()) -> None:
        self._table = seat.table
        self._config = seat.table.config
        self._buffer = seat.buffer
        self._phase = seat.phase
        self._say = seat.say
        self._wants_greedy = seat.wants[Role.SOLVE].baseline
        self._seeds = seeds
        self._practice = Practice(self._config, seat.buffer)
        self._panel: list[Triplet] = []
        self.legend = step_line_key(self._config.propose.types)
        self.record: StepRecord | None = None

    def prepare(self, done: int, stop: Stop) -> bool:
        """Fill the buffers before the first step, and choose the panel from what is there then."""
        if not done and not self._seed(stop):
            return False
        self._panel = choose_panel(self._config, self._buffer)
        return True

    def play(self, number: int) -> Iterator[Play]:
        """Propose and solve, then solve solver.rounds - 1 times more; the last play stores it all.

        In the first propose.warmup_steps steps only propose.
        """
        proposed = self._propose(number) if self._proposes(number) else []
        if proposed and number <= self._config.propose.warmup_steps:
            yield self._whole(StepRecord(number, proposed, [], [], list(self._proposer_rollouts(number, proposed))))
            return
        invented, exercises = self._exercise(number, proposed)
        exercises = self._with_greedy(number, 1, exercises)
        rollouts = [*self._proposer_rollouts(number, proposed, invented), *self._solver_rollouts(exercises)]
        newest, played = list(rollouts), list(exercises)
        for turn in range(2, self._config.solver.rounds + 1):
            yield Play(newest)
            self._note_stored(played)
            played = self._with_greedy(number, turn, self._exercise_again(number, turn, invented, exercises))
            newest = list(self._solver_rollouts(played, len(exercises)))
            exercises += played
            rollouts += newest
        record = StepRecord(number, proposed, invented, exercises, rollouts)
        yield replace(self._whole(record), rollouts=newest)
        self._note_stored(played)

    def look(self, number: int) -> Mapping[str, float]:
        """The panel, where it is due."""
        every = self._config.panel.every
        if not self._panel or (number % every and number != self._config.steps):
            return {}
        with self._phase("panel", len(self._panel) * self._config.panel.samples) as advance:
            metrics = ask_panel(self._table, self._panel, advance)
        rates = [(name.split("/")[2], rate) for name, rate in metrics.items() if name.startswith("panel/rate/")]
        kinds = ", ".join(f"{kind} {rate:.0%}" for kind, rate in rates)
        copies = f"; {metrics['panel/copies']:.0%} repeat the question" if "panel/copies" in metrics else ""
        when = f"after step {number}" if number else "before training"
        self._say(f"panel {when}: {metrics['panel/rate']:.0%} of its answers are right ({kinds}){copies}")
        return metrics

    def _seed(self, stop: Stop) -> bool:
        """Fill the buffers; False where it was stopped between rounds."""
        if self._seeds and not any(self._buffer.counts().values()):
            with self._phase("seed files", len(self._seeds)) as advance:
                seeded = store_seed_tasks(self._buffer, self._table.sandbox, list(self._seeds), advance)
            refused = ", ".join(f"{count} {reason}" for reason, count in seeded.refused.items())
            self._say(f"seed files: {seeded.kept} tasks kept" + (f", refused: {refused}" if refused else ""))
        ready = False
        while not ready:
            if stop():
                return False
            ready = self.seed_round()
            counts = self._buffer.counts()
            wanted = self._config.propose.batch * self._config.seeding.factor
            held = ", ".join(f"{counts[task_type]} {task_type}" for task_type in self._config.propose.types)
            self._say(f"seed round {self._buffer.seed_rounds()}: the buffer holds {held} (each wants {wanted})")
        return True

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
        with self._phase("propose", sum(batch.values())) as advance:
            purpose = ("step", number, "propose")
            return propose(self._table, self._buffer, batch, purpose, self._proposer_temperature(number), advance)

    def _propose_seeds(self, batch: dict[TaskType, int]) -> list[Proposed]:
        number = self._buffer.seed_rounds() + 1
        with self._phase(f"seed, round {number}", sum(batch.values())) as advance:
            return propose(self._table, self._buffer, batch, ("seed", number), self._proposer_temperature(0), advance)

    def _proposer_temperature(self, step: int) -> float:
        """Of the proposals of a step, 0 for the seeding: from warmup_temperature to temperature over the warm-up."""
        config = self._config.propose
        last = config.temperature or self._config.rollout.temperature
        first = last if config.warmup_temperature is None else config.warmup_temperature
        done = min(step / max(config.warmup_steps, 1), 1.0)
        return (1 - done) * first + done * last

    def _exercise(self, number: int, proposed: Sequence[Proposed]) -> tuple[list[Invented], list[Exercise]]:
        valid = [(i, p.outcome) for i, p in enumerate(proposed) if isinstance(p.outcome, Triplet)]
        if self._config.solver.train_on is TrainOn.ESTIMATE:
            return self._exercise_on_estimates(number, valid)
        return self._exercise_afresh(number, valid)

    def _exercise_afresh(
        self, number: int, valid: Sequence[tuple[int, Triplet]]
    ) -> tuple[list[Invented], list[Exercise]]:
        """The paper's way: Monte Carlo answers pay the proposer, newly sampled ones train the solver."""
        solver = self._config.solver
        sources = self._first_round(number, valid)
        tried, trained = [triplet for _, triplet in valid], [source.triplet for source in sources]
        estimating = Exam(tried, solver.estimate_samples, ("step", number, "estimate"), may_be_cut=True)
        training = Exam(trained, solver.samples_per_task, ("step", number, "solve"), may_be_cut=True)
        # What is trained on does not depend on the estimates, so both are asked at once.
        total = sum(len(exam.tasks) * exam.samples for exam in (estimating, training))
        with self._phase("solve", total) as advance:
            estimates, answers = solve_together(self._table, [estimating, training], advance)
        invented = [Invented(i, triplet, given) for (i, triplet), given in zip(valid, estimates, strict=True)]
        return invented, _exercises(sources, answers)

    def _exercise_on_estimates(
        self, number: int, valid: Sequence[tuple[int, Triplet]]
    ) -> tuple[list[Invented], list[Exercise]]:
        """The Monte Carlo answers train the solver too: one phase of generation less."""
        sources = self._first_round(number, valid)
        stored = [source for source in sources if source.stored is not None]
        tasks = [triplet for _, triplet in valid] + [source.triplet for source in stored]
        answers = self._solve(number, tasks, self._config.solver.estimate_samples)
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
        answers = self._solve(number, [source.triplet for source in sources], samples, "round", turn)
        return _exercises(sources, answers)

    def _with_greedy(self, number: int, turn: int, exercises: list[Exercise]) -> list[Exercise]:
        """The same, each with a greedy answer where ReMax wants one."""
        if not self._wants_greedy:
            return exercises
        tasks = [exercise.triplet for exercise in exercises]
        with self._phase("greedy", len(tasks)) as advance:
            purpose = ("step", number, "greedy", turn)
            answers = solve(self._table, tasks, 1, purpose, advance, temperature=0.0, may_be_cut=True)
        return [replace(exercise, greedy=one) for exercise, (one,) in zip(exercises, answers, strict=True)]

    def _first_round(self, number: int, valid: Sequence[tuple[int, Triplet]]) -> list[Source]:
        fresh = [Source(triplet, proposal=index) for index, triplet in valid]
        return self._practice.first_round(fresh, partial(stream, self._config.seed, "step", number))

    def _note_stored(self, exercises: Sequence[Exercise]) -> None:
        for exercise in exercises:
            if exercise.stored is not None:
                self._practice.note(exercise.stored, [answer.verdict for answer in exercise.answers])

    def _store(self, record: StepRecord, buffer: TaskBuffer) -> None:
        task_ids = store_step(buffer, record)
        for task in record.invented:
            self._practice.note(task_ids[task.proposal], _verdicts_on(task, record.exercises))

    def _solve(self, number: int, tasks: Sequence[Triplet], samples: int, *turn: str | int) -> list[list[Answer]]:
        with self._phase("solve", len(tasks) * samples) as advance:
            return solve(self._table, tasks, samples, ("step", number, "solve", *turn), advance, may_be_cut=True)

    def _whole(self, record: StepRecord) -> Play:
        """A step's last play, which says and stores all of it."""
        self.record = record
        metrics = step_metrics(record)
        if self._config.rollout.tail.quantile < 1:
            metrics |= cut_shares(record)
        return Play(
            record.rollouts,
            tokens_generated(record),
            metrics,
            step_line(metrics, self._config.propose.types),
            partial(self._store, record),
        )

    def _proposer_rollouts(
        self, number: int, proposed: Sequence[Proposed], invented: Sequence[Invented] = ()
    ) -> Iterator[Rollout]:
        estimates = {task.proposal: task.estimate for task in invented}
        temperature = self._proposer_temperature(number)
        for index, proposal in enumerate(proposed):
            yield Rollout(
                Role.PROPOSE,
                (Role.PROPOSE, proposal.type),
                (Role.PROPOSE, proposal.prompt),
                proposal.prompt_ids,
                proposal.completion.token_ids,
                proposal.completion.logprobs,
                temperature,
                earned(proposal, estimates.get(index)),
                self._config.propose.max_tokens,
            )

    def _solver_rollouts(self, exercises: Sequence[Exercise], first: int = 0) -> Iterator[Rollout]:
        """`first`: how many exercises of the step came before."""
        temperature = self._config.solver.temperature or self._config.rollout.temperature
        for number, exercise in enumerate(exercises, first):
            penalty = self._config.solver.copy_penalty if _any_right(exercise.answers) else 0.0
            baseline = solver_reward(exercise.greedy.verdict) if exercise.greedy else None
            for answer in exercise.answers:
                yield Rollout(
                    Role.SOLVE,
                    (Role.SOLVE, exercise.triplet.type),
                    (Role.SOLVE, number),
                    answer.prompt_ids,
                    answer.completion.token_ids,
                    answer.completion.logprobs,
                    temperature,
                    solver_reward(answer.verdict),
                    self._config.solver.max_tokens,
                    penalty if _is_wrong_copy(answer) else 0.0,
                    baseline,
                )

    def _store_identity(self) -> None:
        """The one task that is given: the identity function (section 3.3.1)."""
        with self._buffer.transaction():
            for task_type in (TaskType.DEDUCTION, TaskType.ABDUCTION):
                if task_type in self._config.propose.types and not self._buffer.counts()[task_type]:
                    triplet = Triplet(task_type, IDENTITY, (IDENTITY_INPUT,), (IDENTITY_INPUT,))
                    self._buffer.add_task(TaskRow(0, triplet, Origin.IDENTITY))


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
