"""Tasks that models proposed in published runs: each is a task here too, and its own hidden part is a right answer."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Sandbox
from tasks.kinds import KINDS
from tasks.triplet import Proposal, Rejection, TaskType, Triplet, Verdict

DATA = Path(os.environ.get("AZR_DATA", Path(__file__).parents[3] / "shared" / "data")) / "azr_triplets"
SAMPLE = 40


def proposals(pattern: str, type: TaskType) -> list[Proposal]:
    if not DATA.is_dir():
        pytest.skip(f"no published triplets in {DATA}; set AZR_DATA")
    rows = [json.loads(line) for path in sorted(DATA.glob(pattern)) for line in path.open()]
    return [
        Proposal(
            type,
            "\n".join([*row["imports"], row["snippet"]]),
            tuple(row["inputs"]) if "inputs" in row else (row["input"],),
            row.get("message", ""),
        )
        for row in random.Random(0).sample(rows, SAMPLE)
    ]


def hidden_part(task: Triplet) -> str:
    return {TaskType.DEDUCTION: task.output, TaskType.ABDUCTION: task.input, TaskType.INDUCTION: task.program}[
        task.type
    ]


@pytest.mark.data
@pytest.mark.parametrize(
    ("type", "pattern"),
    [
        (TaskType.DEDUCTION, "*coder_seed_io.jsonl"),
        (TaskType.ABDUCTION, "*coder_seed_io.jsonl"),
        (TaskType.INDUCTION, "*code_f_seed_io.jsonl"),
    ],
)
def test_the_hidden_part_of_a_published_task_is_a_right_answer(sandbox: Sandbox, type: TaskType, pattern: str) -> None:
    rejected = []
    for proposal in proposals(pattern, type):
        task = KINDS[type].validate(sandbox, proposal)
        if isinstance(task, Rejection):
            rejected.append(task)
        else:
            answers = [hidden_part(task), None, "no answer at all"]
            verdicts = KINDS[type].verify(sandbox, task, answers)
            assert verdicts == [Verdict.RIGHT, Verdict.UNPARSED, Verdict.WRONG], task
    assert len(rejected) <= 0.05 * SAMPLE, rejected


def test_the_domain_needs_neither_torch_nor_the_training_system() -> None:
    heavy = "('torch', 'azr', 'vllm')"
    code = f"import tasks.kinds, sys; print([name for name in sys.modules if name.split('.')[0] in {heavy}])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"
