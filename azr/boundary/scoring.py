"""Scores answers under a model: the perplexities that are missing, packed, and written down as they come."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from azr.boundary.guessing import digest
from azr.boundary.perplexity import Answers, Key, Perplexities, first_answers, perplexities, read_scored
from azr.boundary.problem_set import ProblemSet
from azr.boundary.sides import Named, NamedSide
from azr.boundary.tally import Side
from azr.errors import UserError
from azr.evaluation.benchmark import PromptForm
from azr.evaluation.plan import Plan
from azr.evaluation.report import progress_bar
from azr.evaluation.sampling import answer_ids, prompt_ids
from azr.json_lines import json_line
from azr.learner.sample import Sample
from azr.learner.scoring import sample_logprobs
from azr.policy.model import Policy, load_policy

ROW_TOKENS = 4096
LOGIT_CHUNK = 256


def score_all(
    named: Sequence[Named],
    sides: Sequence[Side],
    plans: Mapping[str, Plan],
    problems: ProblemSet,
    ids: Sequence[str],
    each: int,
    others: Mapping[str, Path],
    console: Console,
) -> tuple[Perplexities, ...]:
    """Under every model the first `each` answers to each problem of every side, and of the `others` (files by label).

    `plans` say how the models were asked, by their sides' labels.
    Raises UserError where no side is a model, or a file has no answers.
    """
    labels = {side.label for side in sides}
    models = [side for side in named if isinstance(side, NamedSide) and side.label in labels]
    if not models:
        raise UserError("--perplexity scores answers under models, and every side is a file of results")
    files = {side.label: side.file for side in sides if side.has_texts} | dict(others)
    answers = [first_answers(label, file, ids, each) for label, file in files.items()]
    found = []
    for side in models:
        scored = score_side(side, plans[side.label], problems, answers, console)
        found += [perplexities(side.label, some, scored) for some in answers]
    return tuple(found)


def missing_scores(file: Path, answers: Sequence[Answers]) -> list[tuple[str, str]]:
    """The answers, each problem and text once, that the file has no score of."""
    there = read_scored(file)
    every = dict.fromkeys(text for some in answers for text in some.texts)
    return [(task_id, text) for task_id, text in every if (task_id, digest(text)) not in there]


def score_side(
    side: NamedSide,
    plan: Plan,
    problems: ProblemSet,
    answers: Sequence[Answers],
    console: Console,
) -> dict[Key, tuple[int, float]]:
    """Tokens and nats of each answer under the side's model, which is loaded only where some are not known yet.

    Each is behind the prompt that the model is asked with, in `plan.form`. Interrupted, it goes on from there. Raises
    UserError where the model can't be loaded.
    """
    assert plan.form is not None
    file = scores_file(plan.results(side.model, plan.form), problems)
    if missing := missing_scores(file, answers):
        policy = load_policy(plan.model_config(side.model), side.model.weights)
        file.parent.mkdir(parents=True, exist_ok=True)
        with (
            file.open("a", encoding="utf-8") as output,
            progress_bar(console, f"score {side.label}", len(missing)) as advance,
        ):
            if file.stat().st_size:
                output.write("\n")  # ends a line that a crash cut short; blank ones count for nothing
            for (task_id, text), (tokens, nats) in zip(
                missing, surprise(policy, problems, plan.form, missing), strict=True
            ):
                record = {"task_id": task_id, "answer": digest(text), "tokens": tokens, "nats": round(nats, 5)}
                output.write(json_line(record))
                output.flush()
                advance(1)
    return read_scored(file)


def scores_file(results: Path, problems: ProblemSet) -> Path:
    """Where the scores lie that belong to a folder of results."""
    return results / "perplexity" / f"{problems.benchmark.name}.jsonl"


def surprise(
    policy: Policy, problems: ProblemSet, form: PromptForm, texts: Sequence[tuple[str, str]]
) -> Iterator[tuple[int, float]]:
    """Tokens and nats (-Σ log p at temperature 1) of each answer (task id, text) behind its prompt; (0, 0) of none.

    A text is what a file of samples has: where the prompt opened the answer, the opening is no part of what is scored.
    """
    samples = [_sample(policy, problems, form, task_id, text) for task_id, text in texts]
    scored = sample_logprobs(policy, [one for one in samples if one], ROW_TOKENS, LOGIT_CHUNK)
    for one in samples:
        yield (len(one.response_ids), -sum(next(scored))) if one else (0, 0.0)


def _sample(policy: Policy, problems: ProblemSet, form: PromptForm, task_id: str, text: str) -> Sample | None:
    problem = problems.by_id[task_id]
    ids = answer_ids(policy, problem, form, text)
    return Sample(prompt_ids(policy, problem, form), ids, (0.0,) * len(ids), 0.0) if ids else None
