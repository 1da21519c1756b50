"""`azr eval run` and `azr boundary` of an image-text model, from published files to pass@k; what is refused."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from azr.cli import app
from azr.errors import UserError
from azr.rollout.image_text import ImageTextEngine
from tests.azr.players import tiny_model_folder
from tests.azr.rollout.tiny_images import tiny_llava, written

from .pictures import drawn, mathvision_rows, published

ASKING = ("-t", 1.0, "--max-tokens", 6, "--precision", "fp32", "--device", "cpu", "--engine", "transformers")


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two image-text models, a text model and the data."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("images")
    written(tiny_llava(), folder / "base")
    written(tiny_llava(seed=1), folder / "other")
    tiny_model_folder(folder / "text")
    published(folder / "data")
    return folder


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples the engine was asked for, call by call."""
    counts: list[int] = []
    generate = ImageTextEngine.generate

    def counted(self: ImageTextEngine, requests: list, on_done: object = None) -> list:
        counts.append(sum(request.n for request in requests))
        return generate(self, requests, on_done)

    monkeypatch.setattr(ImageTextEngine, "generate", counted)
    return counts


def run(*words: object) -> str:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False).output


def refused(*words: object) -> str:
    error = CliRunner().invoke(app, [str(word) for word in words]).exception
    assert isinstance(error, UserError), error
    return str(error)


def evaluation(folder: Path, out: Path, *words: object, model: str = "base") -> tuple[object, ...]:
    suite = ("-b", "mathvista", "-b", "mathvision", "--data", folder / "data")
    return ("eval", "run", folder / model, *suite, "--out", out, *ASKING, *words)


def lines(out: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]


def test_a_model_is_evaluated_on_both_sets(llava: Path, tmp_path: Path, asked: list[int]) -> None:
    run(*evaluation(llava, tmp_path / "out", "-n", 3))
    assert asked == [12, 9]
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())["scores"]
    assert [(score["benchmark"], score["n_tasks"]) for score in scores] == [("mathvista", 4), ("mathvision", 3)]
    assert set(scores[0]["pass@k"]) == {"1", "2", "3"}
    assert set(scores[1]["by_grade"]) == {"1", "2"}
    kept = lines(tmp_path / "out", "mathvista")
    assert all(line["verdict"] in ("right", "wrong", "unparsed") and line["nats"] > 0 for line in kept)
    run(*evaluation(llava, tmp_path / "again", "-n", 3))
    assert lines(tmp_path / "again", "mathvista") == kept
    run(*evaluation(llava, tmp_path / "out", "-n", 5))
    assert asked[4:] == [8, 6]


def test_a_stopped_evaluation_goes_on(
    llava: Path, tmp_path: Path, asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*evaluation(llava, tmp_path / "whole", "-n", 2))
    generate = ImageTextEngine.generate

    def interrupted(self: ImageTextEngine, requests: list, on_done: object = None) -> list:
        done: list[int] = []

        def stop_early(index: int, completions: list) -> None:
            on_done(index, completions)
            done.append(index)
            if len(done) == 2:
                raise KeyboardInterrupt

        return generate(self, requests, stop_early)

    with monkeypatch.context() as patch:
        patch.setattr(ImageTextEngine, "generate", interrupted)
        CliRunner().invoke(app, [str(word) for word in evaluation(llava, tmp_path / "half", "-n", 2)])
    assert len(lines(tmp_path / "half", "mathvista")) == 4
    del asked[:]
    run(*evaluation(llava, tmp_path / "half", "-n", 2))
    assert asked == [4, 6]

    def in_order(out: Path) -> list[str]:
        return sorted(json.dumps(line) for name in ("mathvista", "mathvision") for line in lines(out, name))

    assert in_order(tmp_path / "half") == in_order(tmp_path / "whole")


def test_the_boundary_of_two_models(llava: Path, tmp_path: Path, asked: list[int]) -> None:
    words = ("boundary", f"a={llava / 'base'}", f"b={llava / 'other'}", "-b", "mathvista", "--data", llava / "data")
    words = (*words, *ASKING, "--folder", tmp_path / "study", "--out", tmp_path / "page.html", "--json")
    found = CliRunner().invoke(app, [str(word) for word in (*words, "-n", 8)], catch_exceptions=False)
    study = json.loads(found.stdout)
    assert asked == [32, 32]
    assert study["problems"] == 4
    assert [side["samples"] for side in study["sides"]] == [32, 32]
    assert all(side["entropy"] > 0 for side in study["sides"])
    assert [side["pass@k"]["k"][-1] for side in study["sides"]] == [8, 8]
    assert (tmp_path / "page.html").is_file()
    settings = json.loads((tmp_path / "study" / "a" / "settings.json").read_text())
    assert settings["form"] == "reasoning"
    again = CliRunner().invoke(app, [str(word) for word in (*words, "-n", 8)], catch_exceptions=False)
    assert json.loads(again.stdout)["per_problem"] == study["per_problem"]
    assert len(asked) == 2


def test_what_can_not_be_asked_is_refused_before_anything_is_sampled(
    llava: Path, tmp_path: Path, asked: list[int]
) -> None:
    out = tmp_path / "out"
    assert "has no image processor" in refused(*evaluation(llava, out, model="text"))
    assert "--style reasoning" in refused(*evaluation(llava, tmp_path / "styled", "--style", "completion"))
    sides = ("boundary", llava / "base", llava / "other", "-b", "mathvision", "--data", llava / "data")
    assert "--perplexity takes text alone" in refused(*sides, "--perplexity", 1)
    assert "--style reasoning" in refused(*sides, "--style", "completion")
    assert not asked
    assert not list(tmp_path.rglob("*.jsonl"))


def test_an_image_that_is_missing_or_broken_is_named_before_anything_is_sampled(
    llava: Path, tmp_path: Path, asked: list[int]
) -> None:
    rows = mathvision_rows()
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ("eval", "run", llava / "base", "-b", "mathvision", "--data", file, "--out", tmp_path / "out", *ASKING)
    (tmp_path / "images").mkdir()
    for number in range(3):
        (tmp_path / "images" / f"{number + 1}.png").write_bytes(drawn(number) if number < 2 else b"cut off")
    assert refused(*words).startswith("problem 3: an image can't be opened")
    (tmp_path / "images" / "2.png").unlink()
    assert "images/2.png is not in" in refused(*words)
    assert not asked


def test_answers_to_images_are_not_learned(llava: Path, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher.jsonl"
    teacher.write_text(json.dumps({"task_id": "1", "completion": r"\boxed{1}"}) + "\n", encoding="utf-8")
    words = ("distill", teacher, "-b", "mathvision", "--data", llava / "data", "--model", llava / "base")
    assert "azr distill takes text alone" in refused(*words, "--out", tmp_path / "taught")
