"""Whole runs: they learn, they stop when asked, and nothing that kills them changes where they end."""

import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
import torch
from safetensors.torch import load_file

from azr.buffer import connect_read_only
from azr.config.fields import (
    Draw,
    Estimator,
    Flaw,
    LearnerConfig,
    PanelConfig,
    ProbeConfig,
    ProposeConfig,
    RoleLearning,
    SolverConfig,
    TrainOn,
)
from azr.errors import UserError
from azr.evaluation.probe_counts import read_looks
from azr.rollout.scripted import ScriptedEngine
from azr.training.checkpoint import checkpoints, find_checkpoint
from azr.training.run import Run
from azr.training.telemetry import read_metrics
from azr.training.train import train
from tasks.triplet import TaskType
from tests.azr.players import respond, scripted_engine, tiny_config

STEPS = 5


@pytest.fixture(scope="module")
def finished(model, tmp_path_factory):
    """A run that nobody stopped."""
    torch.set_num_threads(1)
    runs = tmp_path_factory.mktemp("finished")
    subprocess.run(player(model, runs), check=True, capture_output=True)
    return Run(runs / "tiny")


@pytest.fixture(scope="module")
def seconds(finished):
    """How long that run took, from its config to its last step: as fast as this machine is."""
    return finished.metrics.stat().st_mtime - finished.config.stat().st_mtime


def player(model, runs, resume=False):
    command = [sys.executable, "-m", "tests.azr.play", str(model), str(runs), str(STEPS)]
    return [*command, "resume"] if resume else command


def rows(run, table):
    connection = connect_read_only(run.buffer)
    try:
        return connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
    finally:
        connection.close()


def untimed(run):
    timed = ("time/", "tokens_per_second", "learner/seconds", "learner/tokens_per_second")
    return [{k: v for k, v in line.items() if not k.startswith(timed)} for line in read_metrics(run.metrics)]


def weights(run):
    return load_file(find_checkpoint(run) / "model" / "model.safetensors")


def assert_same_end(run, other):
    for table in ("proposal", "task", "attempt"):
        assert rows(run, table) == rows(other, table)
    assert untimed(run) == untimed(other)
    assert read_looks(run.probe) == read_looks(other.probe)
    ours, theirs = weights(run), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_all_six_strata_train_and_the_weights_move(finished, model):
    lines = read_metrics(finished.metrics)
    assert [line["step"] for line in lines] == [0, *range(1, STEPS + 1)]
    for role in ("propose", "solve"):
        for task_type in ("deduction", "abduction", "induction"):
            assert all(f"reward/{role}/{task_type}" in line for line in lines[1:])
    assert any(line["learner/grad_norm"] > 0 for line in lines[1:])
    before, after = load_file(model / "model.safetensors"), weights(finished)
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_the_probes_counts_are_kept_question_by_question(finished):
    for look in read_looks(finished.probe):
        (metrics,) = [line for line in read_metrics(finished.metrics) if line["step"] == look.step]
        for kind, right in look.right.items():
            share = sum(right.values()) / len(right) / look.samples
            assert metrics[f"probe/{kind}"] == pytest.approx(share, rel=1e-5)
    assert [look.step for look in read_looks(finished.probe)] == [0, 2, 4, 5]


def test_the_buffer_tells_the_whole_story(finished):
    proposals, tasks, attempts = (rows(finished, table) for table in ("proposal", "task", "attempt"))
    connection = connect_read_only(finished.buffer)
    by_origin = dict(connection.execute("SELECT origin, COUNT(*) FROM task GROUP BY origin"))
    assert by_origin["identity"] == 2
    assert by_origin["seeding"] > 0
    assert by_origin["self-play"] > 0
    # Every valid proposal is a task, every rejected one says why, and what is estimated has its answers.
    (unexplained,) = connection.execute(
        "SELECT COUNT(*) FROM proposal p LEFT JOIN task t ON t.proposal_id = p.id"
        " WHERE (p.rejection IS NULL) != (t.id IS NOT NULL)"
    ).fetchone()
    assert unexplained == 0
    estimated = connection.execute(
        "SELECT t.solve_rate, AVG(a.verdict = 'right'), COUNT(*) FROM task t JOIN attempt a ON a.task_id = t.id"
        " WHERE a.purpose = 'estimate' GROUP BY t.id"
    ).fetchall()
    assert estimated
    assert all(rate == pytest.approx(share) and count == 4 for rate, share, count in estimated)
    connection.close()
    assert len(proposals) > len(tasks) - 2
    assert attempts


def test_fresh_and_estimate_differ_in_what_trains(model, tmp_path):
    trained = {}
    for mode in TrainOn:
        config = tiny_config(
            model,
            name=mode,
            steps=1,
            solver=SolverConfig(batch=4, estimate_samples=4, train_on=mode, max_tokens=60),
            probe=ProbeConfig(every=0),
        )
        run = Run(tmp_path / mode)
        train(config, run, resume=False, open_engine=scripted_engine)
        connection = connect_read_only(run.buffer)
        trained[mode] = dict(connection.execute("SELECT purpose, COUNT(*) FROM attempt GROUP BY purpose"))
        connection.close()
    assert trained[TrainOn.FRESH]["solve"] == 3 * 4
    assert trained[TrainOn.FRESH]["estimate"] > 0
    assert trained[TrainOn.ESTIMATE] == {"solve": 3 * 4 * 4}


def play_for(command, seconds):
    """Run the command, and kill it so many seconds after it has opened its run; whether it came to its end."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if line.startswith("run "):
                break
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    assert process.returncode == 0
    return True


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_point_and_resumed_it_ends_the_same(model, finished, seconds, tmp_path, seed):
    dice = random.Random(seed)
    run = Run(tmp_path / "tiny")
    kills = 0
    while not play_for(player(model, tmp_path, resume=run.config.exists()), dice.uniform(0.0, 0.7 * seconds)):
        kills += 1
        assert kills < 30
    assert kills
    assert_same_end(run, finished)


def test_resumed_from_a_checkpoint_it_ends_the_same(model, finished, tmp_path):
    subprocess.run([*player(model, tmp_path)[:-1], "2"], check=True, capture_output=True)
    subprocess.run(player(model, tmp_path, resume=True), check=True, capture_output=True)
    assert_same_end(Run(tmp_path / "tiny"), finished)


def learning_config(model, **changes):
    """More solving than proposing, and all that keeps count of it."""
    settings = {
        "steps": 3,
        "probe": ProbeConfig(every=0),
        "propose": ProposeConfig(
            batch=4, references=2, induction_inputs=6, max_tokens=120, samples_per_prompt=2, refuse=(Flaw.CONSTANT,)
        ),
        "solver": SolverConfig(
            batch=3,
            estimate_samples=4,
            train_on=TrainOn.ESTIMATE,
            max_tokens=60,
            rounds=3,
            draw=Draw.UNCERTAIN,
        ),
        "learner": LearnerConfig(learning_rate=1e-3, solve=RoleLearning(estimator=Estimator.GRPO)),
        "panel": PanelConfig(every=2, tasks=2, samples=2),
    }
    return tiny_config(model, **(settings | changes))


def test_a_step_of_several_rounds_is_one_step_and_resumes_the_same(model, tmp_path):
    torch.set_num_threads(1)
    whole, halves = Run(tmp_path / "whole"), Run(tmp_path / "halves")
    train(learning_config(model), whole, resume=False, open_engine=scripted_engine)
    train(learning_config(model, steps=2), halves, resume=False, open_engine=scripted_engine)
    train(learning_config(model), halves, resume=True, open_engine=scripted_engine)
    assert_same_end(halves, whole)
    connection = connect_read_only(whole.buffer)
    answers = dict(connection.execute("SELECT step, COUNT(*) FROM attempt GROUP BY step"))
    connection.close()
    assert all(count >= 3 * 3 * 3 * 4 for count in answers.values())  # rounds, tasks of each type, types, answers
    lines = read_metrics(whole.metrics)
    assert [line["step"] for line in lines if "panel/rate" in line] == [0, 2, 3]
    assert all(
        line["learner/samples"] + line["learner/dropped_samples"] > 3 * 3 * 3 * 4
        for line in lines
        if "learner/samples" in line
    )


def test_after_the_last_proposing_step_the_solver_goes_on_alone(model, tmp_path):
    config = learning_config(model, steps=2)
    config = replace(config, propose=replace(config.propose, until=0))
    run = Run(tmp_path / "alone")
    train(config, run, resume=False, open_engine=scripted_engine)
    assert {row[1] for row in rows(run, "proposal")} == {0}  # seeding's
    lines = [line for line in read_metrics(run.metrics) if line["step"]]
    assert all("reward/propose" not in line and line["learner/samples"] > 0 for line in lines)


def test_in_the_warm_up_the_proposer_alone_learns_and_is_paid_for_valid_tasks(model, tmp_path):
    torch.set_num_threads(1)
    config = learning_config(model)
    config = replace(config, propose=replace(config.propose, warmup_steps=2))
    whole, halves = Run(tmp_path / "whole"), Run(tmp_path / "halves")
    train(config, whole, resume=False, open_engine=scripted_engine)
    train(replace(config, steps=2), halves, resume=False, open_engine=scripted_engine)
    train(config, halves, resume=True, open_engine=scripted_engine)
    assert_same_end(halves, whole)
    connection = connect_read_only(whole.buffer)
    paid = connection.execute(
        "SELECT DISTINCT rejection IS NULL, rejection = 'unparsable', reward FROM proposal WHERE step IN (1, 2)"
    ).fetchall()
    tried = connection.execute("SELECT DISTINCT step FROM attempt").fetchall()
    guesses = connection.execute("SELECT DISTINCT solve_rate, learnability FROM task WHERE step IN (1, 2)").fetchall()
    connection.close()
    assert (1, None, 1.0) in paid
    assert {pay for valid, unparsable, pay in paid if not valid and not unparsable} == {-0.5}
    assert tried == [(3,)]
    assert guesses == [(None, None)]
    lines = read_metrics(whole.metrics)
    assert [line["step"] for line in lines if "reward/solve" in line] == [3]
    assert all(line["learner/samples"] > 0 for line in lines if line["step"] in (1, 2))


def test_types_left_out_are_neither_proposed_nor_solved(model, tmp_path):
    config = learning_config(model, steps=1)
    config = replace(config, propose=replace(config.propose, types=(TaskType.DEDUCTION,)))
    run = Run(tmp_path / "one")
    train(config, run, resume=False, open_engine=scripted_engine)
    assert {row[2] for row in rows(run, "task")} == {"deduction"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(model, finished, tmp_path, number):
    run = Run(tmp_path / "tiny")
    process = subprocess.Popen(player(model, tmp_path), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("step 1/"):
            process.send_signal(number)
            break
    said = process.stdout.read()
    assert process.wait(timeout=60) == 0
    assert f"azr train {run.folder} --resume" in said
    stopped_after = read_metrics(run.metrics)[-1]["step"]
    assert 1 <= stopped_after < STEPS
    assert checkpoints(run)[-1][0] == stopped_after
    subprocess.run(player(model, tmp_path, resume=True), check=True, capture_output=True)
    assert_same_end(run, finished)


def test_stopped_while_it_looks_before_training_it_takes_no_step(model, tmp_path, capfd):
    torch.set_num_threads(1)
    stopped, whole = Run(tmp_path / "stopped"), Run(tmp_path / "whole")
    config = tiny_config(model, steps=1, probe=ProbeConfig(every=0), panel=PanelConfig(every=1, tasks=2, samples=2))
    sent = []

    def stopping_engine(policy, config):
        def say(prompt, sample):
            seeding = prompt.rsplit("\n", 1)[-1].startswith(("def f(", ">>> [f("))
            if not seeding and not sent:
                sent.append(prompt)
                signal.raise_signal(signal.SIGINT)
            return respond(prompt, sample)

        return ScriptedEngine(policy, say)

    assert not train(config, stopped, resume=False, open_engine=stopping_engine)
    assert "stopped before the first step" in capfd.readouterr().out
    assert rows(stopped, "attempt") == []
    assert train(config, stopped, resume=True, open_engine=scripted_engine)
    assert "done: 1 steps in" in capfd.readouterr().out
    train(config, whole, resume=False, open_engine=scripted_engine)
    assert_same_end(stopped, whole)
    assert train(config, whole, resume=True, open_engine=scripted_engine)
    assert "no step is left" in capfd.readouterr().out


def test_another_runs_buffer_is_refused_and_left_as_it_is(model, finished, tmp_path):
    run = Run(tmp_path / "mine")
    config = tiny_config(model, steps=1, seed=3, probe=ProbeConfig(every=0))
    train(config, run, resume=False, open_engine=scripted_engine)
    shutil.copy(finished.buffer, run.buffer)
    with pytest.raises(UserError, match="is not the buffer that checkpoint"):
        train(replace(config, steps=2), run, resume=True, open_engine=scripted_engine)
    assert rows(run, "attempt") == rows(finished, "attempt")


def test_a_full_disk_leaves_the_last_checkpoint_whole(model, tmp_path):
    config = tiny_config(model, steps=4)
    run = Run(tmp_path / "tiny")
    train(tiny_config(model, steps=2), run, resume=False, open_engine=scripted_engine)
    before = weights(run)
    run.log.unlink()
    run.log.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        train(config, run, resume=True, open_engine=scripted_engine)
    assert [step for step, _ in checkpoints(run)] == [2]
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(run).items())


def test_a_checkpoint_that_the_disk_has_no_room_for_says_so_and_leaves_the_last_one_whole(model, finished, tmp_path):
    """On a file system with room for one checkpoint and a half, since torch and safetensors each fail in their way."""
    shutil.copytree(finished.folder, tmp_path / "tiny")
    run = Run(tmp_path / "tiny")
    shutil.rmtree(find_checkpoint(run))
    kept = find_checkpoint(run).rename(tmp_path / "step-000004")
    room = sum(path.stat().st_size for path in kept.rglob("*") if path.is_file()) * 3 // 2
    # Not -r: in a user namespace of its own the sandbox would find no walls.
    script = f"""mount -t tmpfs -o size={room} none "$1" || exit 77
        cp -r "$2" "$1"; shift 2; "$@" >/dev/null; ls -A {run.checkpoints}"""
    command = ["unshare", "-m", "sh", "-c", script, "sh", run.checkpoints, kept, *player(model, tmp_path, resume=True)]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode == 77 or "unshare:" in ended.stderr:
        pytest.skip(f"no file system can be mounted here: {ended.stderr.strip()}")
    assert "OSError: [Errno 28] No space left on device" in ended.stderr
    assert ended.stdout.split() == ["step-000004"]


def test_another_config_is_not_resumed(model, finished):
    changed = tiny_config(model, steps=STEPS, seed=7)
    with pytest.raises(UserError, match="was started with another seed"):
        train(changed, finished, resume=True, open_engine=scripted_engine)


def test_nothing_is_written_where_the_config_names_what_is_not_there(model, tmp_path):
    run = Run(tmp_path / "tiny")
    broken = tiny_config(model, probe=ProbeConfig(every=1, data="absent.jsonl"))
    with pytest.raises(UserError, match=r"probe\.data: no file absent\.jsonl"):
        train(broken, run, resume=False, open_engine=scripted_engine)
    assert not run.folder.exists()


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(900)  # a guard against hanging: on a processor without AVX-512 the steps take four to five minutes
def test_two_hundred_steps_cost_the_same_from_first_to_last(model, tmp_path):
    """Memory of the process and its children, and seconds a step, after the first twenty."""
    config = tiny_config(model, steps=200, probe=ProbeConfig(every=0), learner=LearnerConfig(learning_rate=1e-5))
    run = Run(tmp_path / "tiny")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.azr.play", str(model), str(tmp_path), str(config.steps)],
        stdout=subprocess.DEVNULL,
    )
    memory: dict[int, int] = {}
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        time.sleep(0.2)
        lines = len(read_metrics(run.metrics))
        try:
            family = [watched, *watched.children(recursive=True)]
            memory[lines] = sum(member.memory_info().rss for member in family)
        except psutil.NoSuchProcess:
            continue
    assert process.returncode == 0
    early = [size for step, size in memory.items() if 20 <= step < 60]
    late = [size for step, size in memory.items() if step >= 160]
    assert sum(late) / len(late) < 1.05 * sum(early) / len(early)
    seconds = [line["time/total"] for line in read_metrics(run.metrics) if line["step"] > 20]
    first, last = sorted(seconds[:60]), sorted(seconds[-60:])
    assert last[30] < 1.25 * first[30]
