"""The sets with images, in the shapes in which they are published."""

import json
from pathlib import Path

import pytest

from azr.errors import UserError
from azr.evaluation.benchmark import PromptForm
from azr.evaluation.benchmarks import BENCHMARKS, SUITES
from azr.evaluation.data import data_places, load_problems
from azr.evaluation.judging.check import Tools
from azr.problems.sources import read_problems
from tasks.triplet import Verdict

from .pictures import drawn, mathvision_rows, mathvista_rows, published, write_images, write_parquet


def problems(name: str, place: Path) -> list:
    return load_problems(BENCHMARKS[name], data_places([str(place)], [name]))


def test_rows_come_with_their_images_from_parquet_and_from_files(tmp_path: Path) -> None:
    data = published(tmp_path)
    vista, vision = problems("mathvista", data), problems("mathvision", data)
    assert [problem.task_id for problem in vista] == ["1", "2", "3", "4"]
    assert [problem.task_id for problem in vision] == ["1", "2", "3"]
    assert [problem.grade for problem in vision] == [1, 2, 2]
    for found in (vista, vision):
        assert [[image.read() for image in problem.images] for problem in found] == [
            [drawn(n)] for n in range(len(found))
        ]


def test_mathvistas_json_has_each_row_under_its_id(tmp_path: Path) -> None:
    rows = mathvista_rows()
    file = tmp_path / "mathvista" / "annot_testmini.json"
    file.parent.mkdir()
    file.write_text(json.dumps({row["pid"]: row for row in rows}, indent=1), encoding="utf-8")
    write_images(file.parent, rows)
    assert [problem.images[0].read() for problem in problems("mathvista", tmp_path)] == [drawn(n) for n in range(4)]
    assert problems("mathvista", file) == problems("mathvista", tmp_path)


def test_each_question_says_how_its_answer_is_wanted(tmp_path: Path) -> None:
    asked = [problem.prompts[PromptForm.REASONING].text for problem in problems("mathvista", published(tmp_path))]
    assert "whole number" in asked[0]
    assert "one decimal place, once" in asked[1]
    assert "(Unit: cm)" in asked[1]
    assert "(A) green\n(B) red\n(C) blue" in asked[2]
    assert "letter of the right option" in asked[2]
    assert "list alone" in asked[3]


@pytest.mark.parametrize(
    ("name", "number", "right", "wrong"),
    [
        ("mathvista", 0, "1", "2"),
        ("mathvista", 1, "1.46", "1.56"),
        ("mathvista", 2, "red", "blue"),
        ("mathvista", 2, "B", "A"),
        ("mathvista", 3, "[6, 12, 18, 24]", "[6, 12, 18]"),
        ("mathvision", 0, "1", "A"),
        ("mathvision", 1, "(B)", "C"),
        ("mathvision", 2, "C", "6"),
    ],
)
def test_answers_are_judged_as_the_row_says(
    name: str, number: int, right: str, wrong: str, tmp_path: Path, tools: Tools
) -> None:
    check = problems(name, published(tmp_path))[number].check
    judged = check.judge(tools, [rf"So \boxed{{{answer}}}." for answer in (right, wrong)])
    assert [judgement.verdict is Verdict.RIGHT for judgement in judged] == [True, False]


def test_no_image_is_wanted_before_a_model_is_asked(tmp_path: Path) -> None:
    """Samples made elsewhere can be scored without the images; a model can't be asked without them."""
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in mathvision_rows()), encoding="utf-8")
    found = problems("mathvision", file)
    assert len(found) == 3
    with pytest.raises(UserError, match=r"images/1\.png is not in .* unpack"):
        found[0].images[0].read()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": None}, "the row has no image"),
        ({"answer": ""}, "testmini alone has answers"),
        ({"answer_type": "essay"}, "answer_type is 'essay'"),
        ({"question_type": "multi_choice", "choices": ["x"]}, "row 1 is not one of MathVista"),
        ({"answer_type": "float"}, "row 1 is not one of MathVista"),
    ],
)
def test_a_row_that_lacks_something_is_named(change: dict, message: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(mathvista_rows()[0] | change) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=message):
        problems("mathvista", file)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    file = tmp_path / "testmini-0.parquet"
    file.write_bytes(b"not a table")
    with pytest.raises(UserError, match=r"testmini-0\.parquet can't be read as parquet"):
        problems("mathvista", file)


def test_the_hubs_rows_are_read_with_their_files_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real library, pointed at a parquet file of the published shape: the hub itself is out of reach of a test."""
    import datasets

    monkeypatch.delenv("AZR_DATA", raising=False)
    file = write_parquet(tmp_path / "testmini.parquet", mathvista_rows())
    stored = datasets.Dataset.from_parquet(str(file), cache_dir=str(tmp_path / "cache"))
    asked = stored.cast_column("decoded_image", datasets.Image())
    monkeypatch.setattr(datasets, "load_dataset", lambda path, **options: asked)
    found = load_problems(BENCHMARKS["mathvista"], data_places([], ["mathvista"]))
    assert [problem.images[0].read() for problem in found] == [drawn(n) for n in range(4)]


def test_what_is_missing_is_said_with_where_it_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"mathvista/data/testmini-\*\.parquet or .*annot_testmini\.json"):
        problems("mathvista", tmp_path)


def test_the_suite_of_images_is_no_part_of_all() -> None:
    assert [benchmark.name for benchmark in SUITES["images"]] == ["mathvista", "mathvision"]
    assert not set(SUITES["images"]) & set(SUITES["all"])


def test_training_takes_text_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes text alone, and problem 1 has an image"):
        read_problems(["mathvision"], [str(published(tmp_path))])
