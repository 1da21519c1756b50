"""`azr boundary` of models: what is missing is sampled, judged and kept, and everything can be had of it later."""

import json
import math

import pytest
import torch
from typer.testing import CliRunner

from azr.boundary.perplexity import Answers, perplexities
from azr.boundary.problem_set import read_problem_set
from azr.boundary.scoring import surprise
from azr.boundary.temperature import matching_temperature
from azr.cli import app
from azr.errors import UserError
from azr.evaluation.benchmark import PromptForm
from azr.evaluation.sampling import prompt_ids
from azr.rollout.transformers import TransformersEngine
from azr.training.checkpoint import save_checkpoint
from tests.azr.boundary.files import write_lines
from tests.azr.browser import CONTRAST, needs_browser, opened
from tests.azr.finished import trained_run
from tests.azr.players import tiny_model_folder
from tests.azr.rollout.tiny import byte_tokenizer, tiny_model, tiny_policy

ROWS = [{"id": f"p{n}", "code": f"def f(x):\n    return x + {n}", "input": "1", "output": str(1 + n)} for n in range(6)]
ASKING = ("-t", 1.0, "--max-tokens", 4, "--precision", "fp32", "--device", "cpu", "--engine", "transformers")


def run(*words):
    found = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    return found.output


def found(*words):
    done = CliRunner().invoke(app, [*map(str, words), "--json"], catch_exceptions=False)
    return json.loads(done.stdout)


def refused(*words):
    error = CliRunner().invoke(app, [str(word) for word in words]).exception
    assert isinstance(error, UserError), error
    return str(error)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with two small models and problems; torch on one thread."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("base", "other")):
        tiny_model(seed=number).save_pretrained(tmp_path / name)
        byte_tokenizer().save_pretrained(tmp_path / name)
    write_lines(tmp_path / "crux.jsonl", ROWS)
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """How many samples the engine was asked for, call by call."""
    counts = []
    generate = TransformersEngine.generate

    def counted(self, requests, on_done=None):
        counts.append(sum(request.n for request in requests))
        return generate(self, requests, on_done)

    monkeypatch.setattr(TransformersEngine, "generate", counted)
    return counts


def crux(place, *words):
    return ("boundary", "-b", "cruxeval-o", "--data", place / "crux.jsonl", *ASKING, *words)


def test_models_are_asked_once_and_their_samples_read_ever_after(place, asked):
    words = crux(place, "a=base", "b=other", "--limit", 4, "--folder", "study")
    study = found(*words, "-n", 6)
    assert asked == [24, 24]
    assert study["problems"] == 4
    assert [side["samples"] for side in study["sides"]] == [24, 24]
    assert all(side["entropy"] > 0 for side in study["sides"])
    assert study["sides"][0]["asked"]["temperature"] == 1.0
    again = found(*words, "-n", 6)
    assert len(asked) == 2
    assert again["per_problem"] == study["per_problem"]
    more = found(*words, "-n", 8)
    assert asked[2:] == [8, 8]
    assert [side["samples"] for side in more["sides"]] == [32, 32]
    fewer = found(*words, "-n", 6)  # of those that are there the first count
    assert fewer["per_problem"] == study["per_problem"]
    without = found("boundary", "study/a", "study/b", "-n", 6)
    assert without["per_problem"] == study["per_problem"]
    assert without["sides"][1]["asked"]["model"] == "other"
    assert len(asked) == 4


def test_a_page_that_cant_be_written_is_told_before_anything_is_asked(place, asked):
    assert "make its folder first" in refused(*crux(place, "a=base", "b=other", "-n", 4, "--out", "no/page.html"))
    assert not asked


def test_a_stopped_study_goes_on(place, asked, monkeypatch):
    whole = found(*crux(place, "a=base", "b=other", "-n", 4, "--folder", "whole"))
    del asked[:]
    generate = TransformersEngine.generate

    def interrupted(self, requests, on_done=None):
        done = 0

        def stop_early(index, completions):
            nonlocal done
            on_done(index, completions)
            done += 1
            if done == 3:
                raise KeyboardInterrupt

        return generate(self, requests, stop_early)

    with monkeypatch.context() as patch:
        patch.setattr(TransformersEngine, "generate", interrupted)
        CliRunner().invoke(app, [str(word) for word in crux(place, "a=base", "b=other", "-n", 4, "--folder", "half")])
    kept = (place / "half" / "a" / "cruxeval-o.jsonl").read_text().splitlines()
    assert 0 < len(kept) < 24
    again = found(*crux(place, "a=base", "b=other", "-n", 4, "--folder", "half"))
    assert asked[1:] == [24 - len(kept), 24]
    assert again["per_problem"] == whole["per_problem"]  # the samples depend on nothing but seed and problem


def test_the_samples_of_azr_eval_are_the_studys(place, asked):
    words = ("eval", "run", "base", "-b", "cruxeval-o", "--data", place / "crux.jsonl", "-n", 3, "--top-p", 0.9)
    run(*words, *ASKING)
    assert asked == [18]
    found(*crux(place, "a=base", "b=other", "-n", 3, "--top-p", 0.9))
    assert asked == [18, 18]
    assert (place / "runs/eval/base/completion-t1-p0.9/cruxeval-o.jsonl").is_file()


def test_problems_may_be_a_file_or_a_runs_own_tasks_and_several_are_pooled(place):
    rows = [{"prompt": f"What is {n} + 1?", "answer": str(n + 1), "id": n} for n in range(3)]
    write_lines(place / "sums.jsonl", rows)
    trained_run(place / "runs" / "warm", base=place / "base")
    sides = ("boundary", "a=base", "b=other", "-n", 2, "--style", "completion", *ASKING)
    assert found(*sides, "-b", "sums.jsonl")["problems"] == 3
    own = found(*sides, "-b", "warm", "--limit", 5)
    assert own["problems"] == 5
    both = found(*sides, "-b", "sums.jsonl", "-b", "warm", "--limit", 2)
    ids = sorted(both["per_problem"])
    assert len(ids) == 4
    assert {name.split(":")[0] for name in ids} == {"sums", "warm"}
    (place / "more").mkdir()
    write_lines(place / "more" / "sums.jsonl", rows)
    assert "are both called sums" in refused(*sides, "-b", "sums.jsonl", "-b", "more/sums.jsonl")
    write_lines(place / "open.jsonl", [{"prompt": "What is life?"}])
    assert "is not known" in refused(*sides, "-b", "open.jsonl")


def test_a_runs_checkpoints_are_a_course(place, asked):
    run_, policy = trained_run(place / "runs" / "warm", base=place / "base", step=4)
    save_checkpoint(run_, 8, policy, {}, {}, keep=0)
    study = found(*crux(place, "warm", "--steps", "all", "-n", 3, "--folder", "course", "--out", "page.html"))
    assert asked == [18, 18, 18]
    course = study["course"]
    assert [stop["step"] for stop in course["stops"]] == [0, 4, 8]
    assert course["k"] == 3
    assert all(stop["entropy"] > 0 for stop in course["stops"])
    assert course["stops"][1]["once"] == course["stops"][2]["once"]  # the same weights, the same dice
    assert course["stops"][0]["entropy"] != course["stops"][1]["entropy"]
    assert [side["label"] for side in study["sides"]] == ["step 0", "step 8"]
    base = found(*crux(place, "a=base", "b=warm@8", "-n", 3))
    assert base["sides"][0]["entropy"] == pytest.approx(course["stops"][0]["entropy"])  # step 0 is what it began with
    assert "pass@1 goes from" in run(*crux(place, "warm", "--steps", "0,8", "-n", 3, "--folder", "course"))
    assert "no checkpoint of step 3" in refused(*crux(place, "warm", "--steps", "0,3"))
    assert "wants one run" in refused(*crux(place, "base", "--steps", "all"))


def test_the_temperature_of_equal_entropy_is_found_and_kept(place, asked):
    words = crux(place, "a=base", "b=other", "-n", 16, "--equal-entropy", "--folder", "even", "-t", 0.5)
    study = found(*words)
    pilots = len(asked) - 2
    assert pilots >= 2
    (record,) = (place / "even" / "b").glob("equal-entropy-*.json")
    match, written = json.loads(record.read_text()), record.stat().st_mtime_ns
    assert match["entropy"] == pytest.approx(match["wanted"], rel=0.1)
    first, second = study["sides"]
    assert second["asked"]["temperature"] == match["temperature"]
    assert first["asked"]["temperature"] == 0.5
    assert second["entropy"] == pytest.approx(first["entropy"], rel=0.15)
    found(*words)
    assert len(asked) == pilots + 2  # neither searched nor sampled again
    assert record.stat().st_mtime_ns == written


def test_a_temperature_is_found_by_halving_or_said_to_be_out_of_reach():
    match = matching_temperature(lambda t: t**2, 1.21, 0.6)
    assert match.temperature == pytest.approx(1.1, abs=0.01)
    assert matching_temperature(lambda t: t, 0.1, 0.6).temperature == pytest.approx(0.1, abs=0.01)
    assert len(match.tried) <= 16
    with pytest.raises(UserError, match="even at temperature 4"):
        matching_temperature(lambda t: 0.3, 0.5, 0.6)
    with pytest.raises(UserError, match=r"even at temperature 0\.05"):
        matching_temperature(lambda t: 0.3, 0.1, 0.6)


def test_perplexities_are_those_of_separate_rows(place):
    """Packed behind shared prompts they are what transformers gives each row by itself."""
    policy = tiny_policy()
    problems = read_problem_set(["cruxeval-o"], [str(place / "crux.jsonl")], None)
    texts = [(f"p{n}", text) for n in range(6) for text in ("7", "[1, 2]", f"it may be {n}", "")]
    packed = list(surprise(policy, problems, PromptForm.COMPLETION, texts))
    for (task_id, text), (tokens, nats) in zip(texts, packed, strict=True):
        ids = policy.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokens == len(ids)
        if not ids:
            assert nats == 0
            continue
        prompt = prompt_ids(policy, problems.by_id[task_id], PromptForm.COMPLETION)
        row = torch.tensor([[*prompt, *ids]])
        labels = torch.tensor([[*[-100] * len(prompt), *ids]])
        with torch.no_grad():
            expected = policy.model(input_ids=row, labels=labels).loss.exp().item()
        assert math.exp(nats / tokens) == pytest.approx(expected, rel=1e-4)


def test_perplexities_of_every_side_and_of_others_under_every_model(place, monkeypatch):
    teacher = [{"task_id": f"p{n}", "completion": str(1 + n)} for n in range(6)]
    write_lines(place / "teacher.jsonl", teacher)
    words = crux(place, "a=base", "b=other", "-n", 3, "--perplexity", 2, "--answers", "teacher=teacher.jsonl")
    study = found(*words)
    pairs = {(one["under"], one["of"]): one for one in study["perplexity"]}
    assert set(pairs) == {(under, of) for under in "ab" for of in ("a", "b", "teacher")}
    assert len(pairs["a", "teacher"]["values"]) == 6
    assert all(one["percentiles"]["5"] <= one["percentiles"]["95"] for one in study["perplexity"])
    assert pairs["a", "a"]["percentiles"]["50"] < pairs["b", "a"]["percentiles"]["50"]  # its own words surprise it less
    monkeypatch.setattr("azr.boundary.scoring.load_policy", None)  # all is there: no model is loaded
    assert found(*words)["perplexity"] == study["perplexity"]
    with pytest.raises(UserError, match="has a token"):
        perplexities("a", Answers("x", (("p0", ""),)), {("p0", "e3b0c44298fc1c14"): (0, 0.0)})


@pytest.fixture(scope="module")
def course_page(tmp_path_factory):
    """A run's course with perplexities, made once."""
    folder = tmp_path_factory.mktemp("course")
    base = tiny_model_folder(folder / "base")
    write_lines(folder / "crux.jsonl", ROWS)
    run_, policy = trained_run(folder / "runs" / "warm", base=base, step=4)
    save_checkpoint(run_, 8, policy, {}, {}, keep=0)
    page = folder / "page.html"
    words = ("--steps", "all", "-n", 3, "--perplexity", 2, "--out", page, "--folder", folder / "course")
    run(*crux(folder, folder / "runs" / "warm", *words))
    return page


@needs_browser
@pytest.mark.parametrize(("width", "dark"), [(400, True), (1200, False)])
def test_course_and_perplexities_are_drawn(browser, course_page, width, dark):
    page, trouble = opened(browser, course_page, width, dark)
    assert trouble == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert page.evaluate(CONTRAST) == []
    for name in ("course", "entropy", "perplexity"):
        figure = page.locator(f"#{name}")
        assert figure.locator("svg .mark-line path, svg .mark-rect path").count() > 0
        assert len(figure.locator("tbody tr").all()) > 0
    page.close()


def test_what_is_wrong_with_marks_and_answers_is_said_before_anything_is_sampled(place, asked):
    write_lines(place / "teacher.jsonl", [{"task_id": "p0", "completion": "1"}])
    words = crux(place, "a=base", "b=other", "-n", 2)
    assert "none.jsonl can't be read" in refused(*words, "--marks", "none.jsonl")
    assert "give LABEL=FILE" in refused(*words, "--answers", "t=none.jsonl")
    assert "b is a side" in refused(*words, "--answers", "b=teacher.jsonl")
    assert "t is given twice" in refused(*words, *("--answers", "t=teacher.jsonl") * 2)
    assert asked == []


def test_what_can_not_be_asked_is_one_line(place):
    assert "say with --benchmark" in refused("boundary", "nothing", "here")
    assert "two sides or more" in refused(*crux(place, "base"))
    write_lines(place / "a.jsonl", [{"task_id": "p0", "completion": "1", "verdict": "right"}])
    assert "every side is a file" in refused(*crux(place, "a.jsonl", "x=a.jsonl", "--perplexity", 1))
    assert "how likely their tokens were" in refused(*crux(place, "a.jsonl", "other", "--equal-entropy"))
    assert "about a benchmark's problems" in refused("boundary", "a.jsonl", "x=a.jsonl", "--limit", 3)
