"""Asking the policy: a batch of prompts, whose answers are judged on other threads while the rest is generated.

Whoever asks does it here: methods, the probe. What is asked for as a task of self-play's kinds (`solve`) is asked and
judged alike wherever it comes from.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TypeVar

from azr.config.fields import Config
from azr.evaluation.flaws import repeats_question
from azr.policy.model import Policy, encode_prompt, uses_chat
from azr.progress import Advance
from azr.rollout.engine import Completion, Engine, Request
from azr.seeds import derive_seed
from sandbox import Sandbox
from tasks.kinds import KINDS
from tasks.prompts import Style
from tasks.triplet import Prompt, Triplet, Verdict

T = TypeVar("T")

JUDGES = 4  # threads that wait for the sandbox; parsing is cheap, so more would only queue


@dataclass(frozen=True)
class Table:
    """What every asking works with, the same for every step of a run."""

    config: Config
    policy: Policy
    engine: Engine
    sandbox: Sandbox
    style: Style

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


@dataclass(frozen=True, slots=True)
class Exam:
    """Tasks to be solved, `samples` answers each. `purpose` names what for, for the seeds.

    `max_tokens` and `temperature` (0 is greedy) are the solver's where they are None.
    """

    tasks: Sequence[Triplet]
    samples: int
    purpose: tuple[str | int, ...]
    max_tokens: int | None = None
    temperature: float | None = None

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
) -> list[list[Answer]]:
    """`samples` answers to each task, in the order of `tasks`: an `Exam` by itself.

    `advance(n)` is called as responses end.
    """
    return solve_together(table, [Exam(tasks, samples, purpose, max_tokens, temperature)], advance)[0]


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

    def judge(index: int, completions: list[Completion]) -> list[Answer]:
        kind = KINDS[tasks[index].type]
        prefix = prompts[index].answer_prefix
        answers = [kind.parse_answer(table.style, prefix + completion.text) for completion in completions]
        verdicts = kind.verify(table.sandbox, tasks[index], answers)
        repeats = repeats_question(table.sandbox, tasks[index], answers)
        return [
            Answer(requests[index].prompt_ids, completion, answer, verdict, repeating)
            for completion, answer, verdict, repeating in zip(completions, answers, verdicts, repeats, strict=True)
        ]

    answered = generate_and_judge(table.engine, requests, judge, advance)
    return [answered[start:end] for start, end in pairwise(edges)]


def generate_and_judge(
    engine: Engine, requests: Sequence[Request], judge: Callable[[int, list[Completion]], T], advance: Advance
) -> list[T]:
    """Generate for `requests`, judging each on other threads as soon as it is done; verdicts in the requests' order."""
    futures: dict[int, Future[T]] = {}
    with ThreadPoolExecutor(JUDGES, thread_name_prefix="judge") as judges:

        def on_done(index: int, completions: list[Completion]) -> None:
            futures[index] = judges.submit(judge, index, completions)
            advance(len(completions))

        engine.generate(requests, on_done)
        return [futures[index].result() for index in range(len(requests))]
