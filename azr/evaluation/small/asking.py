"""A question as a benchmark's problem: self-play's prompts in both forms, and self-play's verdict."""

from functools import lru_cache

from azr.evaluation.benchmark import Problem, PromptForm
from azr.evaluation.judging.task_answer import TaskAnswer
from azr.evaluation.small.known import Question
from tasks.kinds import KINDS
from tasks.prompts import Style, load_style
from tasks.triplet import TaskType

# A continuation that was not stopped by then is no answer to so short a question; what is shorter makes larger batches.
_MOST_TOKENS = {TaskType.DEDUCTION: 48, TaskType.ABDUCTION: 48, TaskType.INDUCTION: 96}


def as_problem(question: Question) -> Problem:
    """The question as azr eval asks and judges it."""
    task = question.task
    prompts = {form: KINDS[task.type].solve_prompt(_style(form), task) for form in PromptForm}
    return Problem(
        question.id,
        prompts,
        TaskAnswer(task),
        grade=question.grade,
        most_tokens={PromptForm.COMPLETION: _MOST_TOKENS[task.type]},
    )


@lru_cache
def _style(form: PromptForm) -> Style:
    return load_style(form)
