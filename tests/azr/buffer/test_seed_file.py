"""Starting a buffer from files: the published shape, broken lines, and what the sandbox refuses."""

import json
import os
from pathlib import Path

import pytest

from azr.buffer import TaskBuffer
from azr.buffer.seed_file import read_seed_files, store_seed_tasks
from azr.errors import UserError
from sandbox import Sandbox, SandboxConfig
from tasks.triplet import TaskType

DATA = Path(os.environ.get("AZR_DATA", Path(__file__).parents[4] / "shared" / "data")) / "azr_triplets"

PAIR = {
    "snippet": "def f(x):\n    return sqrt(x)",
    "input": "16",
    "output": "4.0",
    "imports": ["from math import sqrt"],
}
MANY = {
    "snippet": "def f(x):\n    return x + 1",
    "inputs": ["1", "2", "3", "4"],
    "outputs": ["2", "3", "4", "5"],
    "message": "The next.",
    "imports": [],
}


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(SandboxConfig(workers=1)) as opened:
        yield opened


@pytest.fixture
def buffer(tmp_path):
    opened = TaskBuffer.create(tmp_path / "buffer.sqlite")
    yield opened
    opened.close()


def write(tmp_path, *lines):
    path = tmp_path / "seeds.jsonl"
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return str(path)


def ignore(done, total=None):
    """Nobody watches."""


def test_a_pair_serves_deduction_and_abduction_and_many_pairs_induction(tmp_path, buffer, sandbox):
    proposals = read_seed_files([write(tmp_path, PAIR, MANY)])
    seeded = store_seed_tasks(buffer, sandbox, proposals, ignore)
    assert (seeded.kept, seeded.refused) == (3, {})
    assert set(buffer.counts().values()) == {1}
    deduction = buffer.task(1).triplet
    assert (deduction.type, deduction.output) == (TaskType.DEDUCTION, "4.0")
    assert buffer.task(3).triplet.message == "The next."


def test_a_type_key_says_which(tmp_path):
    proposals = read_seed_files([write(tmp_path, PAIR | {"type": "abduction"})])
    assert [proposal.type for proposal in proposals] == [TaskType.ABDUCTION]


def test_what_the_program_returns_here_counts_and_refusals_are_counted(tmp_path, buffer, sandbox):
    lying = PAIR | {"output": "5.0", "type": "deduction"}
    hostile = PAIR | {"snippet": "import os\ndef f(x):\n    return os.getpid()", "type": "deduction"}
    proposals = read_seed_files([write(tmp_path, lying, lying, hostile)])
    seeded = store_seed_tasks(buffer, sandbox, proposals, ignore)
    assert (seeded.kept, seeded.refused) == (1, {"duplicate": 1, "policy": 1})
    assert buffer.task(1).triplet.output == "4.0"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{not json\n", "line 2"),
        ('["a"]\n', "line 2 (not an object)"),
        ('{"snippet": "x"}\n', "line 2 (no 'input')"),
        ('{"snippet": 5, "input": "1"}\n', "line 2 (5 is not a string)"),
        ('{"snippet": "x", "inputs": "1"}\n', "line 2 (not a list of strings)"),
        (json.dumps(PAIR | {"type": "seduction"}) + "\n", "line 2 ('seduction' is not a valid TaskType)"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, fault):
    with pytest.raises(UserError) as caught:
        read_seed_files([write(tmp_path, PAIR, line)])
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.jsonl can't be read"):
        read_seed_files([str(tmp_path / "absent.jsonl")])


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the published triplets are not here (AZR_DATA)")
@pytest.mark.parametrize("name", ["3b_coder_seed_io", "3b_coder_code_f_seed_io"])
def test_the_published_triplets_fill_a_buffer(name, buffer, sandbox):
    proposals = read_seed_files([str(DATA / f"{name}.jsonl")])
    seeded = store_seed_tasks(buffer, sandbox, proposals, ignore)
    assert seeded.kept + sum(seeded.refused.values()) == len(proposals)
    assert seeded.kept > 0.7 * len(proposals)
