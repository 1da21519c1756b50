"""Verdicts for samples that came without: the judges of azr eval, a window of samples at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from azr.boundary.tally import JudgeTexts
from azr.evaluation.benchmark import Problem
from azr.evaluation.judging.check import Judgement, Tools, open_tools
from azr.evaluation.scoring import judge_all
from tasks.triplet import Verdict


@contextmanager
def judge_of(problems: Mapping[str, Problem]) -> Iterator[JudgeTexts]:
    """A judge of answers to these problems. The sandbox starts with the first sample that wants a verdict."""
    with ExitStack() as stack:
        opened: list[Tools] = []

        def judge(texts: Sequence[tuple[str, str]]) -> Sequence[bool]:
            if not opened:
                opened.append(stack.enter_context(open_tools()))
            return _rights(problems, opened[0], texts)

        yield judge


def _rights(problems: Mapping[str, Problem], tools: Tools, texts: Sequence[tuple[str, str]]) -> list[bool]:
    places: dict[str, list[int]] = {}
    for place, (task_id, _) in enumerate(texts):
        places.setdefault(task_id, []).append(place)
    rights = [False] * len(texts)

    def note(problem: Problem, _: Sequence[str], judgements: Sequence[Judgement]) -> None:
        for place, judgement in zip(places[problem.task_id], judgements, strict=True):
            rights[place] = judgement.verdict is Verdict.RIGHT

    completions = {task_id: [texts[place][1] for place in found] for task_id, found in places.items()}
    judge_all([problems[task_id] for task_id in places], completions, tools, note)
    return rights
