"""What every way of judging has in common."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from azr.evaluation.judging.math_grader import MathGrader
from sandbox import Sandbox, SandboxConfig
from tasks.triplet import Verdict


@dataclass(frozen=True, slots=True)
class Tools:
    """What a check works with. Both are thread safe."""

    sandbox: Sandbox
    grader: MathGrader


@contextmanager
def open_tools(workers: int = 0) -> Iterator[Tools]:
    """The sandbox (one worker a core where `workers` is 0) and the math grader; both end with the context.

    The limits are wider than self-play's: EvalPlus' inputs reach 190 kB of source a problem, their outputs more, and
    Mbpp/255 takes two gigabytes of memory.
    """
    limits = SandboxConfig(workers=workers, timeout_s=10.0, memory_mb=4096, output_bytes=1 << 24, source_bytes=1 << 22)
    with Sandbox(limits) as sandbox, MathGrader() as grader:
        yield Tools(sandbox, grader)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one completion: the verdict, the answer read from it, and why it failed (for a person).

    `repeats`: whether it only repeats the question, None where that is not asked.
    """

    verdict: Verdict
    answer: str | None = None
    detail: str = ""
    repeats: bool | None = None


class Check(Protocol):
    """How the answers to one problem are judged. An implementation holds the reference and nothing that can change."""

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion, in order. Thread safe; never raises on any completion."""
        ...


def judge_parsed(
    answers: Sequence[str | None], judge: Callable[[list[str]], list[tuple[bool, str]]]
) -> list[Judgement]:
    """Judgements of answers that may be unreadable (None). `judge` sees each different answer once."""
    different = list(dict.fromkeys(answer for answer in answers if answer is not None))
    results = dict(zip(different, judge(different), strict=True)) if different else {}
    judgements: list[Judgement] = []
    for answer in answers:
        if answer is None:
            judgements.append(Judgement(Verdict.UNPARSED, detail="no answer could be read from the text"))
        else:
            right, detail = results[answer]
            judgements.append(Judgement(Verdict.RIGHT if right else Verdict.WRONG, answer, detail))
    return judgements
