"""Asking the policy: a batch of prompts, whose answers are judged on other threads while the rest is generated.

Whoever asks does it here: methods, the probe. What is asked for as a task of self-play's kinds (`solve`) is asked and
judged alike wherever it comes from. Of several ranks each samples and judges some of the prompts.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, Protocol, TypeVar

from azr.config.fields import Config
from azr.evaluation.flaws import repeats_question
from azr.evaluation.judging.check import Tools
from azr.evaluation.judging.math_grader import MathGrader
from azr.policy.model import Policy, encode_prompt, uses_chat
from azr.progress import Advance
from azr.ranks.group import ALONE, Ranks
from azr.rollout.engine import Completion, Engine, Request
from azr.rollout.tensor_parallel import Shares, deal
from azr.seeds import derive_seed
from sandbox import Sandbox
from tasks.kinds import KINDS
from tasks.prompts import Style
from tasks.triplet import Prompt, Triplet, Verdict

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

JUDGES = 4  # threads that wait for the sandbox; parsing is cheap, so more would only queue


@dataclass(frozen=True)
class Table:
    """What every asking works with, the same for every step of a run. Each of several `ranks` has one of its own."""

    config: Config
    policy: Policy
    engine: Engine
    sandbox: Sandbox
    style: Style
    grader: MathGrader = field(default_factory=MathGrader)  # which starts nothing before it is asked
    ranks: Ranks = ALONE

    @property
    def tools(self) -> Tools:
        """What benchmarks' checks judge with."""
        return Tools(self.sandbox, self.grader)

    @property
    def chat(self) -> bool:
        """Whether prompts go through the tokenizer's chat template."""
        return uses_chat(self.policy, self.config.prompts.chat, self.style.chat)

    def framed(self, prompt: Prompt) -> Prompt:
        """The prompt as it is asked: without a chat template, in the style's own frame for base models."""
        return prompt if self.chat else self.style.plain(prompt)

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """The token ids of a framed prompt."""
        return encode_prompt(self.policy, prompt, self.chat)


@dataclass(frozen=True, slots=True)
class Answer:
    """One response of the solver, judged. `text` is the answer that was read from it; `repeats`: it is the question."""

    prompt_ids: tuple[int, ...]
    completion: Completion
    text: str | None
    verdict: Verdict
    repeats: bool = False


class Case(Protocol[T_co]):
    """A request, and how its answers are judged. Plain data, which travels: whichever rank samples also judges."""

    @property
    def request(self) -> Request:
        """What the engine is asked."""
        ...

    def judge(self, table: Table, completions: Sequence[Completion]) -> T_co:
        """What becomes of the request's samples, by the means of `table`. Thread safe."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """What rank 0 tells the others: call `share_and_judge` with these cases."""

    cases: Sequence[Case[Any]]


@dataclass(frozen=True, slots=True)
class Exam:
    """Tasks to be solved, `samples` answers each. `purpose` names what for, for the seeds.

    `max_tokens` and `temperature` (0 is greedy) are the solver's where they are None. `may_be_cut`: rollout.tail holds,
    as is meant for what trains and not for what measures.
    """

    tasks: Sequence[Triplet]
    samples: int
    purpose: tuple[str | int, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    may_be_cut: bool = False

    def requests(self, table: Table, prompts: Sequence[Prompt]) -> list[Request]:
        """What the engine is asked, for the tasks' framed prompts."""
        config = table.config
        temperature = self.temperature
        if temperature is None:
            temperature = config.solver.temperature or config.rollout.temperature
        return [
            Request(
                prompt_ids=table.encode(prompt),
                n=self.samples,
                max_tokens=self.max_tokens or config.solver.max_tokens,
                temperature=temperature,
                top_p=config.rollout.top_p,
                stop=prompt.stop,
                seed=derive_seed(config.seed, *self.purpose, number),
                may_be_cut=self.may_be_cut,
            )
            for number, prompt in enumerate(prompts)
        ]


def solve(
    table: Table,
    tasks: Sequence[Triplet],
    samples: int,
    purpose: tuple[str | int, ...],
    advance: Advance,
    *,
    max_tokens: int | None = None,
    temperature: float | None = None,
    may_be_cut: bool = False,
) -> list[list[Answer]]:
    """`samples` answers to each task, in the order of `tasks`: an `Exam` by itself.

    `advance(n)` is called as responses end.
    """
    exam = Exam(tasks, samples, purpose, max_tokens, temperature, may_be_cut)
    return solve_together(table, [exam], advance)[0]


def solve_together(table: Table, exams: Sequence[Exam], advance: Advance) -> list[list[list[Answer]]]:
    """Each exam's answers, all asked in one call of the engine, so that the last samples of one wait for no other's."""
    tasks = [task for exam in exams for task in exam.tasks]
    prompts = [table.framed(KINDS[task.type].solve_prompt(table.style, task)) for task in tasks]
    edges = [0, *accumulate(len(exam.tasks) for exam in exams)]
    requests = [
        request
        for exam, (start, end) in zip(exams, pairwise(edges), strict=True)
        for request in exam.requests(table, prompts[start:end])
    ]

    cases = [
        _Question(task, prompt.answer_prefix, request)
        for task, prompt, request in zip(tasks, prompts, requests, strict=True)
    ]
    answered = generate_and_judge(table, cases, advance)
    return [answered[start:end] for start, end in pairwise(edges)]


@dataclass(frozen=True, slots=True)
class _Question:
    """A task that is asked, a `Case`. An answer begins with `prefix`, which the prompt ends with."""

    task: Triplet
    prefix: str
    request: Request

    def judge(self, table: Table, completions: Sequence[Completion]) -> list[Answer]:
        kind = KINDS[self.task.type]
        answers = [kind.parse_answer(table.style, self.prefix + completion.text) for completion in completions]
        verdicts = kind.verify(table.sandbox, self.task, answers)
        repeats = repeats_question(table.sandbox, self.task, answers)
        return [
            Answer(self.request.prompt_ids, completion, answer, verdict, repeating)
            for completion, answer, verdict, repeating in zip(completions, answers, verdicts, repeats, strict=True)
        ]


def generate_and_judge(table: Table, cases: Sequence[Case[T]], advance: Advance) -> list[T]:
    """Generate for `cases`, judging each on other threads as soon as it is done; verdicts in the cases' order.

    Rank 0 calls it; the others are told to take part.
    """
    table.ranks.tell(Ask(cases))
    return share_and_judge(table, cases, advance)


def share_and_judge(table: Table, cases: Sequence[Case[T]], advance: Advance) -> list[T]:
    """This rank's share of `generate_and_judge`: dealt by prompt to the engines, and judged where it was sampled.

    Rank 0 has the verdicts of all cases, the others have none.
    """
    requests = [case.request for case in cases]
    shares = deal(requests, table.ranks, table.config.rollout.vllm.tensor_parallel_size)
    own = _judged(table, cases, shares, advance)
    verdicts: dict[int, T] = {}
    for rank, part in enumerate(table.ranks.gather(own)):
        verdicts |= zip(shares.kept(rank), part, strict=True)
        if rank != table.ranks.rank:
            advance(sum(requests[index].n for index in shares.kept(rank)))
    return [verdicts[index] for index in sorted(verdicts)]


def _judged(table: Table, cases: Sequence[Case[T]], shares: Shares, advance: Advance) -> list[T]:
    """Verdicts on what this rank keeps of its engine's samples."""
    sampled, kept = (of_rank(table.ranks.rank) for of_rank in (shares.sampled, shares.kept))
    futures: dict[int, Future[T]] = {}
    with ThreadPoolExecutor(JUDGES, thread_name_prefix="judge") as judges:
        wanted = set(kept)

        def on_done(number: int, completions: list[Completion]) -> None:
            index = sampled[number]
            if index in wanted:
                futures[index] = judges.submit(cases[index].judge, table, completions)
                advance(len(completions))

        table.engine.generate([cases[index].request for index in sampled], on_done)
        return [futures[index].result() for index in kept]
