"""How long scoring takes: CRUXEval's 800 problems, ten samples each, judged as `azr eval score` judges them.

Half of the samples are right, the others are other problems' answers. An answer that makes its program loop costs its
time limit, 3 s. The bar is 15 s on two cores, for output and for input prediction alike.

    python benchmarks/scoring.py [--data FOLDER] [--samples 10] [--workers 2]
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from azr.evaluation.benchmarks import find_benchmark
from azr.evaluation.data import data_places, load_problems, load_rows
from azr.evaluation.judging.check import open_tools
from azr.evaluation.samples import read_samples
from azr.evaluation.scoring import score_samples

BAR_S = 15.0


def completions(answers: Sequence[str], index: int, count: int) -> list[str]:
    """Alternately the problem's own answer and those of the problems behind it, fenced."""
    texts = []
    for number in range(count):
        text = answers[index] if number % 2 == 0 else answers[(index + number) % len(answers)]
        texts.append(f"```\n{text}\n```")
    return texts


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes a sample file for each direction and times the scoring of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[], help="as azr eval --data")
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    for name, asked in (("cruxeval-o", "output"), ("cruxeval-i", "input")):
        benchmark, places = find_benchmark(name), data_places(options.data, [name])
        problems = load_problems(benchmark, places)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "samples.jsonl"
            with path.open("w", encoding="utf-8") as file:
                rows = list(load_rows(benchmark, places))
                for index, row in enumerate(rows):
                    for text in completions([other[asked] for other in rows], index, options.samples):
                        file.write(json.dumps({"task_id": row["id"], "completion": text}) + "\n")
            start = time.perf_counter()
            samples = read_samples(path, {problem.task_id for problem in problems})
            with open_tools(options.workers) as tools:
                score = score_samples(name, problems, samples, [1], tools)
            seconds = time.perf_counter() - start
        count = len(samples.samples)
        print(f"{name}: {count} samples in {seconds:.1f} s ({count / seconds:.0f}/s), pass@1 {score.percent:.1f} %")
        print(f"  bar {BAR_S:.0f} s: {'met' if seconds <= BAR_S else 'MISSED'}")


if __name__ == "__main__":
    main()
