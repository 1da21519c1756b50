"""`azr eval run` and `azr boundary` on several ranks: the samples of one process, and nothing lost by a stop."""

import json
import os
import signal
import subprocess
import time
from collections import Counter

import pytest

from tests.azr.ranks.launching import azr, wait_for_rank

ASKING = ("-b", "small-own-d-held", "-t", 1.0, "--precision", "fp32", "--device", "cpu", "--engine", "transformers")
FEW = (*ASKING, "--limit", 9, "-n", 3, "--max-tokens", 12)
LONG = (*ASKING, "--style", "completion", "--limit", 60, "-n", 24, "--max-tokens", 60)
QUIET = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def run(ranks, *words):
    done = subprocess.run(azr(ranks, *words), capture_output=True, text=True, timeout=280, env=QUIET)
    assert done.returncode == 0, done.stderr[-3000:]


def lines(folder):
    """The lines of all samples in a folder, in an order that does not depend on who came first."""
    return sorted(line for file in folder.rglob("*.jsonl") for line in file.read_text().splitlines())


def assert_told_alike(*folders):
    """The same lines, but for the last bits of the probabilities, which depend on who else is in a batch."""
    one, two = ([json.loads(line) for line in lines(folder)] for folder in folders)
    surprises = [[told.pop("nats") for told in side] for side in (one, two)]
    assert one == two
    assert surprises[0] == pytest.approx(surprises[1], abs=2e-4)


def test_a_benchmark_is_answered_as_by_one_process(model, tmp_path):
    for ranks in (1, 2):
        run(ranks, "eval", "run", model, *FEW, "--out", tmp_path / str(ranks))
    assert_told_alike(tmp_path / "1", tmp_path / "2")
    assert len(lines(tmp_path / "1")) == 27
    assert (tmp_path / "1" / "scores.json").read_text() == (tmp_path / "2" / "scores.json").read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_asks_its_sides_on_all_ranks(model, tmp_path):
    for ranks in (1, 2):
        sides = (f"a={model}", f"b={model}", "--folder", tmp_path / str(ranks), "--out", tmp_path / f"{ranks}.html")
        run(ranks, "boundary", *sides, *FEW)
    assert_told_alike(tmp_path / "1", tmp_path / "2")
    assert len(lines(tmp_path / "1")) == 54
    assert (tmp_path / "2.html").is_file()


def started(model, out):
    """A long evaluation on two ranks, of which some problems are answered."""
    launched = subprocess.Popen(
        azr(2, "eval", "run", model, *LONG, "--out", out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, env=QUIET,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(lines(out)) < 24:
        assert time.monotonic() < deadline, "nothing was answered"
        assert launched.poll() is None, launched.communicate()[1][-3000:]
        time.sleep(0.1)
    return launched


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_was_answered_before_a_stop_is_kept_and_gone_on_from(model, tmp_path):
    launched = started(model, tmp_path / "2")
    launched.send_signal(signal.SIGINT)
    _, said = launched.communicate(timeout=60)
    kept = lines(tmp_path / "2")
    assert "terminate called" not in said  # by the C++ library, where a thread is left waiting
    assert 24 <= len(kept) < 24 * 60
    assert all("verdict" in json.loads(line) for line in kept)
    for ranks in (1, 2):
        run(ranks, "eval", "run", model, *LONG, "--out", tmp_path / str(ranks))
    one, two = (Counter(map(answer, lines(tmp_path / str(ranks)))) for ranks in (1, 2))
    assert one.total() == two.total() == 24 * 60
    # Who else is in a batch changes a probability's last bits, and with them now and then a token.
    assert (one - two).total() <= 0.01 * one.total()


def answer(line):
    """What a line says, without the surprise of its tokens."""
    told = json.loads(line)
    return told["task_id"], told["completion"], told["verdict"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_rank_that_is_gone_ends_it_by_name(model, tmp_path):
    launched = started(model, tmp_path / "2")
    wait_for_rank(launched, 1).kill()
    _, said = launched.communicate(timeout=60)
    assert launched.returncode != 0
    assert "rank 1 on" in said
    assert len(lines(tmp_path / "2")) >= 24
