"""Problems come through one door, whatever they are, and are asked in the run's own style."""

import json
import os
from pathlib import Path

import pytest

from azr.errors import UserError
from azr.evaluation.judging.letter_answer import LetterAnswer
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.task_answer import TaskAnswer
from azr.problems.sources import read_problems
from tasks.triplet import TaskType, Triplet
from tests.azr.finished import finished_run

DATA = Path(os.environ.get("AZR_DATA") or Path(__file__).parents[4] / "shared" / "data")
public = pytest.mark.skipif(not DATA.is_dir(), reason="the public benchmark files are not here: set AZR_DATA")


def written(path, rows, as_lines=False):
    text = "".join(json.dumps(row) + "\n" for row in rows) if as_lines else json.dumps(rows)
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_benchmark_by_its_name_with_its_answers_and_grades():
    problems = read_problems(["small-own-d-tune", "small-own-a-tune"], limit=5)
    assert [problem.key.partition(":")[0] for problem in problems] == ["small-own-d-tune"] * 5 + [
        "small-own-a-tune"
    ] * 5
    assert all(problem.answer and problem.level in "1234" for problem in problems)
    assert len({problem.key for problem in problems}) == 10
    kept_back = read_problems(["small-own-d-tune"], answers=False, limit=5)
    assert [(problem.key, problem.answer) for problem in kept_back] == [(p.key, None) for p in problems[:5]]


@pytest.mark.parametrize("as_lines", [False, True])
def test_a_file_in_ttrls_shape_with_and_without_answers_and_levels(tmp_path, as_lines):
    rows = [{"prompt": "One?", "answer": "1", "id": "a"}, {"prompt": "Two?"}, {"prompt": "3?", "answer": 3, "level": 4}]
    path = tmp_path / ("Mine-L2-TTT.jsonl" if as_lines else "Mine-L2-TTT.json")
    problems = read_problems([written(path, rows, as_lines)])
    assert [(p.key, p.answer, p.level) for p in problems] == [
        ("Mine-L2-TTT:a", "1", "2"),
        ("Mine-L2-TTT:1", None, "2"),
        ("Mine-L2-TTT:2", "3", "4"),
    ]
    assert all(isinstance(problem.check, MathAnswer) for problem in problems)


def test_a_file_whose_answers_are_all_letters_is_multiple_choice(tmp_path):
    rows = [{"prompt": "A or B?", "answer": "A"}, {"prompt": "C or D?", "answer": "D"}]
    assert all(isinstance(p.check, LetterAnswer) for p in read_problems([written(tmp_path / "choice.json", rows)]))


@public
def test_ttrls_own_files_in_the_folder_that_azr_data_names(monkeypatch):
    monkeypatch.setenv("AZR_DATA", str(DATA))
    sizes = {name: len(read_problems([f"ttrl/{name}-TTT.json"])) for name in ("AIME", "AMC", "MATH")}
    assert sizes == {"AIME": 30, "AMC": 83, "MATH": 500}
    by_level = read_problems([f"ttrl/MATH-L{level}-TTT.json" for level in range(1, 6)])
    assert [sum(p.level == str(level) for p in by_level) for level in range(1, 6)] == [43, 90, 105, 128, 134]


def test_a_seed_file_and_a_runs_buffer_give_tasks(tmp_path):
    rows = [
        {"snippet": "def f(x):\n    return x + 1", "input": "1", "output": "9", "imports": []},
        {"snippet": "def f(x):\n    return x +", "input": "1", "output": "9", "imports": []},
    ]
    problems = read_problems([written(tmp_path / "seeds.jsonl", rows, as_lines=True)])
    assert [problem.asked for problem in problems] == [
        Triplet(kind, "def f(x):\n    return x + 1", ("1",), ("2",))
        for kind in (TaskType.DEDUCTION, TaskType.ABDUCTION)
    ]
    assert [problem.answer for problem in problems] == ["2", "1"]
    run = finished_run(tmp_path / "run", steps=1, per_step=1)
    given = read_problems([str(run.folder)])
    assert len(given) == 6
    assert {problem.level for problem in given} == set(TaskType)
    assert all(isinstance(problem.check, TaskAnswer) for problem in given)


@pytest.mark.parametrize(
    ("rows", "told"),
    [([{"answer": "1"}], "problem 1 has no prompt"), (["x"], "JSON object"), ([], "holds no problems")],
)
def test_a_broken_file_is_one_line(tmp_path, rows, told):
    with pytest.raises(UserError, match=told) as caught:
        read_problems([written(tmp_path / "broken.json", rows)])
    assert "\n" not in str(caught.value)


def test_each_benchmark_may_have_a_file_of_its_own_also_one_that_is_read_elsewhere(tmp_path):
    row = {"id": "p", "code": "def f(x):\n    return x", "input": "1", "output": "1"}
    data = [f"{name}={written(tmp_path / name, [row], as_lines=True)}" for name in ("cruxeval-o", "cruxeval-i")]
    both = read_problems(["cruxeval-o", "cruxeval-i"], data)
    assert [problem.key for problem in both] == ["cruxeval-o:p", "cruxeval-i:p"]
    assert read_problems(["cruxeval-i"], data, beside=["cruxeval-o"]) == both[1:]
    with pytest.raises(UserError, match="cruxeval-o is not among"):
        read_problems(["cruxeval-i"], data)


def test_what_is_no_source_is_said_to_be_none(tmp_path):
    with pytest.raises(UserError, match="no benchmark's name, no run, and no file"):
        read_problems(["aime-2024"])
    for name, told in (("text.json", "can't be read as JSON"), ("text.jsonl", "line 1: not JSON")):
        (tmp_path / name).write_text("[nonsense", encoding="utf-8")
        with pytest.raises(UserError, match=told):
            read_problems([str(tmp_path / name)])
