"""The proposer: it asks for tasks, and the sandbox says what became of each while the rest is generated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from azr.buffer import StoredTask, TaskBuffer, task_fingerprint
from azr.config.choices import Flaw
from azr.errors import UserError
from azr.evaluation.flaws import MEANING, find_flaws
from azr.methods.absolute_zero.references import draw_references
from azr.methods.absolute_zero.variations import variations
from azr.progress import Advance
from azr.rollout.asking import Table, generate_and_judge
from azr.rollout.engine import Completion, Request
from azr.seeds import derive_seed, stream
from tasks.kinds import KINDS
from tasks.program import fingerprint
from tasks.triplet import Prompt, Rejection, TaskType, Triplet


@dataclass(frozen=True, slots=True)
class Proposed:
    """One response of the proposer, judged. `prompt` numbers the prompts of the phase; samples of one share it.

    `flaws` are those of the task that it makes, also where it is then refused as flawed or a duplicate; None where it
    did not become a task for another reason. `variations` are further tasks of the same program.
    """

    type: TaskType
    prompt: int
    prompt_ids: tuple[int, ...]
    refs: tuple[int, ...]
    completion: Completion
    outcome: Triplet | Rejection
    flaws: tuple[Flaw, ...] | None = None
    variations: tuple[Triplet, ...] = ()


def propose(
    table: Table,
    buffer: TaskBuffer,
    batch: dict[TaskType, int],
    purpose: tuple[str | int, ...],
    temperature: float,
    advance: Advance,
) -> list[Proposed]:
    """`batch[type]` proposals of each type at `temperature`, in the order of `batch`; `purpose` is what seeds them.

    `advance(n)` is called as responses end. A task that the buffer holds, or an earlier proposal of this phase made,
    is rejected as a duplicate where the config says so, and one with a flaw that `propose.refuse` names for that.
    """
    kinds = [
        (task_type, samples, number)
        for task_type, total in batch.items()
        for number, samples in enumerate(_shares(total, table.config.propose.samples_per_prompt))
    ]
    asked = [
        _ask_for_task(table, buffer, index, task_type, samples, temperature, (*purpose, task_type, number))
        for index, (task_type, samples, number) in enumerate(kinds)
    ]
    judged = generate_and_judge(table, asked, advance)
    proposed = [proposal for group in judged for proposal in group]
    proposed = _mark_restated(proposed, buffer)
    if table.config.propose.reject_duplicates:
        proposed = _reject_duplicates(proposed, buffer)
    return _refuse_flawed(proposed, table.config.propose.refuse)


@dataclass(frozen=True, slots=True)
class _Ask:
    """One prompt of the proposer's and what it shows, a `Case`. `index` numbers the prompts of the phase."""

    index: int
    type: TaskType
    refs: tuple[int, ...]
    references: tuple[Triplet, ...]
    prompt: Prompt
    request: Request

    def judge(self, table: Table, completions: Sequence[Completion]) -> list[Proposed]:
        return [_proposed(table, self, completion) for completion in completions]


def _ask_for_task(
    table: Table,
    buffer: TaskBuffer,
    index: int,
    task_type: TaskType,
    samples: int,
    temperature: float,
    purpose: tuple[str | int, ...],
) -> _Ask:
    config = table.config
    rng = stream(config.seed, *purpose)
    if task_type is TaskType.INDUCTION:
        references = [buffer.sample_program(rng)]
    else:
        references = draw_references(buffer, task_type, config.propose.references, config.propose.reference_draw, rng)
    prompt, prompt_ids, shown = _fitting_prompt(table, task_type, references, purpose)
    request = Request(
        prompt_ids=prompt_ids,
        n=samples,
        max_tokens=config.propose.max_tokens,
        temperature=temperature,
        top_p=config.rollout.top_p,
        stop=prompt.stop,
        seed=derive_seed(config.seed, *purpose, "sample"),
        may_be_cut=True,
    )
    return _Ask(
        index,
        task_type,
        tuple(reference.id for reference in shown),
        tuple(reference.triplet for reference in shown),
        prompt,
        request,
    )


def _fitting_prompt(
    table: Table, task_type: TaskType, references: list[StoredTask], purpose: tuple[str | int, ...]
) -> tuple[Prompt, tuple[int, ...], list[StoredTask]]:
    """The prompt with as many of the references as rollout.max_prompt_tokens holds."""
    limit = table.config.rollout.max_prompt_tokens
    fewest = 1 if task_type is TaskType.INDUCTION else 0
    for shown in range(len(references), fewest - 1, -1):
        asked = KINDS[task_type].propose_prompt(
            table.style,
            [reference.triplet for reference in references[:shown]],
            stream(table.config.seed, *purpose, "prompt"),
            table.config.propose.induction_inputs,
        )
        prompt = table.framed(asked)
        prompt_ids = table.encode(prompt)
        if len(prompt_ids) <= limit:
            return prompt, prompt_ids, references[:shown]
    raise UserError(
        f"the shortest prompt for a {task_type} proposal has {len(prompt_ids)} tokens, more than"
        f" rollout.max_prompt_tokens={limit}: raise it, or choose a shorter prompts.style"
    )


def _proposed(table: Table, ask: _Ask, completion: Completion) -> Proposed:
    outcome = _outcome(table, ask, completion)
    if isinstance(outcome, Rejection):
        return Proposed(ask.type, ask.index, ask.request.prompt_ids, ask.refs, completion, outcome)
    flaws = find_flaws(table.sandbox, outcome)
    varied = variations(table.sandbox, outcome, table.config.propose)
    return Proposed(ask.type, ask.index, ask.request.prompt_ids, ask.refs, completion, outcome, flaws, varied)


def _outcome(table: Table, ask: _Ask, completion: Completion) -> Triplet | Rejection:
    kind = KINDS[ask.type]
    proposal = kind.parse_proposal(table.style, ask.prompt.answer_prefix + completion.text, ask.references)
    if isinstance(proposal, Rejection):
        return proposal
    outcome = kind.validate(table.sandbox, proposal, table.config.propose.determinism_runs)
    if isinstance(outcome, Rejection):
        return outcome
    length = len(table.encode(table.framed(kind.solve_prompt(table.style, outcome))))
    if length > table.config.rollout.max_prompt_tokens:
        return Rejection("too_long", f"its solver's prompt would have {length} tokens")
    return outcome


def _reject_duplicates(proposed: Sequence[Proposed], buffer: TaskBuffer) -> list[Proposed]:
    seen: set[str] = set()
    kept = []
    for proposal in proposed:
        if isinstance(proposal.outcome, Triplet):
            task = task_fingerprint(proposal.outcome)
            if task in seen or buffer.holds(task):
                proposal = replace(proposal, outcome=Rejection("duplicate", "the buffer holds this task"))
            seen.add(task)
        kept.append(proposal)
    return kept


def _mark_restated(proposed: Sequence[Proposed], buffer: TaskBuffer) -> list[Proposed]:
    """The same proposals, those of a program that the buffer or an earlier one has for their type marked so."""
    seen: set[tuple[TaskType, str]] = set()
    marked = []
    for proposal in proposed:
        if isinstance(proposal.outcome, Triplet):
            program = proposal.type, fingerprint(proposal.outcome.program)
            if program in seen or buffer.holds_program(*program):
                proposal = replace(proposal, flaws=(*(proposal.flaws or ()), Flaw.RESTATED))
            seen.add(program)
        marked.append(proposal)
    return marked


def _refuse_flawed(proposed: Sequence[Proposed], refused: Sequence[Flaw]) -> list[Proposed]:
    kept = []
    for proposal in proposed:
        flaw = next((flaw for flaw in refused if flaw in (proposal.flaws or ())), None)
        if flaw is not None and isinstance(proposal.outcome, Triplet):
            proposal = replace(proposal, outcome=Rejection(flaw, MEANING[flaw]))
        kept.append(proposal)
    return kept


def _shares(total: int, most: int) -> list[int]:
    """`total` samples dealt to prompts of at most `most` each."""
    return [min(most, total - start) for start in range(0, total, most)]
