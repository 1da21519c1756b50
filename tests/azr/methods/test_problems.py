"""RLVR and TTRL as runs: what is paid, what is stored and told, and that a run that stops is the same run."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from azr.browse.folders import reading
from azr.buffer import connect_read_only
from azr.cli import app
from azr.config.fields import (
    Aggregation,
    CheckpointConfig,
    Estimator,
    KlConfig,
    Label,
    LearnerConfig,
    LookConfig,
    ProbeConfig,
    ProblemsConfig,
    RolloutConfig,
)
from azr.errors import UserError
from azr.methods.problems.labels import Evidence, majority, truth
from azr.methods.problems.passes import Passes
from azr.problems.voting import tally
from azr.report.charts import curves
from azr.report.page import render
from azr.report.story import gather
from azr.training.plan import print_plan
from azr.training.run import Run
from azr.training.telemetry import read_metrics
from azr.training.train import train
from tasks.triplet import TaskType, Verdict
from tests.azr.players import scripted_engine, tiny_config
from tests.azr.training.test_training import assert_same_end

ANSWERED = [("How many are 3 and 4?", "7"), ("Half of one?", "\\frac{1}{2}"), ("What is 6 times 7?", "42")]


@pytest.fixture
def problems(tmp_path):
    rows = [{"prompt": question, "answer": answer, "id": n} for n, (question, answer) in enumerate(ANSWERED)]
    (tmp_path / "Set-L2-TTT.json").write_text(json.dumps(rows), encoding="utf-8")
    return str(tmp_path / "Set-L2-TTT.json")


def config_for(model, problems, **changes):
    given = ProblemsConfig(sources=(problems,), batch=2, votes=4, trained=2, max_tokens=24)
    settings = {
        "steps": 2,
        "methods": ("ttrl",),
        "ttrl": replace(given, label=Label.MAJORITY),
        "rlvr": given,
        "rollout": RolloutConfig(max_prompt_tokens=900),
        "learner": LearnerConfig(
            learning_rate=1e-3,
            estimator=Estimator.GRPO,
            aggregation=Aggregation.TOKEN_MEAN,
            kl=KlConfig(coefficient=0.001),
        ),
        "probe": ProbeConfig(every=0),
        "checkpoint": CheckpointConfig(every=1, keep=0),
    }
    return tiny_config(model, **(settings | changes))


def says(policy, config):
    """Two of four answers agree: on what is right for the first question, on what is wrong for the second."""
    from azr.rollout.scripted import ScriptedEngine

    def respond(prompt, sample):
        if "Half of one?" in prompt.rsplit("Problem:", 1)[1]:
            return ("\\boxed{2}", "\\boxed{0.5}", "\\boxed{2}", "\\boxed{3}")[sample]
        if "3 and 4" in prompt.rsplit("Problem:", 1)[1]:
            return ("I see", "\\boxed{7}", "\\boxed{7.0}", "\\boxed{8}")[sample]
        return "nobody knows"

    return ScriptedEngine(policy, respond)


def answers(run):
    connection = connect_read_only(run.buffer)
    rows = connection.execute(
        "SELECT problem.question, answer.step, answer.answer, verdict, cluster, label, trained, reward"
        " FROM answer JOIN problem ON problem.id = problem_id ORDER BY answer.id"
    ).fetchall()
    connection.close()
    return rows


def test_the_majority_pays_whether_it_is_right_or_not(model, problems, tmp_path):
    run = Run(tmp_path / "run")
    train(config_for(model, problems, steps=3), run, resume=False, open_engine=says)
    told = {}
    for question, _, *row in answers(run):
        told.setdefault(question.splitlines()[0], []).append(tuple(row))
    right, wrong, silent = (told[question][:4] for question, _ in ANSWERED)
    assert right == [
        (None, "unparsed", None, 0, 1, 0.0),
        ("7", "right", 1, 1, 1, 1.0),
        ("7.0", "right", 1, 1, 0, 1.0),
        ("8", "wrong", 3, 0, 0, 0.0),
    ]
    assert [reward for *_, reward in wrong] == [1.0, 0.0, 1.0, 0.0]
    assert [verdict for _, verdict, *_ in wrong] == ["wrong", "right", "wrong", "wrong"]
    assert [(cluster, label, reward) for _, _, cluster, label, _, reward in silent] == [(None, 0, 0.0)] * 4
    lines = read_metrics(run.metrics)
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert len(answers(run)) == 3 * 2 * 4  # two problems a step, two passes in three steps
    assert sum(line["ttrl/majority_ratio"] for line in lines) * 2 == pytest.approx(2 * (0.5 + 0.5 + 0.0))
    assert sum(line["ttrl/label_accuracy"] for line in lines) * 2 == pytest.approx(2 * 1)
    assert sum(line["ttrl/label_accuracy/2"] for line in lines) * 2 == pytest.approx(2 * 1)
    # Of those that train, the first two: (0, 1) of (0, 1); (1, 0) of (0, 1); (0, 0) of (0, 0).
    assert sum(line["ttrl/reward_accuracy"] for line in lines) * 2 == pytest.approx(2 * (1 + 0 + 1))
    assert lines[-1]["buffer/problems"] == 3
    assert "learner/kl" in lines[-1]


@settings(deadline=None)
@given(size=st.integers(1, 30), data=st.data())
def test_every_pass_takes_every_problem_once_and_no_step_has_one_twice(size, data):
    batch = data.draw(st.integers(1, size))
    steps = 3 * size
    taken = [Passes(size, batch, random.Random).step(number) for number in range(1, steps + 1)]
    assert all(len(set(step)) == batch for step in taken)
    every = [problem for step in taken for problem in step]
    for start in range(0, len(every) - size + 1, size):
        assert sorted(every[start : start + size]) == list(range(size))
    assert Passes(size, batch, random.Random).step(steps) == taken[-1]


def test_answers_that_are_kept_back_are_neither_stored_nor_counted(model, problems, tmp_path):
    config = config_for(model, problems, steps=1)
    config = replace(config, ttrl=replace(config.ttrl, answers=False))
    run = Run(tmp_path / "run")
    train(config, run, resume=False, open_engine=says)
    (line,) = read_metrics(run.metrics)
    assert not {name for name in line if "accuracy" in name or "truth" in name or "pass@" in name}
    assert "ttrl/majority_ratio" in line
    assert {row[3] for row in answers(run)} == {None}
    assert "nobody knows the answers" in run.log.read_text()
    connection = connect_read_only(run.buffer)
    assert connection.execute("SELECT DISTINCT answer FROM problem").fetchall() == [(None,)]
    connection.close()


def test_the_leakage_bound_is_one_word(model, problems, tmp_path):
    config = config_for(model, problems, steps=2)
    config = replace(config, ttrl=replace(config.ttrl, label=Label.TRUTH))
    run = Run(tmp_path / "run")
    train(config, run, resume=False, open_engine=says)
    assert all((row[3] == "right") == (row[7] == 1.0) for row in answers(run))


def test_methods_share_an_update_and_keep_their_own_figures_and_a_resumed_run_is_the_same(model, problems, tmp_path):
    config = config_for(model, problems, methods=("absolute_zero", "rlvr", "ttrl"), learner=LearnerConfig())
    config = replace(config, propose=replace(config.propose, types=(TaskType.DEDUCTION, TaskType.ABDUCTION)))
    whole, halves = Run(tmp_path / "whole"), Run(tmp_path / "halves")
    train(config, whole, resume=False, open_engine=scripted_engine)
    train(replace(config, steps=1), halves, resume=False, open_engine=scripted_engine)
    train(config, halves, resume=True, open_engine=scripted_engine)
    assert_same_end(halves, whole)
    assert answers(halves) == answers(whole)
    assert len(answers(whole)) == 2 * 2 * 2 * 4
    for line in read_metrics(whole.metrics):
        assert {"reward/rlvr", "reward/ttrl", "reward/propose", "reward/solve", "rlvr/pass@4"} <= line.keys()
        trained = line["learner/samples"] + line["learner/dropped_samples"]
        assert trained >= 2 * 2 * 2 + 2 * 4  # both sets' first two answers to two problems, and the proposals


@pytest.mark.parametrize("label", [Label.PROBABILITY, Label.ENTROPY, Label.SELF_CERTAINTY])
def test_confidence_pays_without_anybody_knowing(model, problems, tmp_path, label):
    config = config_for(model, problems, steps=1)
    config = replace(config, ttrl=replace(config.ttrl, label=label, answers=False))
    run = Run(tmp_path / "run")
    train(config, run, resume=False, open_engine=says)
    rewards = [row[7] for row in answers(run)]
    assert len(set(rewards)) > 2
    low, high = {Label.PROBABILITY: (0, 1), Label.ENTROPY: (-10, 0), Label.SELF_CERTAINTY: (0, 1e3)}[label]
    assert all(low < reward < high for reward in rewards)


def test_labels_say_what_they_lack():
    with pytest.raises(ValueError, match="not known"):
        truth(Evidence(((-0.5,),)))
    with pytest.raises(ValueError, match="not known"):
        majority(Evidence(((-0.5,),)))
    nothing = Evidence(((-0.5,), (-0.5,)), (Verdict.UNPARSED,) * 2, tally([None, None], lambda a, b: True))
    assert majority(nothing) == truth(nothing) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sources": ()}, r"ttrl\.sources names no problems"),
        ({"sources": ("nowhere",)}, "no problems in nowhere"),
        ({"label": Label.TRUTH, "answers": False}, "are not known"),
        ({"batch": 4}, r"fewer than ttrl\.batch=4"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(model, problems, tmp_path, changes, told):
    config = config_for(model, problems)
    config = replace(config, ttrl=replace(config.ttrl, **changes))
    run = Run(tmp_path / "run")
    with pytest.raises(UserError, match=told):
        train(config, run, resume=False, open_engine=says)
    assert not run.folder.exists()


def test_a_method_that_is_none_is_named(model, problems, tmp_path):
    for methods, told in (
        (("grpo",), "there is no grpo"),
        (("ttrl", "ttrl"), "named twice"),
        (("no.such",), "no module"),
    ):
        with pytest.raises(UserError, match=told):
            train(config_for(model, problems, methods=methods), Run(tmp_path / "run"), resume=False)


def test_a_look_leaves_out_prompts_that_are_too_long(model, problems, tmp_path, capfd):
    rows = [{"prompt": "How many are 3 and 4? " * times, "answer": "7", "id": times} for times in (1, 90)]
    (tmp_path / "Other.json").write_text(json.dumps(rows), encoding="utf-8")
    config = config_for(model, problems, steps=1)
    look = LookConfig(every=1, sources=(str(tmp_path / "Other.json"),), samples=1)
    run = Run(tmp_path / "run")
    train(replace(config, ttrl=replace(config.ttrl, look=look)), run, resume=False, open_engine=says)
    assert "ttrl, to look at: 1 problems, 1 left out for prompts of more than 900 tokens" in capfd.readouterr().out
    connection = connect_read_only(run.buffer)
    assert connection.execute("SELECT DISTINCT key FROM look").fetchall() == [("Other:1",)]
    connection.close()


def test_a_dry_run_refuses_to_resume_what_a_run_would_not(model, problems, tmp_path):
    with pytest.raises(UserError, match="nothing to resume"):
        print_plan(config_for(model, problems), Run(tmp_path / "absent"), resume=True)


def test_a_dry_run_says_what_is_asked(model, problems, tmp_path, capsys):
    print_plan(config_for(model, problems), Run(tmp_path / "run"), resume=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "3 problems (3 with their answers), paid by majority" in said
    assert "2 a step, 4 answers each, 2 of them train; 1.3 passes" in said


def test_the_buffer_and_the_report_show_what_was_given(model, problems, tmp_path):
    run = Run(tmp_path / "given")
    config = config_for(model, problems, steps=3)
    train(replace(config, ttrl=replace(config.ttrl, answers=False)), run, resume=False, open_engine=says)
    listed, shown, stats = (browsed(run, *words) for words in (["list"], ["show", "2"], ["stats"]))
    assert "3 problems" in listed
    assert "?" in listed
    assert "nobody knows how many are right" in shown
    assert "did not vote" in browsed(run, "show", "1") + shown + browsed(run, "show", "3")
    assert "ttrl" in stats
    page = json.loads(browsed(run, "list", "--json"))
    assert [one["times"] for one in page["problems"]] == [2, 2, 2]
    assert {one["right"] for one in page["problems"]} == {None}
    detail = json.loads(browsed(run, "show", "1", "--json"))
    assert len(detail["answers"]) == 8
    assert json.loads(browsed(run, "stats", "--json"))["problems"][0]["answers"] == 24
    html = render([gather(run)])
    assert "nobody knows how many are right" in html
    charts = {chart.id: chart for chart in curves([gather(run)])}
    assert {point.line for point in charts["vote"].points} == {"majority ratio"}
    assert "reward-given" in charts


def browsed(run, *words):
    command = ["buffer", words[0], str(run.folder), *words[1:]]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_a_look_at_what_nobody_knows_keeps_lengths_alone(model, problems, tmp_path):
    config = config_for(model, problems, steps=1)
    run = Run(tmp_path / "run")
    look = LookConfig(every=1, samples=4)
    train(replace(config, ttrl=replace(config.ttrl, look=look, answers=False)), run, resume=False, open_engine=says)
    for line in read_metrics(run.metrics):
        probed = [name for name in line if name.startswith("probe/")]
        assert probed == ["probe/tokens/ttrl", "probe/tokens-2/ttrl"]
    with reading(run) as db:
        assert set(db.execute("SELECT solved, vote FROM look")) == {(None, None)}


def test_a_look_measures_avg_and_maj_at_n_before_on_the_way_and_at_the_end(model, problems, tmp_path):
    config = config_for(model, problems, steps=3)
    look = LookConfig(every=2, sources=(problems,), samples=4)
    run = Run(tmp_path / "run")
    train(replace(config, ttrl=replace(config.ttrl, look=look, answers=False)), run, resume=False, open_engine=says)
    looked = {line["step"]: line for line in read_metrics(run.metrics) if "probe/ttrl" in line}
    assert list(looked) == [0, 2, 3]
    for line in looked.values():  # of four answers to each of three problems: two, one and none are right
        assert line["probe/ttrl"] == pytest.approx((2 / 4 + 1 / 4 + 0) / 3)
        assert line["probe/maj@4/ttrl"] == pytest.approx(1 / 3)
        assert line["probe/pass@4/ttrl"] == pytest.approx(2 / 3)
        assert line["probe/level-2/ttrl"] == line["probe/ttrl"]
        assert line["probe/tokens-2/ttrl"] == line["probe/tokens/ttrl"] > 0
    with reading(run) as db:
        kept = db.execute("SELECT step, level, answers, solved, vote FROM look ORDER BY id").fetchall()
    assert kept == [(step, "2", 4, *row) for step in (0, 2, 3) for row in ((2, 1), (1, 0), (0, 0))]
    assert "ttrl 25.0% (maj@4 33.3%, pass@4 66.7%)" in run.log.read_text()
    charts = {chart.id: chart for chart in curves([gather(run)])}
    drawn = {(point.step, point.line, round(point.value, 3)) for point in charts["against-vote"].points}
    assert drawn == {(step, "ttrl avg", 0.25) for step in (0, 2, 3)} | {
        (step, "ttrl maj@4 before training", 0.333) for step in (0, 2, 3)
    }
