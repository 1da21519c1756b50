"""Our verdicts beside those that benchmarks' authors published with their samples (shared/data/scored_samples)."""

import gzip
import json

import pytest

from azr.evaluation.benchmarks import find_benchmark
from azr.evaluation.data import DataPlaces, load_problems
from azr.evaluation.judging.check import Judgement, Tools
from azr.evaluation.samples import Sample, SampleFile
from azr.evaluation.scoring import score_samples
from tasks.triplet import Verdict

from .conftest import DATA


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "file", "pass_at"),
    [
        ("cruxeval-o", "cruxeval_o_codellama-7b", {1: 34.2125, 5: 40.2867}),
        ("cruxeval-i", "cruxeval_i_codellama-7b", {1: 35.95, 5: 44.9911}),
    ],
)
def test_cruxevals_published_verdicts_are_ours(
    name: str, file: str, pass_at: dict[int, float], public_data: DataPlaces, tools: Tools
) -> None:
    path = DATA / "scored_samples" / f"{file}.jsonl.gz"
    if not path.is_file():
        pytest.skip("the published samples are not here: shared/data/scored_samples")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    published = {(row["task_id"], row["completion"]): row["verdict"] for row in rows}
    different: list[tuple[str, str]] = []
    judged = 0

    def compare(problem: object, completions: list[str], judgements: list[Judgement]) -> None:
        nonlocal judged
        judged += len(judgements)
        task_id = problem.task_id  # type: ignore[attr-defined]
        for completion, judgement in zip(completions, judgements, strict=True):
            if (judgement.verdict is Verdict.RIGHT) != published[task_id, completion]:
                different.append((task_id, completion))

    problems = load_problems(find_benchmark(name), public_data)
    samples = SampleFile(tuple(Sample(row["task_id"], row["completion"]) for row in rows), ())
    score = score_samples(name, problems, samples, list(pass_at), tools, compare)
    assert different == []
    assert judged == 8000
    for k, percent in pass_at.items():
        estimate = score.pass_at[k]
        assert estimate is not None
        assert 100 * estimate.value == pytest.approx(percent, abs=5e-5)
