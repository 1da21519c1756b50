"""A problem that somebody gives, asked in a run's own style."""

from dataclasses import dataclass

from azr.evaluation.benchmark import Problem, PromptForm
from azr.evaluation.judging.check import Check
from azr.policy.model import encode_prompt
from azr.rollout.asking import Table
from tasks.kinds import KINDS
from tasks.triplet import Prompt, Triplet


@dataclass(frozen=True, slots=True)
class Given:
    """A problem, and what is known of its answer.

    `key` names it among the problems of a run. `level` says how hard it is, empty where nobody says. `question` and
    `answer` are for a person; `answer` is None where the answer is not known or kept back: then what `check` says of
    right and wrong means nothing, and only the answers that it reads count. `asked` is how it is put: as a benchmark
    asks it, or as one of self-play's tasks.
    """

    key: str
    question: str
    asked: Problem | Triplet
    check: Check
    answer: str | None
    level: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A problem as a run asks it."""

    problem: Given
    prompt: Prompt
    prompt_ids: tuple[int, ...]


def framed(table: Table, problem: Given) -> Asked:
    """The problem in the run's style: a task in the style's own words, a benchmark's problem in the form that fits it.

    A benchmark's problem is asked as `azr eval` asks it: in the reasoning form where the style wants a chat, as a chat
    where the run has one, else as a text to be continued.
    """
    if isinstance(problem.asked, Triplet):
        prompt = table.framed(KINDS[problem.asked.type].solve_prompt(table.style, problem.asked))
        return Asked(problem, prompt, table.encode(prompt))
    form = PromptForm.REASONING if table.style.chat else PromptForm.COMPLETION
    prompt = problem.asked.prompts[form]
    return Asked(problem, prompt, encode_prompt(table.policy, prompt, table.chat))
