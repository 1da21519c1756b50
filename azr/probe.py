"""The held-out probe: CRUXEval's two tasks on a fixed subset, greedy, in the run's own prompt style.

Output prediction is a deduction task and input prediction an abduction task (Gu et al. 2024, arXiv 2401.03065), so
the probe asks and judges as self-play does. Nothing of it reaches the buffer or the learner.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from azr.config import ProbeConfig
from azr.errors import UserError
from azr.json_lines import read_json_lines
from azr.roles import Table
from azr.rollout.engine import Completion, Request
from azr.telemetry import Advance
from tasks.kinds import KINDS
from tasks.triplet import TaskType, Triplet, Verdict

BUILTIN = "builtin"  # sixty small functions of our own, for models that CRUXEval is too hard for
BUILTIN_FILE = Path(__file__).with_name("probe_problems.jsonl")

NAMES = {"cruxeval-o": TaskType.DEDUCTION, "cruxeval-i": TaskType.ABDUCTION}


def load_probe(config: ProbeConfig) -> list[Triplet]:
    """The probe's problems, each as a deduction and an abduction task: the same subset in every run.

    Raises UserError where `config.data` is neither a readable file nor a data set that the hub gives.
    """
    if not config.every:
        return []
    records = _read_records(config.data)
    chosen = random.Random(0).sample(records, min(config.problems, len(records)))
    return [
        Triplet(task_type, record["code"], (record["input"],), (record["output"],))
        for task_type in NAMES.values()
        for record in chosen
    ]


def run_probe(table: Table, problems: Sequence[Triplet], advance: Advance) -> dict[str, float]:
    """{"probe/cruxeval-o": share right, "probe/cruxeval-i": share right}; a score over nothing is left out."""
    prompts = [table.framed(KINDS[problem.type].solve_prompt(table.style, problem)) for problem in problems]
    max_tokens = table.config.probe.max_tokens
    requests = [
        Request(table.encode(prompt), max_tokens=max_tokens, temperature=0.0, stop=prompt.stop) for prompt in prompts
    ]
    groups = table.engine.generate(requests, lambda _, given: advance(len(given)))
    verdicts = [
        _judge(table, problem, prompt.answer_prefix, completions[0])
        for problem, prompt, completions in zip(problems, prompts, groups, strict=True)
    ]
    scores = {}
    for name, task_type in NAMES.items():
        right = [v is Verdict.RIGHT for v, problem in zip(verdicts, problems, strict=True) if problem.type is task_type]
        if right:
            scores[f"probe/{name}"] = sum(right) / len(right)
    return scores


def _judge(table: Table, problem: Triplet, prefix: str, completion: Completion) -> Verdict:
    kind = KINDS[problem.type]
    return kind.verify(table.sandbox, problem, [kind.parse_answer(table.style, prefix + completion.text)])[0]


def _read_records(data: str) -> list[dict[str, str]]:
    path = BUILTIN_FILE if data == BUILTIN else Path(data).expanduser()
    if path.is_file():
        records = []
        for line in read_json_lines(path):
            if fault := line.fault or _fault(line.value):
                raise UserError(f"probe.data={data}, line {line.number}: {fault}")
            records.append(line.value)
        return records
    if path.suffix or data.count("/") != 1:
        raise UserError(f"probe.data: no file {data}; give a file, a hub id, {BUILTIN}, or turn it off (probe.every=0)")
    return _from_hub(data)


def _fault(record: Any) -> str | None:
    """What keeps a record from being a problem; None where nothing does."""
    if not isinstance(record, dict):
        return "not a JSON object"
    for field in ("code", "input", "output"):
        if not isinstance(record.get(field), str):
            return f"{field} is no text; wanted are code, input and output"
    return None


def _from_hub(data: str) -> list[dict[str, str]]:
    try:
        from datasets import load_dataset
    except ImportError:
        raise UserError(f"probe.data={data} is on the hub: pip install 'azr[hub]', or probe.data={BUILTIN}") from None
    try:
        records = [dict(row) for row in load_dataset(data, split="test")]
    except Exception as error:  # whatever the network and the hub's client raise
        raise UserError(
            f"probe.data={data} could not be fetched from the hub ({type(error).__name__}); give a file,"
            f" probe.data={BUILTIN}, or probe.every=0"
        ) from None
    if fault := next(filter(None, map(_fault, records)), None):
        raise UserError(f"probe.data={data}: {fault}")
    return records
