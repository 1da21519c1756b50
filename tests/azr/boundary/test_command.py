"""`azr boundary` and `azr delta-se` as a person types them, no model in sight."""

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from azr.cli import app
from azr.errors import UserError
from tests.azr.boundary.files import counts_file, samples_file, write_lines
from tests.azr.boundary.test_study import SHARED

PROJECT = Path(__file__).parents[3]
CODELLAMA = SHARED / "data" / "scored_samples" / "cruxeval_o_codellama-7b.jsonl.gz"


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False).output


def refused(*words):
    found = CliRunner().invoke(app, [str(word) for word in words]).exception
    assert isinstance(found, UserError), found
    return str(found)


@pytest.fixture
def two(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    samples_file(tmp_path / "base.jsonl", {f"p{i}": i % 3 for i in range(30)}, 32)
    samples_file(tmp_path / "rl.jsonl.gz", {f"p{i}": 20 if i < 12 else 0 for i in range(30)}, 32)
    return tmp_path


def test_help_teaches():
    said = run("boundary", "--help")
    for word in ("--marks", "--benchmark", "LABEL=PATH", "task_id", "Yue"):
        assert word in said
    assert "pass@k of the base" in run("delta-se", "--help")


def test_a_page_and_a_summary(two):
    said = " ".join(run("boundary", "base.jsonl", "rl.jsonl.gz").split())
    assert (two / "boundary-base-rl.html").stat().st_size < 5_000_000
    assert "rl is ahead at first; base overtakes it at k = " in said
    assert "Of 30 problems base solves 20, rl 12. base solves 8 of rl's 12 (67 %)" in said
    assert "only rl: p0 p3 p6 p9" in said
    assert "ΔSE = pass@32 of base − pass@1 of the trained model" in said
    assert "do not cover another training run" in said


def test_json_has_everything_and_sides_can_be_named(two):
    found = json.loads(run("boundary", "A=base.jsonl", "rl.jsonl.gz", "--out", "page.html", "--json"))
    assert found["page"] == "page.html"
    assert [side["label"] for side in found["sides"]] == ["A", "rl"]
    pair = found["pairs"][0]
    assert pair["solved"]["only_second"] == ["p0", "p3", "p6", "p9"]
    assert pair["crossing"]["ahead_at_1"] == "rl"
    assert pair["crossing"]["overtaken_by"] == "A"
    low, high = pair["crossing"]["interval"]
    assert low <= pair["crossing"]["k"] <= (high or 32)
    assert len(pair["difference"]["value"]) == 32
    assert sum(found["sides"][0]["accuracy"]) == 30
    assert found["guessing"]["problems"][0]["answers"][0]["text"]
    named = json.loads(run("boundary", "base.jsonl", "rl.jsonl.gz", "--label", "x", "--label", "y", "--json"))
    assert [side["label"] for side in named["sides"]] == ["x", "y"]


def test_results_of_azr_eval_are_found_by_their_folders(two):
    for side in ("a", "b"):
        (two / side).mkdir()
        for benchmark in ("gsm8k", "math500"):
            samples_file(two / side / f"{benchmark}.jsonl", {"p": 1, "q": 2}, 4)
    said = refused("boundary", "a", "b")
    assert "say with --benchmark NAME" in said
    (two / "b" / "gsm8k.jsonl").unlink()
    found = json.loads(run("boundary", "a", "b", "--json"))
    assert [side["file"] for side in found["sides"]] == ["a/math500.jsonl", "b/math500.jsonl"]


def test_lines_without_a_verdict_are_judged(two):
    rows = [
        {"id": f"p{i}", "code": f"def f(x):\n    return x + {i}", "input": "1", "output": str(1 + i)} for i in range(3)
    ]
    data = write_lines(two / "cruxeval.jsonl", rows)
    answers = {"a": ["1", "2", "7"], "b": ["1", "0", "3"]}
    for name, texts in answers.items():
        lines = ({"task_id": f"p{i}", "completion": text} for i, text in enumerate(texts))
        write_lines(two / f"{name}.jsonl", lines)
    assert "line 1: no verdict" in refused("boundary", "a.jsonl", "b.jsonl")
    words = ("boundary", "a.jsonl", "b.jsonl", "--benchmark", "cruxeval-o", "--data", data, "--rare", "1.0")
    found = json.loads(run(*words, "--json"))
    assert found["per_problem"] == {
        "p0": {"a": [1, 1], "b": [1, 1]},
        "p1": {"a": [1, 1], "b": [1, 0]},
        "p2": {"a": [1, 0], "b": [1, 1]},
    }


def test_delta_se_of_a_published_table(two):
    (two / "table.csv").write_text("model,test_pass1,test_pass256\nbase,10,70\nrl,30,65\n", encoding="utf-8")
    assert "ΔSE = pass@256 of base − pass@1 of the trained model" in run("delta-se", "table.csv")
    assert json.loads(run("delta-se", "table.csv", "--json"))[0]["value"] == 40.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["base.jsonl"], "two sides or more"),
        (["base.jsonl", "base.jsonl"], "two sides are called base.jsonl"),
        (["base.jsonl", "nowhere.jsonl"], "nowhere.jsonl: no such file"),
        (["base.jsonl", "rl.jsonl.gz", "--label", "x"], "2 sides and 1 labels"),
        (["base.jsonl", "rl.jsonl.gz", "--k", "99"], "no problem in common with 99 samples"),
        (["base.jsonl", "rl.jsonl.gz", "--data", "."], "name it with --benchmark"),
        (["base.jsonl", "rl.jsonl.gz", "--benchmark", "chess"], "no benchmark chess"),
        (["base.jsonl", "rl.jsonl.gz", "--marks", "none.jsonl"], "none.jsonl can't be read"),
        (["base.jsonl", "rl.jsonl.gz", "--out", "no/page.html"], "make its folder first"),
        (["base.jsonl", "rl.jsonl.gz", "--out", "."], "it is a folder"),
    ],
)
def test_mistakes_are_one_line(two, words, message):
    said = refused("boundary", *words)
    assert message in said
    assert "\n" not in said


@pytest.mark.data
@pytest.mark.skipif(not CODELLAMA.is_file(), reason="the published samples are not here")
def test_codellamas_published_samples_without_a_model(two):
    with gzip.open(CODELLAMA, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    half = [row for i, row in enumerate(rows) if i % 10 < 5]  # the first five samples of each problem
    for row in half:
        row["verdict"] = row["verdict"] and len(row["completion"]) % 3 > 0  # a third of them made worse, by rule
    write_lines(two / "worse.jsonl", half)
    start = time.process_time()  # of this process, which does it all: the clock would tell of its neighbours
    found = json.loads(run("boundary", f"codellama={CODELLAMA}", "worse.jsonl", "--rare", "0.15", "--json"))
    assert time.process_time() - start < 10
    curve = found["sides"][0]["pass@k"]["value"]
    assert 100 * curve[0] == pytest.approx(34.2125, abs=1e-9)  # as their authors published them
    assert 100 * curve[4] == pytest.approx(40.2867, abs=1e-4)
    assert found["problems"] == 800
    assert found["pairs"][0]["difference"]["high"][0] < 0
    assert found["guessing"]["problems"]
    assert (two / "boundary-codellama-worse.html").is_file()


@pytest.mark.slow
def test_a_thousand_problems_of_a_thousand_samples(two):
    """In a process of its own, whose memory is looked at: within two minutes and 2 GB."""
    for name, right in (("base", 40), ("rl", 400)):
        with (two / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for problem in range(1000):
                for i in range(1024):
                    verdict = i < right * (problem % 4)
                    text = f"{problem} {i} " + "so we go on step by step " * 20
                    file.write(json.dumps({"task_id": problem, "completion": text, "verdict": verdict}) + "\n")
    program = (
        "import sys\nfrom azr.cli import app\nfrom tests.azr.memory import peak\n"
        "try:\n    app(['boundary', *sys.argv[1:], '--json'])\n"
        "finally:\n    print(peak(), file=sys.stderr)\n"
    )
    words = [str(two / "base.jsonl"), str(two / "rl.jsonl"), "--out", str(two / "page.html")]
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 120
    assert int(done.stderr.split()[-1]) < 2 * 10**9
    assert json.loads(done.stdout)["sides"][1]["pass@k"]["k"][-1] == 1024


def test_counts_alone_make_a_page(two):
    counts_file(two / "a.jsonl", {"x": (256, 3), "y": (256, 0)})
    counts_file(two / "b.jsonl", {"x": (256, 200), "y": (256, 0)})
    run("boundary", "a.jsonl", "b.jsonl", "--out", "page.html")
    assert "there is nothing to read" in (two / "page.html").read_text(encoding="utf-8")
