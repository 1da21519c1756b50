"""What ReMax and DAPO want of those who play: greedy baselines, refilled steps, penalties for length."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azr.buffer import connect_read_only
from azr.config.fields import (
    CheckpointConfig,
    Estimator,
    Label,
    LearnerConfig,
    ProbeConfig,
    ProblemsConfig,
    RoleLearning,
    RolloutConfig,
)
from azr.errors import UserError
from azr.learner import advantages
from azr.methods.problems.metrics import Paid
from azr.methods.problems.refilling import has_spread, others, refilled
from azr.rollout.scripted import ScriptedEngine
from azr.training.plan import print_plan
from azr.training.run import Run
from azr.training.telemetry import read_metrics
from azr.training.train import train
from azr.training.wants import wants
from tasks.triplet import Role
from tests.azr.players import scripted_engine, tiny_config
from tests.azr.training.test_training import assert_same_end

TEACHING = 3  # problems of which some answers are right; of the others none is
SIZE = 8


@pytest.fixture
def problems(tmp_path):
    rows = [{"prompt": f"Which number is number {n}?", "answer": str(n), "id": n} for n in range(SIZE)]
    (tmp_path / "numbers.json").write_text(json.dumps(rows), encoding="utf-8")
    return str(tmp_path / "numbers.json")


class Greedy(ScriptedEngine):
    """Says `greedily` to a prompt at temperature 0, and else what the script says."""

    def __init__(self, policy, respond, greedily):
        super().__init__(policy, respond)
        self._sampled, self._greedily = respond, greedily

    def generate(self, requests, on_done=None):
        assert len({request.temperature for request in requests}) <= 1
        greedy = any(request.temperature == 0 for request in requests)
        assert not greedy or {request.n for request in requests} == {1}
        self._respond = self._greedily if greedy else self._sampled
        return super().generate(requests, on_done)


def asked_for(prompt):
    """Which problem is asked."""
    return int(prompt.rsplit("number ", 1)[1].split("?")[0])


def respond(prompt, sample):
    number = asked_for(prompt)
    return f"\\boxed{{{number}}}" if number < TEACHING and sample == number else f"\\boxed{{{90 + sample % 3}}}"


def greedily(prompt, sample):
    """Right on the even ones."""
    number = asked_for(prompt)
    return f"\\boxed{{{number if number % 2 == 0 else 90}}}"


def says(policy, config):
    return Greedy(policy, respond, greedily)


def config_for(model, problems, method="rlvr", label=Label.TRUTH, learner=None, **changes):
    played = ProblemsConfig(sources=(problems,), batch=3, votes=4, max_tokens=24, label=label)
    settings = {
        "steps": 2,
        "methods": (method,),
        method: played,
        "rollout": RolloutConfig(max_prompt_tokens=900),
        "learner": replace(learner or LearnerConfig(), learning_rate=1e-3),
        "probe": ProbeConfig(every=0),
        "checkpoint": CheckpointConfig(every=1, keep=0),
    }
    return tiny_config(model, **(settings | changes))


def rows(run, table="answer"):
    connection = connect_read_only(run.buffer)
    columns = {"answer": "problem_id, step, reward, trained, tokens", "attempt": "task_id, step, purpose, text, reward"}
    found = connection.execute(f"SELECT {columns[table]} FROM {table} ORDER BY id").fetchall()
    connection.close()
    return found


def problem_rewards(run):
    """{(step, problem): ([reward], [trained])}, in the order asked."""
    groups = {}
    for problem, step, reward, trained, _ in rows(run):
        rewards, kept = groups.setdefault((step, problem), ([], []))
        rewards.append(reward)
        kept.append(trained)
    return groups


def test_dapo_asks_others_in_place_of_problems_without_spread_and_says_how_many(model, problems, tmp_path):
    run = Run(tmp_path / "run")
    train(config_for(model, problems, learner=LearnerConfig(estimator=Estimator.DAPO)), run, False, says)
    groups = problem_rewards(run)
    for line in read_metrics(run.metrics):
        mine = [group for (step, _), group in groups.items() if step == line["step"]]
        teaching = [rewards for rewards, _ in mine if len(set(rewards)) > 1]
        assert len(teaching) == TEACHING  # the set is asked until all that teach are found
        assert line["rlvr/refilled"] == len(mine) - 3
        assert line["rlvr/left_out"] == len(mine) - TEACHING
        assert line["learner/samples"] == 4 * TEACHING
        assert line["learner/dropped_samples"] == 0  # what was left out is no part of the update's mean
        assert line["tokens/generated"] == sum(tokens for _, step, *_, tokens in rows(run) if step == line["step"])
    for rewards, trained in groups.values():
        assert set(trained) == {int(len(set(rewards)) > 1)}
        assert len(rewards) == 4  # no problem twice in a step


def test_refilling_is_a_number_of_rounds_that_any_estimator_can_have_and_dapo_can_do_without(model, problems, tmp_path):
    for estimator, rounds, most in ((Estimator.DAPO, 0, 3), (Estimator.GRPO, None, 3), (Estimator.RLOO, 1, 6)):
        run = Run(tmp_path / f"{estimator}-{rounds}")
        learner = LearnerConfig(estimator=estimator, refill_rounds=rounds)
        train(config_for(model, problems, learner=learner, steps=1), run, False, says)
        (line,) = read_metrics(run.metrics)
        assert len(problem_rewards(run)) <= most
        assert ("rlvr/refilled" in line) == bool(rounds)
        if not rounds:
            assert {trained for _, _, _, trained, _ in rows(run)} == {1}
            assert line["learner/samples"] + line["learner/dropped_samples"] == 12


def test_a_step_that_has_nothing_to_teach_changes_nothing_and_goes_on(model, problems, tmp_path):
    for estimator in (Estimator.DAPO, Estimator.REMAX, Estimator.PPO):
        run = Run(tmp_path / estimator)
        learner = LearnerConfig(estimator=estimator, refill_rounds=1)
        silent = config_for(model, problems, learner=learner, steps=1)
        train(silent, run, False, lambda policy, config: Greedy(policy, lambda *_: "?", lambda *_: "?"))
        (line,) = read_metrics(run.metrics)
        assert line["rlvr/left_out"] == 6
        assert line["learner/samples"] == 0


@pytest.mark.parametrize("estimator", [Estimator.DAPO, Estimator.REMAX])
def test_a_run_that_stops_on_the_way_ends_as_if_it_had_not(model, problems, tmp_path, estimator):
    config = config_for(model, problems, learner=LearnerConfig(estimator=estimator), steps=2)
    whole, halves = Run(tmp_path / "whole"), Run(tmp_path / "halves")
    train(config, whole, False, says)
    train(replace(config, steps=1), halves, False, says)
    train(config, halves, True, says)
    assert_same_end(halves, whole)
    assert rows(halves) == rows(whole)


def test_remax_compares_with_what_a_greedy_answer_earned(model, problems, tmp_path):
    run = Run(tmp_path / "run")
    train(config_for(model, problems, learner=LearnerConfig(estimator=Estimator.REMAX)), run, False, says)
    connection = connect_read_only(run.buffer)
    keys = dict(connection.execute("SELECT id, answer FROM problem").fetchall())
    connection.close()
    groups = problem_rewards(run)
    for line in read_metrics(run.metrics):
        mine = {int(keys[problem]): rewards for (step, problem), (rewards, _) in groups.items() if step == line["step"]}
        greedy = {number: float(number % 2 == 0) for number in mine}
        assert line["rlvr/greedy"] == pytest.approx(sum(greedy.values()) / 3)
        worth = [reward - greedy[number] for number, rewards in mine.items() for reward in rewards]
        assert line["learner/samples"] == sum(map(bool, worth))
        sampled = sum(tokens for _, step, *_, tokens in rows(run) if step == line["step"])
        assert line["tokens/generated"] > sampled  # the greedy answers count
    assert len(rows(run)) == 2 * 3 * 4  # and are not stored


def test_the_majority_pays_a_greedy_answer_without_asking_it(model, problems, tmp_path):
    run = Run(tmp_path / "run")

    def split(prompt, sample):
        return f"\\boxed{{{'7778'[sample]}}}"

    def tipping(prompt, sample):  # a vote for 8 would not make it the label; nor does what can't be read count
        return ("\\boxed{7.0}", "\\boxed{8}", "I see")[asked_for(prompt) % 3]

    config = config_for(model, problems, "ttrl", Label.MAJORITY, LearnerConfig(estimator=Estimator.REMAX), steps=2)
    train(config, run, False, lambda policy, config: Greedy(policy, split, tipping))
    assert [reward for _, _, reward, *_ in rows(run)] == [1.0, 1.0, 1.0, 0.0] * 6
    connection = connect_read_only(run.buffer)
    asked = connection.execute(
        "SELECT DISTINCT answer.step, key FROM answer JOIN problem ON problem.id = problem_id"
    ).fetchall()
    connection.close()
    for line in read_metrics(run.metrics):
        numbers = [int(key.rpartition(":")[2]) for step, key in asked if step == line["step"]]
        assert line["ttrl/greedy"] == pytest.approx(sum(number % 3 == 0 for number in numbers) / 3)
        assert line["ttrl/majority_ratio"] == pytest.approx(0.75)


@pytest.mark.parametrize("label", [Label.PROBABILITY, Label.ENTROPY])
def test_a_greedy_answer_is_paid_by_its_confidence_too(model, problems, tmp_path, label):
    run = Run(tmp_path / "run")
    learner = LearnerConfig(estimator=Estimator.REMAX)
    train(config_for(model, problems, "ttrl", label, learner, steps=1), run, False, says)
    (line,) = read_metrics(run.metrics)
    low, high = {Label.PROBABILITY: (0, 1), Label.ENTROPY: (-10, 0)}[label]
    assert low < line["ttrl/greedy"] < high


def test_given_problems_pay_for_long_answers_and_the_reward_that_is_stored_does_not(model, problems, tmp_path):
    def wordy(prompt, sample):
        return "I see" if sample else "I see" * 20

    told = {}
    for buffer in (0, 8, 100):  # the last is longer than an answer may be: the penalty begins at once
        run = Run(tmp_path / str(buffer))
        learner = LearnerConfig(estimator=Estimator.RLOO, overlong_buffer=buffer)
        config = config_for(model, problems, learner=learner, steps=1)
        train(config, run, False, lambda policy, config: ScriptedEngine(policy, wordy))
        (told[buffer],) = read_metrics(run.metrics)
        assert {reward for _, _, reward, *_ in rows(run)} == {0.0}
    assert [line["learner/samples"] for line in told.values()] == [0, 12, 12]
    assert told[8]["reward/rlvr"] == 0.0


def test_the_solver_of_self_play_has_greedy_answers_that_change_no_row(model, tmp_path):
    told, stored = {}, {}
    for estimator in (Estimator.RLOO, Estimator.REMAX):
        run = Run(tmp_path / estimator)
        learner = LearnerConfig(learning_rate=1e-3, solve=RoleLearning(estimator=estimator))
        train(tiny_config(model, steps=1, learner=learner, probe=ProbeConfig(every=0)), run, False, scripted_engine)
        (told[estimator],) = read_metrics(run.metrics)
        stored[estimator] = rows(run, "attempt")
    assert stored[Estimator.REMAX] == stored[Estimator.RLOO]
    assert "solve/greedy" not in told[Estimator.RLOO]
    assert 0 <= told[Estimator.REMAX]["solve/greedy"] <= 1
    assert told[Estimator.REMAX]["tokens/generated"] > told[Estimator.RLOO]["tokens/generated"]


def test_what_a_method_cannot_do_is_said_in_one_line(model, problems, tmp_path):
    remax = LearnerConfig(estimator=Estimator.REMAX)
    with pytest.raises(UserError, match=r"remax for propose wants .* absolute_zero .* learner\.propose\.estimator"):
        wants(tiny_config(model, learner=remax))
    with pytest.raises(UserError, match=r"remax for \w+ wants .*\.disagreement does not"):
        wants(tiny_config(model, methods=("tests.azr.methods.disagreement",), learner=remax))
    with pytest.raises(UserError, match="refill_rounds=2, but absolute_zero can't"):
        wants(tiny_config(model, learner=LearnerConfig(refill_rounds=2)))
    wants(tiny_config(model, learner=LearnerConfig(estimator=Estimator.DAPO)))  # its own rounds ask for nothing
    both = config_for(model, problems, learner=LearnerConfig(refill_rounds=2), methods=("absolute_zero", "rlvr"))
    assert wants(both)[Role.SOLVE].refill_rounds == 2


def test_a_dry_run_tells_both(model, problems, tmp_path, capsys):
    for estimator, said in (
        (Estimator.DAPO, "given problems without spread are replaced by others, up to 3 times a step"),
        (Estimator.REMAX, "A = r - r of the prompt's greedy answer"),
    ):
        config = config_for(model, problems, learner=LearnerConfig(estimator=estimator))
        print_plan(config, Run(tmp_path / "run"), resume=False)
        assert said in " ".join(capsys.readouterr().out.split())


def paid_for(rewards):
    """A problem whose answers nobody looks at."""
    given = tuple(rewards)
    return Paid(None, given, len(given))


@given(spread=st.lists(st.booleans(), min_size=1, max_size=30), batch=st.integers(1, 30), rounds=st.integers(0, 5))
def test_refilling_asks_as_many_as_are_missing_each_problem_once_and_stops_when_there_are_enough(spread, batch, rounds):
    batch = min(batch, len(spread))
    turns = []

    def ask(turn, numbers):
        turns.append((turn, list(numbers)))
        return [paid_for((0.0, float(spread[number]))) for number in numbers]

    first = [paid_for((0.0, float(one))) for one in spread[:batch]]
    every = refilled(first, list(range(batch, len(spread))), rounds, ask)
    assert [turn for turn, _ in turns] == list(range(1, len(turns) + 1))
    assert len(turns) <= rounds
    assert [number for _, numbers in turns for number in numbers] == list(range(batch, len(every)))
    got = sum(spread[: len(every)])
    assert got <= batch
    if got < batch and len(turns) < rounds:
        assert len(every) == len(spread)


@given(size=st.integers(1, 30), data=st.data())
def test_a_steps_others_are_the_rest_of_the_set_in_an_order_by_seed(size, data):
    taken = data.draw(st.lists(st.integers(0, size - 1), unique=True))
    rest = others(size, taken, random.Random(5))
    assert sorted([*rest, *taken]) == list(range(size))
    assert rest == others(size, taken[::-1], random.Random(5))


@given(st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.integers(0, 4)), max_size=30))
def test_what_is_left_out_is_what_grpo_learns_nothing_from(rollouts):
    rewards, groups = [r for r, _ in rollouts], [g for _, g in rollouts]
    worth = advantages(Estimator.DAPO, rewards, groups, groups)
    taught = {group for group, value in zip(groups, worth, strict=True) if value}
    spread = {group for group in set(groups) if has_spread(paid_for(r for r, g in rollouts if g == group))}
    assert spread == taught


def test_a_penalty_that_the_estimator_would_not_see_is_refused(model):
    """MaxRL takes every reward below 0 for 0."""
    config = tiny_config(model, learner=LearnerConfig(solve=RoleLearning(estimator=Estimator.MAXRL)))
    config = replace(config, solver=replace(config.solver, copy_penalty=0.5))
    with pytest.raises(UserError, match=r"solver\.copy_penalty=0\.5, but to maxrl all wrong answers are alike"):
        wants(config)
    wants(replace(config, learner=LearnerConfig()))
    wants(replace(config, solver=replace(config.solver, copy_penalty=0.0)))
