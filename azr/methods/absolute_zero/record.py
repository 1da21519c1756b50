"""What happened in a step, and how it is written down in the buffer."""

from collections.abc import Sequence
from dataclasses import dataclass

from azr.buffer import AttemptRow, Origin, ProposalRow, Purpose, TaskBuffer, TaskRow, task_fingerprint
from azr.methods.absolute_zero.proposing import Proposed
from azr.methods.method import Rollout
from azr.rollout.asking import Answer
from tasks.reward import learnability, proposer_reward, solve_rate, solver_reward, validity_reward
from tasks.triplet import Rejection, Triplet


@dataclass(frozen=True, slots=True)
class Invented:
    """A proposal of this step that became a task, with the Monte Carlo answers behind its learnability."""

    proposal: int  # index among the step's proposals
    triplet: Triplet
    estimate: list[Answer]


@dataclass(frozen=True, slots=True)
class Exercise:
    """A task that trains the solver, with the answers that do it.

    `stored` is the task's id where it came from the buffer; else it is this step's own, made by proposal `proposal`.
    `greedy` is one more answer where ReMax wants it: it trains nothing, and is not stored.
    """

    triplet: Triplet
    answers: list[Answer]
    proposal: int | None = None
    stored: int | None = None
    greedy: Answer | None = None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Everything that self-play did in a step; `rollouts` are those of all rounds.

    Where the proposer alone learns, nothing is estimated: `invented` and `exercises` are empty.
    """

    step: int
    proposed: list[Proposed]
    invented: list[Invented]
    exercises: list[Exercise]
    rollouts: list[Rollout]


def earned(proposal: Proposed, estimate: Sequence[Answer] | None) -> float:
    """What a proposal is paid: for learnability where its task was tried, for being valid where none was."""
    if estimate is None:
        return validity_reward(proposal.outcome)
    return proposer_reward(proposal.outcome, [answer.verdict for answer in estimate])


def store_step(buffer: TaskBuffer, record: StepRecord) -> dict[int, int]:
    """Write a whole step, in the caller's transaction; the ids of the new tasks, by the proposals that made them."""
    estimates = {task.proposal: task.estimate for task in record.invented}
    trained = {id(exercise.answers) for exercise in record.exercises}
    task_ids: dict[int, int] = {}
    for index, proposal in enumerate(record.proposed):
        estimate = estimates.get(index)
        proposal_id = _store_proposal(buffer, record.step, proposal, earned(proposal, estimate))
        if isinstance(proposal.outcome, Triplet):
            rate = None if estimate is None else solve_rate([answer.verdict for answer in estimate])
            worth = None if rate is None else learnability(rate)
            row = TaskRow(record.step, proposal.outcome, Origin.SELF_PLAY, proposal_id, rate, worth)
            task_ids[index] = buffer.add_task(row)
            _store_variations(buffer, record.step, proposal, proposal_id)
    for task in record.invented:
        if id(task.estimate) not in trained:  # else they are stored below, once
            _store_answers(buffer, record.step, task_ids[task.proposal], Purpose.ESTIMATE, task.estimate)
    for exercise in record.exercises:
        task_id = exercise.stored if exercise.proposal is None else task_ids[exercise.proposal]
        assert task_id is not None
        _store_answers(buffer, record.step, task_id, Purpose.SOLVE, exercise.answers)
    return task_ids


def store_seeds(buffer: TaskBuffer, proposed: Sequence[Proposed]) -> None:
    """Write one round of seeding in one transaction: nothing was paid, nothing estimated."""
    with buffer.transaction():
        buffer.count_seed_round()
        for proposal in proposed:
            proposal_id = _store_proposal(buffer, 0, proposal, None)
            if isinstance(proposal.outcome, Triplet):
                buffer.add_task(TaskRow(0, proposal.outcome, Origin.SEEDING, proposal_id))
                _store_variations(buffer, 0, proposal, proposal_id)


def _store_variations(buffer: TaskBuffer, step: int, proposal: Proposed, proposal_id: int) -> None:
    for triplet in proposal.variations:
        if not buffer.holds(task_fingerprint(triplet)):
            buffer.add_task(TaskRow(step, triplet, Origin.VARIED, proposal_id))


def _store_proposal(buffer: TaskBuffer, step: int, proposal: Proposed, reward: float | None) -> int:
    rejection = proposal.outcome if isinstance(proposal.outcome, Rejection) else None
    return buffer.add_proposal(
        ProposalRow(
            step=step,
            type=proposal.type,
            refs=proposal.refs,
            text=proposal.completion.text,
            tokens=len(proposal.completion.token_ids),
            truncated=proposal.completion.truncated,
            rejection=rejection.reason if rejection else None,
            detail=rejection.detail if rejection else None,
            reward=reward,
        )
    )


def _store_answers(buffer: TaskBuffer, step: int, task_id: int, purpose: Purpose, answers: Sequence[Answer]) -> None:
    for answer in answers:
        buffer.add_attempt(
            AttemptRow(
                step=step,
                task_id=task_id,
                purpose=purpose,
                text=answer.completion.text,
                answer=answer.text,
                verdict=answer.verdict,
                reward=solver_reward(answer.verdict),
                tokens=len(answer.completion.token_ids),
                truncated=answer.completion.truncated,
            )
        )
