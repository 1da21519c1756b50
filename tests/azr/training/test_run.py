"""The run's folder: who may train in it, and how files in it are written."""

import subprocess
import sys
import time

import pytest

from azr.errors import UserError
from azr.training.run import Run, hold, is_training, open_run, refuse_occupied, write_whole

HOLDER = """
import sys, time
from pathlib import Path
from azr.training.run import Run, hold
with hold(Run(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_in_use_is_refused_until_its_process_dies(tmp_path):
    run = Run(tmp_path / "busy")
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(run.folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        assert is_training(run)
        with pytest.raises(UserError, match=f"in use by process {holder.pid}"), hold(run):
            pass
    finally:
        holder.kill()
        holder.wait()
    deadline = time.monotonic() + 5
    while is_training(run) and time.monotonic() < deadline:
        time.sleep(0.01)
    with hold(run):
        assert run.lock.read_text() != str(holder.pid)


def test_a_folder_that_is_no_run_is_said_to_be_none(tmp_path):
    with pytest.raises(UserError, match=r"is not a run \(has no config\.yaml\)"):
        open_run(tmp_path)
    with pytest.raises(UserError, match="is not there"):
        open_run(tmp_path / "absent")


def test_a_run_is_never_started_over_another(tmp_path):
    run = Run(tmp_path)
    refuse_occupied(run)
    run.config.write_text("name: x\n")
    with pytest.raises(UserError, match="--resume"):
        refuse_occupied(run)


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "old")
    write_whole(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
