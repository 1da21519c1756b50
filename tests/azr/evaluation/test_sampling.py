"""Asking a model: what is kept when it stops, and that it goes on from there."""

import json
from pathlib import Path

import pytest

from azr.errors import UserError
from azr.evaluation.benchmark import Problem, PromptForm
from azr.evaluation.benchmarks import BENCHMARKS
from azr.evaluation.data import data_places, load_problems
from azr.evaluation.judging.check import Tools
from azr.evaluation.models import resolve_model
from azr.evaluation.plan import Plan, SamplingSettings
from azr.evaluation.running import wanted_ks
from azr.evaluation.sampling import Respondent, claim_folder, sample_benchmark
from azr.policy.model import Policy
from azr.rollout.scripted import ScriptedEngine
from tasks.triplet import Verdict
from tests.azr.rollout.tiny import tiny_policy

from .conftest import write_rows

SETTINGS = SamplingSettings("tiny", PromptForm.COMPLETION, 1.0, 1.0, 20, 0)
CRUX = BENCHMARKS["cruxeval-o"]


class Asked:
    """A scripted model: the right value for every second sample, and a record of how often it was asked."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.times = 0
        self.stop_after = stop_after

    def __call__(self, prompt: str, sample: int) -> str:
        if self.stop_after is not None and self.times >= self.stop_after:
            raise KeyboardInterrupt
        self.times += 1
        added = int(prompt.rsplit("return x + ", 1)[1].split("\n")[0])
        return f"{1 + added if sample % 2 == 0 else -1}\n"


@pytest.fixture
def problems(tmp_path: Path) -> list[Problem]:
    rows = [
        {"id": f"p{n}", "code": f"def f(x):\n    return x + {n}", "input": "1", "output": str(1 + n)} for n in range(5)
    ]
    return load_problems(CRUX, data_places([str(write_rows(tmp_path / "crux.jsonl", rows))], [CRUX.name]))


@pytest.fixture(scope="module")
def policy() -> Policy:
    return tiny_policy()


def ask(policy: Policy, script: Asked, problems: list[Problem], samples: int, file: Path, tools: Tools) -> list:
    respondent = Respondent(policy, ScriptedEngine(policy, script), SETTINGS)
    return sample_benchmark(respondent, CRUX, problems, samples, file, tools, lambda _: None)


def test_samples_are_kept_with_their_verdicts(
    policy: Policy, problems: list[Problem], tmp_path: Path, tools: Tools
) -> None:
    file = tmp_path / "out" / "cruxeval-o.jsonl"
    samples = ask(policy, Asked(), problems, 2, file, tools)
    assert sorted(sample.task_id for sample in samples) == sorted(["p0", "p1", "p2", "p3", "p4"] * 2)
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["verdict"] for record in records] == ["right", "wrong"] * 5
    assert all(not record["truncated"] for record in records)


def test_an_interruption_keeps_what_was_sampled(
    policy: Policy, problems: list[Problem], tmp_path: Path, tools: Tools
) -> None:
    file = tmp_path / "cruxeval-o.jsonl"
    with pytest.raises(KeyboardInterrupt):
        ask(policy, Asked(stop_after=5), problems, 2, file, tools)
    assert len(file.read_text().splitlines()) == 4  # two whole problems; the third was under way
    again = Asked()
    samples = ask(policy, again, problems, 2, file, tools)
    assert again.times == 6
    assert len(samples) == 10
    nothing = Asked()
    ask(policy, nothing, problems, 2, file, tools)
    assert nothing.times == 0


def test_more_samples_are_added_to_those_that_are_there(
    policy: Policy, problems: list[Problem], tmp_path: Path, tools: Tools
) -> None:
    file = tmp_path / "cruxeval-o.jsonl"
    ask(policy, Asked(), problems[:2], 1, file, tools)
    more = Asked()
    samples = ask(policy, more, problems, 3, file, tools)
    assert more.times == 13
    assert len(samples) == 15
    assert len(ask(policy, Asked(), problems, 1, file, tools)) == 5  # the first of each


def test_a_line_that_a_crash_cut_short_costs_one_sample(
    policy: Policy, problems: list[Problem], tmp_path: Path, tools: Tools
) -> None:
    file = tmp_path / "cruxeval-o.jsonl"
    ask(policy, Asked(), problems, 1, file, tools)
    file.write_bytes(file.read_bytes()[:-20])
    again = Asked()
    samples = ask(policy, again, problems, 1, file, tools)
    assert again.times == 1
    assert [sample.verdict for sample in samples] == [Verdict.RIGHT] * 5


def test_a_folder_holds_samples_of_one_kind(tmp_path: Path) -> None:
    claim_folder(tmp_path / "out", SETTINGS)
    claim_folder(tmp_path / "out", SETTINGS)
    hotter = SamplingSettings("tiny", PromptForm.COMPLETION, 0.5, 1.0, 20, 0)
    with pytest.raises(UserError, match=r"temperature 1.0 \(now 0.5\)"):
        claim_folder(tmp_path / "out", hotter)


def test_several_greedy_samples_are_refused() -> None:
    with pytest.raises(UserError, match="--temperature"):
        Plan(samples=4)


def test_every_k_is_wanted_up_to_sixteen() -> None:
    assert wanted_ks(4) == [1, 2, 3, 4]
    assert wanted_ks(100)[-4:] == [16, 32, 64, 100]


def test_names_that_are_no_run_are_left_to_the_loader(tmp_path: Path) -> None:
    named = resolve_model("Qwen/Qwen2.5-Coder-3B", runs=tmp_path)
    assert (named.config.name, named.weights, named.form) == ("Qwen/Qwen2.5-Coder-3B", None, None)
    assert named.results == tmp_path / "eval" / "Qwen--Qwen2.5-Coder-3B"
