"""A teacher's answers: which are learned, that it is cross-entropy, and that what was learned can be asked for."""

import json

import pytest
import torch
from typer.testing import CliRunner

from azr.boundary.problem_set import read_problem_set
from azr.cli import app
from azr.config.fields import ModelConfig
from azr.distillation.lessons import read_lessons
from azr.distillation.training import FineTuning, as_samples, fine_tune
from azr.errors import UserError
from azr.evaluation.benchmark import PromptForm
from tests.azr.boundary.files import write_lines
from tests.azr.learner.models import row_logprobs
from tests.azr.players import tiny_model_folder
from tests.azr.rollout.tiny import tiny_policy

ROWS = [{"id": f"p{n}", "code": f"def f(x):\n    return x + {n}", "input": "1", "output": str(1 + n)} for n in range(4)]
ON = ("--precision", "fp32", "--device", "cpu")


@pytest.fixture
def place(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "crux.jsonl", ROWS)
    right = [{"task_id": f"p{n}", "completion": str(1 + n)} for n in range(4)]
    wrong = [{"task_id": "p0", "completion": "99"}, {"task_id": "who", "completion": "1"}]
    write_lines(tmp_path / "teacher.jsonl", [*right, *wrong, right[2]])
    return tmp_path


def problems(place):
    return read_problem_set(["cruxeval-o"], [str(place / "crux.jsonl")], None)


def test_right_answers_are_learned_once_each(place):
    teacher = place / "teacher.jsonl"
    lessons = read_lessons(teacher, problems(place), every=False, each=None)
    assert (lessons.read, lessons.right) == (5, 4)
    assert sorted(lesson.text for lesson in lessons.chosen) == ["1", "2", "3", "4"]
    assert len(read_lessons(teacher, problems(place), every=True, each=None).chosen) == 5
    given = [{"task_id": "p0", "completion": str(n), "verdict": "right"} for n in range(3)]  # a verdict given is taken
    assert len(read_lessons(write_lines(place / "a.jsonl", given), problems(place), False, 2).chosen) == 2
    with pytest.raises(UserError, match="nothing to learn: 1 answers"):
        read_lessons(
            write_lines(place / "b.jsonl", [{"task_id": "p0", "completion": "8"}]), problems(place), False, None
        )


def test_the_loss_is_the_mean_cross_entropy_of_separate_rows(place):
    policy = tiny_policy()
    lessons = read_lessons(place / "teacher.jsonl", problems(place), every=True, each=None).chosen
    samples = as_samples(policy, lessons, PromptForm.COMPLETION)
    assert all(policy.tokenizer.decode(sample.response_ids).endswith("\n") for sample in samples)  # where it stops
    with torch.no_grad():
        every = torch.cat([row_logprobs(policy.model, sample) for sample in samples])
    tuning = FineTuning(epochs=2, batch=len(samples), learning_rate=1e-3)
    first, second = fine_tune(policy, ModelConfig(), samples, tuning, lambda _: None)
    assert first == pytest.approx(-every.mean().item(), rel=1e-5)
    assert second < first


def test_an_epochs_cross_entropy_weighs_every_token_alike_however_the_answers_are_dealt(place):
    policy = tiny_policy()
    given = [{"task_id": f"p{n}", "completion": "7" * 5 ** (n % 3)} for n in range(4)]  # 1, 5, 25 and 1 long
    lessons = read_lessons(write_lines(place / "long.jsonl", given), problems(place), every=True, each=None).chosen
    samples = as_samples(policy, lessons, PromptForm.COMPLETION)
    with torch.no_grad():
        every = torch.cat([row_logprobs(policy.model, sample) for sample in samples])
    (told,) = fine_tune(policy, ModelConfig(), samples, FineTuning(1, batch=1, learning_rate=1e-12), lambda _: None)
    assert told == pytest.approx(-every.mean().item(), rel=1e-5)


def test_an_answer_in_a_chat_ends_with_its_turn_or_the_tokenizers_end(place):
    policy = tiny_policy()
    lessons = read_lessons(place / "teacher.jsonl", problems(place), every=False, each=1).chosen
    policy.tokenizer.chat_template = "{% for turn in messages %}{{ turn['content'] }}\n{% endfor %}"
    ends = {sample.response_ids[-1] for sample in as_samples(policy, lessons, PromptForm.REASONING)}
    assert ends == {policy.tokenizer.eos_token_id}
    policy.tokenizer.eos_token = None
    with pytest.raises(UserError, match="no token that ends an answer"):
        as_samples(policy, lessons, PromptForm.REASONING)


def test_what_was_taught_can_be_asked_for(place):
    model = tiny_model_folder(place / "base")
    words = ["distill", "teacher.jsonl", "-b", "cruxeval-o", "--data", "crux.jsonl", "--model", str(model), *ON]
    words += ["--out", "taught", "--epochs", "60", "--learning-rate", "0.003", "--json"]
    made = json.loads(CliRunner().invoke(app, words, catch_exceptions=False).stdout)
    assert made["teachers"] == [
        {"file": "teacher.jsonl", "benchmark": "cruxeval-o", "answers": 5, "right": 4, "learned": 4}
    ]
    assert made["cross_entropy"][-1] < 0.5 * made["cross_entropy"][0]
    record = json.loads((place / "taught" / "distill.json").read_text())
    assert made == {"folder": "taught", **record}
    assert (record["model"], record["precision"], record["style"]) == (str(model), "fp32", "completion")
    assert (record["data"], record["each"], record["row_tokens"]) == (["crux.jsonl"], None, 4096)
    asked = ["boundary", "base=base", "taught=taught", "-b", "cruxeval-o", "--data", "crux.jsonl", "-n", "8", *ON]
    asked += ["-t", "0.5", "--max-tokens", "4", "--json"]
    study = json.loads(CliRunner().invoke(app, asked, catch_exceptions=False).stdout)
    base, taught = (side["right"] for side in study["sides"])
    assert taught > base
    again = CliRunner().invoke(app, words).exception
    assert isinstance(again, UserError)
    assert "is there already" in str(again)


def test_each_benchmark_may_have_a_file_of_its_own(place):
    tiny_model_folder(place / "base")
    guesses = [{"task_id": f"p{n}", "completion": "1"} for n in range(4)]  # an input that gives the output
    write_lines(place / "inputs.jsonl", guesses)
    words = ["distill", "teacher.jsonl", "inputs.jsonl", "-b", "cruxeval-o", "-b", "cruxeval-i", "--model", "base"]
    words += ["--data", "cruxeval-o=crux.jsonl", "--data", "cruxeval-i=crux.jsonl", "--out", "taught", "--epochs", "1"]
    made = json.loads(CliRunner().invoke(app, [*words, *ON, "--json"], catch_exceptions=False).stdout)
    assert [(one["benchmark"], one["learned"]) for one in made["teachers"]] == [("cruxeval-o", 4), ("cruxeval-i", 4)]


def test_a_model_that_is_none_or_a_place_that_is_none_is_said_before_anything_is_learned(place, monkeypatch):
    tiny_model_folder(place / "base")
    words = ["distill", "teacher.jsonl", "-b", "cruxeval-o", "--data", "crux.jsonl", *ON]
    with monkeypatch.context() as patch:
        patch.setattr("azr.distillation.lessons.judge_of", None)  # nothing is judged
        error = CliRunner().invoke(app, [*words, "--model", "absent", "--out", "taught"]).exception
    assert "no model 'absent'" in str(error)
    with monkeypatch.context() as patch:
        patch.setattr("azr.distillation.writing.load_policy", None)  # nothing is loaded
        error = CliRunner().invoke(app, [*words, "--model", "base", "--out", "teacher.jsonl/taught"]).exception
    assert "taught can't be written" in str(error)


def test_a_command_that_is_stopped_leaves_nothing(place, monkeypatch):
    tiny_model_folder(place / "base")
    before = sorted(place.iterdir())

    def stopped(policy, folder):
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("azr.distillation.writing.save_merged", stopped)
    words = ["distill", "teacher.jsonl", "-b", "cruxeval-o", "--data", "crux.jsonl", "--model", "base", *ON]
    CliRunner().invoke(app, [*words, "--out", "taught", "--epochs", "1"])
    assert sorted(place.iterdir()) == before


def test_files_and_benchmarks_go_in_pairs(place):
    words = ["distill", "teacher.jsonl", "teacher.jsonl", "-b", "cruxeval-o", "--model", "base", "--out", "x"]
    error = CliRunner().invoke(app, words).exception
    assert "2 files and 1 benchmarks" in str(error)
