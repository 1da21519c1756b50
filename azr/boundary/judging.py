"""Verdicts for samples that came without: the judges of azr eval, a window of samples at a time."""

from collections.abc import Mapping, Sequence

from azr.boundary.tally import JudgeTexts
from azr.evaluation.benchmark import Problem
from azr.evaluation.judging.check import Judgement, Tools
from azr.evaluation.scoring import judge_all
from tasks.triplet import Verdict


def judge_with(problems: Mapping[str, Problem], tools: Tools) -> JudgeTexts:
    """A judge of the problems' answers. It wants to be asked about these problems alone."""

    def judge(texts: Sequence[tuple[str, str]]) -> Sequence[bool]:
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

    return judge
