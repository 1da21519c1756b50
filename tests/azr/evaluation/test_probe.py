"""What the probe asks, and what its figures mean."""

import json
import re

import pytest

from azr.config.choices import Half
from azr.config.fields import ProbeConfig
from azr.errors import UserError
from azr.evaluation.probe import ask_probe, load_probe, look_at, probe_metrics
from azr.evaluation.probe_metrics import is_score, told
from azr.evaluation.small.known import half_of
from azr.evaluation.small.own import own_programs
from azr.policy.model import load_policy
from azr.rollout.asking import Table
from azr.rollout.scripted import ScriptedEngine
from tasks.prompts import load_style
from tasks.triplet import TaskType
from tests.azr.players import tiny_config

BY_TYPE = (TaskType.DEDUCTION, TaskType.ABDUCTION)


def ask(model, sandbox, config, say, seen=None):
    policy = load_policy(tiny_config(model).model)
    engine = ScriptedEngine(policy, say)
    if seen is not None:
        generate = engine.generate

        def watched(requests, on_done=None):
            seen.extend(requests)
            return generate(requests, on_done)

        engine.generate = watched
    table = Table(tiny_config(model, probe=config), policy, engine, sandbox, load_style("completion"))
    return ask_probe(table, load_probe(config), lambda done, total=None: None)


def test_the_probe_is_the_same_programs_of_one_half_in_every_way():
    config = ProbeConfig(problems=10, data="small-own")
    asked = load_probe(config)
    assert [question.id for question in asked] == [question.id for question in load_probe(config)]
    by_type = {kind: [q.id for q in asked if q.task.type is kind] for kind in TaskType}
    assert len(by_type[TaskType.DEDUCTION]) == 10
    assert by_type[TaskType.DEDUCTION] == by_type[TaskType.ABDUCTION] == by_type[TaskType.INDUCTION]
    halves = {program.id: half_of(program) for program in own_programs()}
    assert {halves[question.id] for question in asked} == {Half.TUNE}
    held = load_probe(ProbeConfig(problems=10_000, data="small-own", half=Half.HELD, types=BY_TYPE))
    assert len(held) == 2 * sum(half is Half.HELD for half in halves.values())
    assert load_probe(ProbeConfig(every=0, data="nowhere.jsonl")) == []


def test_a_file_may_have_one_pair_a_program(tmp_path):
    rows = [{"id": f"s{n}", "code": f"def f(x): return x + {n}", "input": "1", "output": str(n + 1)} for n in range(40)]
    file = tmp_path / "problems.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = load_probe(ProbeConfig(data=str(file), problems=5))
    assert [question.task.type for question in asked] == [TaskType.DEDUCTION] * 5 + [TaskType.ABDUCTION] * 5
    with pytest.raises(UserError, match="nothing there can be asked as induction"):
        load_probe(ProbeConfig(data=str(file), types=(TaskType.INDUCTION,)))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"code": "def f(): return 1", "input": ""}', "line 1: output is no text"),
        ('{"code": "def f(x): return x", "inputs": ["1", "2"], "outputs": ["1"]}', "not lists of as many texts"),
        ("not JSON", "line 1: not JSON"),
    ],
)
def test_a_broken_file_is_named(line, message, tmp_path):
    file = tmp_path / "problems.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(UserError, match=message):
        load_probe(ProbeConfig(data=str(file)))


def test_every_answer_counts_and_copies_are_told(model, sandbox):
    """Of four answers to each question the first is right and the second repeats the question."""
    config = ProbeConfig(problems=6, data="small-own", types=BY_TYPE, samples=4, max_tokens=60)
    tasks = [question.task for question in load_probe(config)]

    def say(prompt, sample):
        task = next(task for task in tasks if is_about(prompt, task))
        right, shown = (task.output, task.input) if task.type is TaskType.DEDUCTION else (task.input, task.output)
        answer = (right, shown, "no idea", "'never'")[sample]
        return f" {answer}\n" if task.type is TaskType.DEDUCTION else f"({answer})\n"

    asked = ask(model, sandbox, config, say)
    metrics = probe_metrics(asked)
    look = look_at(7, asked)
    assert (look.step, look.samples) == (7, 4)
    assert {kind: set(right.values()) for kind, right in look.right.items()} == {str(kind): {1} for kind in BY_TYPE}
    assert all(len(right) == 6 for right in look.right.values())
    for kind in BY_TYPE:
        assert metrics[f"probe/{kind}"] == pytest.approx(1 / 4)
        assert metrics[f"probe/pass@4/{kind}"] == 1
        assert metrics[f"probe/copies/{kind}"] == pytest.approx(1 / 4)
    grades = {name for name in metrics if "/grade-" in name}
    assert [metrics[name] for name in grades] == pytest.approx([1 / 4] * len(grades))
    assert {name for name in metrics if is_score(name)} == {"probe/deduction", "probe/abduction"}
    assert told(metrics).startswith("deduction 25.0% (pass@4 100.0%, copies 25.0%), abduction 25.0%")


def is_about(prompt, task):
    """Whether the prompt's last question is this task."""
    question = prompt.rsplit("\n\n", 1)[-1]
    end = f"assert f({task.input}) ==" if task.type is TaskType.DEDUCTION else f"assert {task.output} == f"
    return question == f"{task.program}\n{end}"


def test_induction_is_judged_by_the_pairs_that_were_not_shown(model, sandbox):
    config = ProbeConfig(problems=8, data="small-own", types=(TaskType.INDUCTION,), max_tokens=300)
    programs = {program.message: program for program in own_programs()}

    def say(prompt, _):
        message = re.findall(r"(?m)^# (.*)$", prompt)[-1]
        program = programs[message]
        if len(message) % 2:
            return f"{program.code.removeprefix('def f')}\n\n"
        shown = dict(zip(program.inputs[:2], program.outputs[:2], strict=True))
        table = ", ".join(f"repr(({given},)): {output}" for given, output in shown.items())
        return f"(*x):\n    return {{{table}}}[repr(x)]\n\n"

    honest = [len(question.task.message) % 2 for question in load_probe(config)]
    metrics = probe_metrics(ask(model, sandbox, config, say))
    assert metrics["probe/induction"] == pytest.approx(sum(honest) / len(honest))
    assert 0 < metrics["probe/induction"] < 1
    assert "probe/copies/induction" not in metrics


def test_one_answer_is_greedy_and_several_are_sampled_as_the_solver_samples(model, sandbox):
    for samples, temperature in ((1, 0.0), (3, 1.0)):
        seen = []
        config = ProbeConfig(problems=2, data="small-own", types=BY_TYPE, samples=samples, max_tokens=7)
        metrics = probe_metrics(ask(model, sandbox, config, lambda *_: "0\n", seen))
        assert {(r.n, r.temperature, r.max_tokens) for r in seen} == {(samples, temperature, 7)}
        assert (f"probe/pass@{samples}/deduction" in metrics) == (samples > 1)
