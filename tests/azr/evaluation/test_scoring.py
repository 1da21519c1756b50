"""Sample files, scores, the table and comparisons."""

import json
from pathlib import Path

import pytest

from azr.errors import UserError
from azr.evaluation.benchmarks import BENCHMARKS, TABLE1, find_benchmark
from azr.evaluation.comparison import compare, compare_repeats, judged_files, read_judged
from azr.evaluation.data import DataPlaces, data_places, load_problems
from azr.evaluation.judging.check import Judgement, Tools
from azr.evaluation.judging.task_answer import TaskAnswer
from azr.evaluation.samples import Sample, read_samples, write_judged
from azr.evaluation.scoring import Score, score_counts, score_samples
from azr.evaluation.table import paper_rows, table_row, write_table
from tasks.triplet import Verdict

from .conftest import write_rows

RIGHT, WRONG = Verdict.RIGHT, Verdict.WRONG
PROGRAMS = [
    {"id": f"p{n}", "code": f"def f(x):\n    return x + {n}", "input": "1", "output": str(1 + n)} for n in range(4)
]


@pytest.fixture
def crux_file(tmp_path: Path) -> Path:
    """Four problems of CRUXEval's shape."""
    return write_rows(tmp_path / "crux.jsonl", PROGRAMS)


def score_lines(lines: list[str], data: Path, tools: Tools, ks: list[int]) -> tuple[Score, list[tuple[int, str]]]:
    problems = load_problems(BENCHMARKS["cruxeval-o"], data_places([str(data)], ["cruxeval-o"]))
    path = data.with_name("samples.jsonl")
    path.write_text("\n".join(lines))
    file = read_samples(path, {problem.task_id for problem in problems})
    score = score_samples("cruxeval-o", problems, file, ks, tools)
    return score, [(problem.line, problem.reason) for problem in file.problems]


def sample(task_id: str, completion: str) -> str:
    return json.dumps({"task_id": task_id, "completion": completion})


def test_a_score_has_the_fixed_form(crux_file: Path, tools: Tools) -> None:
    lines = [
        sample("p0", "1"),
        sample("p0", "2"),
        sample("p1", "2"),
        sample("p1", "2"),
        sample("p3", "x"),
        sample("p3", ""),
    ]
    score, problems = score_lines(lines, crux_file, tools, [1, 2, 3])
    found = score.as_json()
    assert problems == []
    assert found["benchmark"] == "cruxeval-o"
    assert found["n_tasks"] == 4
    assert found["per_task"] == {"p0": [2, 1], "p1": [2, 2], "p3": [2, 0]}
    assert found["unanswered"] == ["p2"]
    assert found["pass@k"] == {"1": pytest.approx((0.5 + 1) / 4), "2": pytest.approx(2 / 4), "3": None}
    low, high = found["interval"]["1"]
    assert 0 <= low <= found["pass@k"]["1"] <= high <= 1


def test_bad_lines_are_named_and_the_rest_is_scored(crux_file: Path, tools: Tools) -> None:
    lines = [
        "{broken",
        sample("p0", "1"),
        "",
        '{"task_id": "p1"}',
        '{"completion": "2"}',
        sample("unknown", "2"),
        '["p1", "2"]',
        '{"task_id": "p1", "completion": 2}',
        "\ud83d".encode("utf-8", "surrogatepass").decode("latin-1"),
        "[" * 100_000,
    ]
    score, problems = score_lines(lines, crux_file, tools, [1])
    assert score.counts == {"p0": (1, 1)}
    assert [line for line, _ in problems] == [1, 4, 5, 6, 7, 8, 9, 10]
    assert "task_id" in dict(problems)[5]
    assert "unknown task" in dict(problems)[6]


def test_a_verdict_in_the_file_counts_for_nothing(crux_file: Path, tools: Tools) -> None:
    line = json.dumps({"task_id": "p0", "completion": "99", "verdict": "right"})
    assert score_lines([line], crux_file, tools, [1])[0].counts == {"p0": (1, 0)}


def test_no_samples_at_all_is_nought(crux_file: Path) -> None:
    problems = load_problems(BENCHMARKS["cruxeval-o"], data_places([str(crux_file)], ["cruxeval-o"]))
    score = score_counts("cruxeval-o", problems, {}, [1, 5])
    assert score.percent == 0.0
    assert len(score.unanswered) == 4


# -- where the data is -------------------------------------------------------------------------------------------------


def test_places_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZR_DATA", raising=False)
    for folder in ("a", "b"):
        (tmp_path / folder / "cruxeval").mkdir(parents=True)
    write_rows(tmp_path / "b" / "cruxeval" / "cruxeval.jsonl", PROGRAMS)
    file = write_rows(tmp_path / "mine.jsonl", PROGRAMS[:1])
    crux = BENCHMARKS["cruxeval-o"]
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert len(load_problems(crux, data_places(folders, ["cruxeval-o"]))) == 4
    assert len(load_problems(crux, data_places([*folders, f"cruxeval-o={file}"], ["cruxeval-o", "gsm8k"]))) == 1
    assert len(load_problems(crux, data_places(folders, ["cruxeval-o"]), limit=2)) == 2
    monkeypatch.setenv("AZR_DATA", folders[1])
    assert len(load_problems(crux, data_places([], ["cruxeval-o"]))) == 4


@pytest.mark.parametrize(
    ("option", "message"),
    [("nowhere", "no file or folder"), ("gsm8k={file}", "not among"), ("{file}", "say which benchmark")],
)
def test_places_that_cannot_be_meant(option: str, message: str, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "mine.jsonl", PROGRAMS)
    with pytest.raises(UserError, match=message):
        data_places([option.format(file=file)], ["cruxeval-o", "cruxeval-i"])


def test_a_file_of_something_else_is_refused_with_its_row(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "mine.jsonl", [*PROGRAMS, {"question": "1 + 1?"}])
    with pytest.raises(UserError, match="row 5"):
        load_problems(BENCHMARKS["cruxeval-o"], data_places([str(file)], ["cruxeval-o"]))


def test_rows_come_from_the_hub_through_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real library, pointed at a data set that was built here: the hub itself is out of reach of a test."""
    import datasets

    monkeypatch.delenv("AZR_DATA", raising=False)
    asked = []

    def load(path: str, **options: object) -> datasets.Dataset:
        asked.append((path, options))
        return datasets.Dataset.from_list(PROGRAMS)

    monkeypatch.setattr(datasets, "load_dataset", load)
    problems = load_problems(BENCHMARKS["cruxeval-o"], data_places([], ["cruxeval-o"]), limit=3)
    assert [problem.task_id for problem in problems] == ["p0", "p1", "p2"]
    assert asked == [("cruxeval-org/cruxeval", {"split": "test", "name": None})]


# -- the table ---------------------------------------------------------------------------------------------------------


def test_the_papers_averages_follow_from_its_columns() -> None:
    rows = paper_rows()
    assert len(rows) == 16
    for row in rows:
        again = table_row(row.model, row.scores)
        assert again.code_average == pytest.approx(row.code_average, abs=0.11), row.model
        assert again.math_average == pytest.approx(row.math_average, abs=0.11), row.model


def test_code_and_mathematics_weigh_the_same(tmp_path: Path) -> None:
    scores = {benchmark.name: 30.0 if benchmark.area == "code" else 60.0 for benchmark in TABLE1}
    row = table_row("ours", scores)
    assert (row.code_average, row.math_average, row.average) == (30.0, 60.0, 45.0)
    write_table(tmp_path / "t.csv", [row])
    head, line = (tmp_path / "t.csv").read_text().splitlines()
    assert head.split(",")[-3:] == ["code_avg", "math_avg", "avg"]
    assert line.split(",")[-3:] == ["30.0", "60.0", "45.0"]


# -- comparisons -------------------------------------------------------------------------------------------------------


def judged(pattern: dict[str, str]) -> list[Sample]:
    return [Sample(task, "", RIGHT if mark == "+" else WRONG) for task, marks in pattern.items() for mark in marks]


def test_who_alone_solves_what() -> None:
    a = judged({"x": "++", "y": "+-", "z": "--", "only a answered": "+"})
    b = judged({"x": "+-", "y": "--", "z": "-+"})
    found = compare("humaneval", a, b)
    assert (found.problems, found.left_out) == (3, 1)
    assert (found.only_a, found.only_b) == (("y",), ("z",))
    assert found.a == pytest.approx(0.5)
    assert found.difference == pytest.approx(-1 / 6)
    assert found.low <= found.difference <= found.high


def test_pairing_makes_a_steady_difference_certain() -> None:
    """B solves what A solves, and a fifth more: the interval of the difference is far from 0 on 200 problems."""
    a = judged({str(n): "+" if n % 2 else "-" for n in range(200)})
    b = judged({str(n): "+" if n % 2 or n % 5 == 0 else "-" for n in range(200)})
    found = compare("humaneval", a, b)
    assert found.low > 0.04
    assert not found.only_a


def test_samples_without_verdicts_are_not_compared(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "humaneval.jsonl", [{"task_id": "a", "completion": ""}])
    with pytest.raises(UserError, match="no verdict"):
        read_judged(path)
    with path.open("w", encoding="utf-8") as file:
        write_judged(file, "a", "", Judgement(RIGHT))
    assert [s.verdict for s in read_judged(path)] == [RIGHT]
    assert judged_files(str(tmp_path)) == {"humaneval": path}
    with pytest.raises(UserError, match="no such file"):
        judged_files(str(tmp_path / "nothing"))


# -- small programs ----------------------------------------------------------------------------------------------------


def test_scores_tell_grades_and_how_often_the_question_is_repeated(tools: Tools, tmp_path: Path) -> None:
    problems = load_problems(find_benchmark("small-own-d-tune"), DataPlaces())
    straight = next(problem for problem in problems if problem.grade == 1)
    looping = next(problem for problem in problems if problem.grade == 4)
    assert isinstance(straight.check, TaskAnswer)
    task = straight.check.task
    path = tmp_path / "samples.jsonl"
    texts = [(straight, task.output), (straight, task.input), (looping, "None"), (looping, "")]
    path.write_text("".join(sample(problem.task_id, text) + "\n" for problem, text in texts))
    score = score_samples("small-own-d-tune", [straight, looping], read_samples(path), [1, 2], tools)
    found = score.as_json()
    assert found["by_grade"] == {"1": 0.5, "4": 0.0}
    assert found["repeats"] == pytest.approx(1 / 4)
    assert found["pass@k"] == {"1": pytest.approx(1 / 4), "2": pytest.approx(1 / 2)}


def test_repeats_are_compared_where_both_were_asked() -> None:
    def judged(*repeats: bool | None) -> list[Sample]:
        return [Sample(f"p{n // 2}", "", WRONG, repeating) for n, repeating in enumerate(repeats)]

    found = compare_repeats("small", judged(True, True, True, False), judged(False, False, True, False))
    assert found is not None
    assert (found.measure, found.a, found.b, found.difference) == ("repeats", 0.75, 0.25, -0.5)
    assert compare_repeats("small", judged(True, None), judged(True, True)) is None


def test_pass_at_k_is_compared_too() -> None:
    a = [Sample("p0", "", verdict) for verdict in (RIGHT, WRONG, WRONG, WRONG)]
    b = [Sample("p0", "", verdict) for verdict in (RIGHT, RIGHT, WRONG, WRONG)]
    assert compare("x", a, b, k=2).a == pytest.approx(1 / 2)
    assert compare("x", a, b, k=2).b == pytest.approx(5 / 6)
    with pytest.raises(UserError, match="too few for --k 5"):
        compare("x", a, b, k=5)


def test_two_questions_about_one_program_are_compared_together() -> None:
    """The interval of two questions that always agree is that of one."""
    right = [0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1]

    def answers(copies: int, verdicts: list[int]) -> list[Sample]:
        return [
            Sample(f"p{n:02}#{copy}", "", RIGHT if one else WRONG)
            for n, one in enumerate(verdicts)
            for copy in range(copies)
        ]

    one = compare("x", answers(1, [0] * 12), answers(1, right))
    two = compare("x", answers(2, [0] * 12), answers(2, right))
    assert (two.low, two.high) == pytest.approx((one.low, one.high))
