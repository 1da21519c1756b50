"""Runs of several processes of which one is killed, hangs or is stopped: no other waits for it, and nothing is lost."""

import random
import signal
import subprocess
import time
from contextlib import suppress

import psutil
import pytest

from azr.training.checkpoint import checkpoints
from azr.training.run import Run
from tests.azr.ranks.launching import launcher, wait_for_rank
from tests.azr.ranks.test_ranks import RATE, STEPS, assert_same_end, command, play


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(200)
def test_who_waits_in_a_kernel_for_a_killed_rank_ends_by_its_name_before_the_launcher_kills():
    stuck = subprocess.run(
        [*launcher(2), "-m", "tests.azr.ranks.stuck", "0"], capture_output=True, text=True, timeout=150
    )
    assert "rank 1 on" in stuck.stderr
    assert "has not answered for 20 s" in stuck.stderr


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(200)
def test_who_waits_in_a_kernel_ends_after_rank_0_on_ctrl_c():
    stuck = subprocess.Popen(
        [*launcher(2), "-m", "tests.azr.ranks.stuck", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert stuck.stdout.readline() == "begun\n"
    stuck.send_signal(signal.SIGINT)
    _, said = stuck.communicate(timeout=25)  # after 30 the launcher kills
    assert "rank 0 on" in said


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whoever_is_killed_the_run_ends_in_time_and_goes_on_to_the_same_bits(model, tmp_path):
    began = time.monotonic()
    whole = play(model, tmp_path / "whole", 2, "checkpoint.every=1")
    took = time.monotonic() - began
    dice = random.Random(0)
    runs = tmp_path / "killed"
    for turn in range(10):
        begun = (runs / "tiny" / "config.yaml").is_file()
        words = [f"steps={STEPS}", RATE, "checkpoint.every=1", *(["resume"] if begun else [])]
        launched = subprocess.Popen(command(model, runs, 2, *words), stderr=subprocess.PIPE, text=True)
        victim = wait_for_rank(launched, turn % 2)
        time.sleep(dice.uniform(0.3, 0.9) * took)  # less, and nothing has begun yet
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        launched.communicate(timeout=60)
    play(model, runs, 2, "checkpoint.every=1", "resume")
    assert_same_end(whole, Run(runs / "tiny"), tolerance=0.0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_rank_that_hangs_ends_the_run_within_a_minute_and_is_named(model, tmp_path):
    launched = subprocess.Popen(
        command(model, tmp_path, 2, "steps=500"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    victim = wait_for_rank(launched, 1)
    time.sleep(20)
    victim.suspend()
    began = time.monotonic()
    _, said = launched.communicate(timeout=120)
    with suppress(psutil.NoSuchProcess):
        victim.kill()
    assert time.monotonic() - began < 80  # a minute, and the launcher's own grace for who does not end
    assert "rank 1 on" in said
    assert "has not answered" in said


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sigterm_finishes_the_step_and_another_number_of_ranks_goes_on(model, tmp_path):
    launched = subprocess.Popen(
        command(model, tmp_path, 2, "steps=500", "probe.every=0"), stdout=subprocess.PIPE, text=True
    )
    said = []
    for line in launched.stdout:
        said.append(line)
        if line.startswith("step 2/"):
            launched.send_signal(signal.SIGTERM)
            break
    rest, _ = launched.communicate(timeout=120)
    assert "all saved" in rest
    run = Run(tmp_path / "tiny")
    done = checkpoints(run)[-1][0]
    assert done >= 2
    resumed = subprocess.run(
        command(model, tmp_path, 1, f"steps={done + 1}", "probe.every=0", "resume"), capture_output=True, text=True
    )
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    assert checkpoints(run)[-1][0] == done + 1
