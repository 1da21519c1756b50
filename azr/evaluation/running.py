"""`azr eval run`: a model, some benchmarks, and a folder of results that a stopped run goes on from.

OUT/settings.json       what decides the samples
OUT/BENCHMARK.jsonl     the samples, each with its verdict
OUT/scores.json         the scores of the benchmarks asked for last
OUT/table1.csv          where all of table 1 was asked for: our row, then the paper's
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from azr.errors import UserError
from azr.evaluation.benchmark import AnyBenchmark, Problem, PromptForm
from azr.evaluation.benchmarks import TABLE1
from azr.evaluation.judging.check import open_tools
from azr.evaluation.models import NamedModel
from azr.evaluation.plan import Plan
from azr.evaluation.report import print_scores, progress_bar
from azr.evaluation.sampling import (
    Respondent,
    claim_folder,
    form_of_images,
    missing_samples,
    natural_form,
    prompt_length,
    sample_benchmark,
)
from azr.evaluation.scoring import Score, score_judged
from azr.evaluation.table import LEGEND, paper_rows, render_table, table_row, write_table
from azr.policy.image_text import load_image_policy
from azr.policy.model import Policy, load_policy, load_tokenizer
from azr.ranks.group import ALONE, Ranks
from azr.ranks.sampling import Open, open_sampling
from azr.rollout.tensor_parallel import check_ranks_share, check_tensor_parallel
from azr.training.run import write_whole


def evaluate(
    named: NamedModel,
    benchmarks: Sequence[tuple[AnyBenchmark, list[Problem]]],
    plan: Plan,
    console: Console,
    ranks: Ranks | None = None,
) -> list[Score]:
    """Samples, judges, scores, prints and saves. Raises UserError where the model can't be loaded.

    Of several `ranks` this is the first, and the others sample with it (azr/ranks/sampling.py).
    """
    everything = [problem for _, problems in benchmarks for problem in problems]
    form = form_of_images(everything, plan.form) or named.form or natural_form(load_tokenizer(named.config))
    folder = plan.results(named, form)
    claim_folder(folder, plan.settings(named, form))
    console.print(f"Samples go to {folder}; a stopped evaluation goes on from there.", soft_wrap=True)
    scores: list[Score] = []
    with asked_model(named, plan, form, everything, ranks) as respondent, open_tools() as tools:
        for benchmark, problems in benchmarks:
            file = folder / f"{benchmark.name}.jsonl"
            total = len(problems) * plan.samples
            there = total - missing_samples(file, problems, plan.samples)
            with progress_bar(console, benchmark.title, total, there) as advance:
                samples = sample_benchmark(respondent, benchmark, problems, plan.samples, file, tools, advance)
            scores.append(score_judged(benchmark.name, problems, samples, wanted_ks(plan.samples)))
    save(folder, named.label, scores, console)
    return scores


@contextmanager
def asked_model(
    named: NamedModel, plan: Plan, form: PromptForm, problems: Sequence[Problem], ranks: Ranks | None = None
) -> Iterator[Respondent]:
    """The model, ready to be asked these problems.

    Raises UserError where it can't be loaded, an image can't be, or several ranks are to ask about images.
    """
    ranks = ranks or ALONE
    if ranks.size > 1 and any(problem.images for problem in problems):
        raise UserError("images are asked about by one process: start azr without a launcher")
    model, rollout = plan.model_config(named), plan.rollout_config()
    check_ranks_share(rollout, ranks)
    check_tensor_parallel(rollout, model)
    policy = _loaded(named, plan, problems)
    longest = max(prompt_length(policy, problem, form) for problem in problems)
    opened = Open(model, rollout, longest + plan.max_tokens)
    with open_sampling(policy, opened, ranks) as engine:
        yield Respondent(policy, engine, plan.settings(named, form))


def _loaded(named: NamedModel, plan: Plan, problems: Sequence[Problem]) -> Policy:
    if not any(problem.images for problem in problems):
        return load_policy(plan.model_config(named), named.weights)
    if named.weights is not None:
        raise UserError(f"{named.label} was trained on text alone, so it can't be asked about images")
    return load_image_policy(plan.model_config(named))


def save(folder: Path, model: str, scores: Sequence[Score], console: Console) -> None:
    """Writes scores.json, and table1.csv where every benchmark of table 1 has a score; prints both."""
    record: dict[str, object] = {"model": model, "scores": [score.as_json() for score in scores]}
    print_scores(scores, console)
    percents = {score.benchmark: score.percent for score in scores}
    if all(benchmark.name in percents for benchmark in TABLE1):
        row = table_row(model, percents)
        record |= {"code_average": row.code_average, "math_average": row.math_average, "average": row.average}
        rows = [row, *paper_rows()]
        write_table(folder / "table1.csv", rows)
        console.print(render_table(rows, ours=1))
        console.print(LEGEND)
    write_whole(folder / "scores.json", json.dumps(record, indent=2) + "\n")


def wanted_ks(samples: int) -> list[int]:
    """The k that pass@k is estimated for: all up to 16, then powers of two and the number of samples itself."""
    return sorted({k for k in range(1, samples + 1) if k <= 16 or k & (k - 1) == 0} | {samples})
