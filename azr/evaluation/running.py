"""`azr eval run`: a model, some benchmarks, and a folder of results that a stopped run goes on from.

OUT/settings.json       what decides the samples
OUT/BENCHMARK.jsonl     the samples, each with its verdict
OUT/scores.json         the scores of the benchmarks asked for last
OUT/table1.csv          where all of table 1 was asked for: our row, then the paper's
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from azr.config.fields import EngineChoice, Precision, RolloutConfig
from azr.errors import UserError
from azr.evaluation.benchmark import AnyBenchmark, Problem, PromptForm
from azr.evaluation.benchmarks import TABLE1
from azr.evaluation.judging.check import open_tools
from azr.evaluation.models import NamedModel
from azr.evaluation.report import print_scores, progress_bar
from azr.evaluation.sampling import Respondent, SamplingSettings, claim_folder, prompt_ids, sample_benchmark
from azr.evaluation.scoring import Score, score_judged
from azr.evaluation.table import LEGEND, paper_rows, render_table, table_row, write_table
from azr.policy.model import Policy, load_policy
from azr.rollout import open_engine
from azr.training.run import write_whole


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for. `form` None is the run's own, else chat where the tokenizer has a template."""

    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 2048
    seed: int = 0
    form: PromptForm | None = None
    engine: EngineChoice = EngineChoice.AUTO
    device: str = "auto"
    precision: Precision | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        if self.samples > 1 and self.temperature == 0:
            raise UserError("several greedy samples would all be the same: add --temperature (0.6, say)")

    def results(self, named: NamedModel, form: PromptForm) -> Path:
        """The results folder: one for each way of asking."""
        way = "greedy" if self.temperature == 0 else f"t{self.temperature:g}"
        return self.out or named.results / f"{form}-{way}"


def evaluate(
    named: NamedModel, benchmarks: Sequence[tuple[AnyBenchmark, list[Problem]]], plan: Plan, console: Console
) -> list[Score]:
    """Samples, judges, scores, prints and saves. Raises UserError where the model can't be loaded."""
    config = replace(named.config, device=plan.device, precision=plan.precision or named.config.precision)
    policy = load_policy(config, named.weights)
    form = plan.form or named.form or _natural_form(policy)
    settings = SamplingSettings(named.label, form, plan.temperature, plan.top_p, plan.max_tokens, plan.seed)
    folder = plan.results(named, form)
    claim_folder(folder, settings)
    console.print(f"Samples go to {folder}; a stopped evaluation goes on from there.", soft_wrap=True)
    longest = max(len(prompt_ids(policy, problem, form)) for _, problems in benchmarks for problem in problems)
    engine = open_engine(policy, RolloutConfig(engine=plan.engine), longest + plan.max_tokens)
    scores: list[Score] = []
    try:
        with open_tools() as tools:
            respondent = Respondent(policy, engine, settings)
            for benchmark, problems in benchmarks:
                file = folder / f"{benchmark.name}.jsonl"
                with progress_bar(console, benchmark.title, len(problems) * plan.samples) as advance:
                    samples = sample_benchmark(respondent, benchmark, problems, plan.samples, file, tools, advance)
                scores.append(score_judged(benchmark.name, problems, samples, wanted_ks(plan.samples)))
    finally:
        engine.close()
    save(folder, settings.model, scores, console)
    return scores


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


def _natural_form(policy: Policy) -> PromptForm:
    return PromptForm.COMPLETION if policy.tokenizer.chat_template is None else PromptForm.REASONING
