"""One step of the loop, looked at from inside: what is shown, what fills the solver's batch, what is paid."""

from contextlib import ExitStack
from dataclasses import replace
from statistics import fmean

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from azr.buffer import Origin, TaskBuffer, TaskRow
from azr.config.fields import (
    Flaw,
    LearnerConfig,
    PanelConfig,
    PromptConfig,
    ProposeConfig,
    RolloutConfig,
    SeedingConfig,
    SolverConfig,
    TrainOn,
)
from azr.errors import UserError
from azr.learner import Learner
from azr.methods.absolute_zero.proposing import propose
from azr.methods.absolute_zero.record import store_step
from azr.methods.absolute_zero.selfplay import SelfPlay
from azr.methods.absolute_zero.step_metrics import step_metrics
from azr.methods.method import Seat
from azr.policy.model import load_policy
from azr.rollout import TransformersEngine
from azr.rollout.asking import Exam, Table, solve, solve_together
from azr.rollout.scripted import ScriptedEngine
from azr.training.loop import Loop, Stopwatch
from azr.training.run import Run
from azr.training.telemetry import Telemetry, read_metrics, rewind_metrics
from tasks.prompts import load_style
from tasks.triplet import Prompt, Rejection, Role, TaskType, Triplet, Verdict
from tests.azr.players import names_in, respond, tiny_config


@pytest.fixture
def buffer(tmp_path):
    opened = TaskBuffer.create(tmp_path / "buffer.sqlite")
    with opened.transaction():
        for number in range(6):
            for task_type in TaskType:
                program = f"def f(x):\n    return [x, {number}]"
                inputs = ("1",) if task_type is not TaskType.INDUCTION else ("1", "2", "3", "4")
                outputs = tuple(f"[{given}, {number}]" for given in inputs)
                triplet = Triplet(task_type, program, inputs, outputs, "A pair.")
                opened.add_task(TaskRow(0, triplet, Origin.SEEDING))
    yield opened
    opened.close()


def table(model, sandbox, config=None, say=respond):
    config = config or tiny_config(model)
    policy = load_policy(config.model)
    return Table(config, policy, ScriptedEngine(policy, say), sandbox, load_style(config.prompts.style))


def play_step(at, learner, buffer, folder):
    """The first step of a run of self-play alone: what happened in it, and its metrics."""
    with Telemetry(Run(folder)) as telemetry, ExitStack() as stack:
        watch = Stopwatch(telemetry.phase)
        selfplay = SelfPlay(Seat(at, buffer, watch.phase, telemetry.say, stack))
        step = Loop(at, learner, buffer, [selfplay], watch).step(1)
    return selfplay.record, step


def ignore(done, total=None):
    """Nobody watches."""


def propose_all(at, buffer, count=4, number=1):
    return propose(at, buffer, dict.fromkeys(TaskType, count), ("step", number, "propose"), 1.0, ignore)


def test_proposals_share_prompts_show_their_own_type_and_repeat_by_seed(model, sandbox, buffer):
    at = table(model, sandbox)
    proposed = propose_all(at, buffer)
    assert [p.type for p in proposed] == [task_type for task_type in TaskType for _ in range(4)]
    assert len({p.prompt for p in proposed}) == 6  # 2 samples behind each prompt
    for proposal in proposed:
        shown = [buffer.task(ref).triplet for ref in proposal.refs]
        if proposal.type is TaskType.INDUCTION:
            assert len(shown) == 1
            assert shown[0].type is not TaskType.INDUCTION
        else:
            assert [triplet.type for triplet in shown] == [proposal.type] * 2
    again = propose_all(at, buffer)
    assert [(p.prompt_ids, p.completion.token_ids) for p in again] == [
        (p.prompt_ids, p.completion.token_ids) for p in proposed
    ]
    assert [p.prompt_ids for p in propose_all(at, buffer, number=2)] != [p.prompt_ids for p in proposed]


def test_over_the_warm_up_the_seedings_temperature_becomes_the_proposers(model, sandbox, buffer, tmp_path):
    settings = replace(tiny_config(model).propose, warmup_steps=2, warmup_temperature=0.5, temperature=2.0)
    at = table(model, sandbox, tiny_config(model, propose=settings, seeding=SeedingConfig(factor=2)))
    generate, asked = at.engine.generate, set()

    def recorded(requests, *given):
        asked.update(request.temperature for request in requests)
        return generate(requests, *given)

    at.engine.generate = recorded
    with Telemetry(Run(tmp_path)) as telemetry, ExitStack() as stack:
        selfplay = SelfPlay(Seat(at, buffer, telemetry.phase, telemetry.say, stack))
        selfplay.seed_round()
        assert asked == {0.5}
        for step, temperature in [(1, 1.25), (2, 2.0)]:
            asked.clear()
            (warmup,) = selfplay.play(step)
            assert asked == {temperature} == {rollout.temperature for rollout in warmup.rollouts}
        asked.clear()
        (play,) = selfplay.play(3)
        solver = at.config.rollout.temperature
        assert asked == {2.0, solver}
        assert {(rollout.role, rollout.temperature) for rollout in play.rollouts} == {
            (Role.PROPOSE, 2.0),
            (Role.SOLVE, solver),
        }


def test_a_steps_updates_are_told_as_one(model, sandbox, buffer, tmp_path):
    solver = SolverConfig(batch=3, estimate_samples=4, max_tokens=60, rounds=3)
    learning = LearnerConfig(learning_rate=1e-2, minibatches=2)
    at = table(model, sandbox, tiny_config(model, solver=solver, learner=learning))
    learner, updates = Learner(at.policy, at.config.learner, at.config.model), []
    take_step = learner.step

    def recorded(*given):
        updates.append(take_step(*given))
        return updates[-1]

    learner.step = recorded
    _, step = play_step(at, learner, buffer, tmp_path)
    assert len(updates) == 3
    for name, together in (("ratio_max", max), ("ratio_min", min), ("samples", sum), ("entropy", fmean)):
        values = [update[name] for update in updates if name in update]
        assert len(set(values)) > 1
        assert step.metrics[f"learner/{name}"] == pytest.approx(together(values))


def test_a_panel_without_tasks_of_a_type_is_asked_what_it_has(model, sandbox, tmp_path):
    """What seeding of a small batch leaves: of deduction the identity alone."""
    buffer = TaskBuffer.create(tmp_path / "few.sqlite")
    with buffer.transaction():
        identity = Triplet(TaskType.DEDUCTION, "def f(x):\n    return x", ("1",), ("1",))
        buffer.add_task(TaskRow(0, identity, Origin.IDENTITY))
        buffer.add_task(TaskRow(0, replace(identity, type=TaskType.ABDUCTION), Origin.SEEDING))
    at = table(model, sandbox, tiny_config(model, panel=PanelConfig(every=1, tasks=2, samples=1)))
    said = []
    with Telemetry(Run(tmp_path)) as telemetry, ExitStack() as stack:
        selfplay = SelfPlay(Seat(at, buffer, telemetry.phase, said.append, stack))
        selfplay.prepare(1, lambda: False)
        metrics = selfplay.look(0)
    buffer.close()
    assert {name for name in metrics if name.startswith("panel/rate/")} == {"panel/rate/abduction"}
    assert "(abduction" in said[-1]


@pytest.mark.parametrize(("rejecting", "outcomes"), [(True, ["valid", *["duplicate"] * 3]), (False, ["valid"] * 4)])
def test_the_same_task_again_is_a_duplicate(model, sandbox, buffer, rejecting, outcomes):
    settings = ProposeConfig(batch=4, samples_per_prompt=4, references=0, max_tokens=120, reject_duplicates=rejecting)
    at = table(model, sandbox, tiny_config(model, propose=settings), lambda prompt, _: respond(prompt, 1))
    # The script breaks one proposal in five, by its prompt: the first batch whose prompt it does not break will do.
    for number in range(20):
        proposed = propose(at, buffer, {TaskType.DEDUCTION: 4}, ("step", number, "propose"), 1.0, ignore)
        found = [p.outcome.reason if isinstance(p.outcome, Rejection) else "valid" for p in proposed]
        if found[0] == "valid":
            break
    assert found == outcomes


@pytest.mark.parametrize("refused", [(), (Flaw.COPY, Flaw.CONSTANT)])
def test_flawed_tasks_are_counted_and_refused_where_the_config_says_so(model, sandbox, buffer, tmp_path, refused):
    bodies = ["x", "7", "[x, 3]", "[x, 77]"]  # a copy, a constant, a program of the buffer's, a new one
    settings = ProposeConfig(batch=4, samples_per_prompt=4, references=0, max_tokens=120, refuse=refused)
    config = tiny_config(model, propose=replace(settings, types=(TaskType.DEDUCTION,)))

    def say(prompt, sample):
        last = prompt.rsplit("\n", 1)[-1]
        if not last.startswith("def f("):
            return "5\n"
        names = names_in(last)
        body = bodies[sample].replace("x", names[0])
        return f"\n    return {body}\n>>> f({', '.join(['5'] * len(names))})\n\n"

    at = table(model, sandbox, config, say)
    learner = Learner(at.policy, config.learner, config.model)
    record, _ = play_step(at, learner, buffer, tmp_path)
    reasons = [p.outcome.reason if isinstance(p.outcome, Rejection) else "valid" for p in record.proposed]
    assert reasons == (["copy", "constant", "valid", "valid"] if refused else ["valid"] * 4)
    metrics = step_metrics(record)
    assert metrics["propose/flaw/constant"] == 0.25
    assert metrics["propose/flaw/restated"] == 0.25
    assert metrics["propose/new_programs"] == 0.75
    assert metrics["propose/flaw/copy"] == 0.25
    copies = [answer.repeats for exercise in record.exercises for answer in exercise.answers]
    assert metrics["solve/copies"] == pytest.approx(sum(copies) / len(copies))


def test_references_are_dropped_until_the_prompt_fits(model, sandbox, buffer):
    roomy = table(model, sandbox)
    longest = max(len(p.prompt_ids) for p in propose_all(roomy, buffer) if p.type is not TaskType.INDUCTION)
    tight = table(model, sandbox, tiny_config(model, rollout=RolloutConfig(max_prompt_tokens=longest - 1)))
    proposed = propose(
        tight, buffer, {TaskType.DEDUCTION: 4, TaskType.ABDUCTION: 4}, ("step", 1, "propose"), 1.0, ignore
    )
    assert all(len(p.prompt_ids) < longest for p in proposed)
    assert any(len(p.refs) < 2 for p in proposed)
    hopeless = table(model, sandbox, tiny_config(model, rollout=RolloutConfig(max_prompt_tokens=5)))
    with pytest.raises(UserError, match=r"rollout\.max_prompt_tokens=5"):
        propose_all(hopeless, buffer)


def test_a_model_without_a_chat_template_is_asked_in_the_styles_frame(model, sandbox, buffer):
    config = tiny_config(model, prompts=PromptConfig(style="reasoning"))
    seen = []
    at = table(model, sandbox, config, lambda prompt, _: seen.append(prompt) or "no idea")
    proposed = propose(at, buffer, {TaskType.DEDUCTION: 1}, ("step", 1, "propose"), 1.0, ignore)
    frame = at.style.plain(Prompt("")).answer_prefix
    assert frame
    assert seen[0].endswith(frame)
    assert not proposed[0].outcome.well_formed


def test_answers_are_judged_by_what_the_program_does(model, sandbox):
    task = Triplet(TaskType.DEDUCTION, "def f(x):\n    return {x}", ("3",), ("{3}",))
    said = ["{3}\n", "set([3])\n", "{4}\n", "three\n"]
    at = table(model, sandbox, say=lambda _, sample: said[sample])
    (answers,) = solve(at, [task], 4, ("step", 1, "solve"), ignore)
    assert [answer.verdict for answer in answers] == [Verdict.RIGHT, Verdict.RIGHT, Verdict.WRONG, Verdict.WRONG]


def test_exams_that_are_asked_together_are_answered_as_each_by_itself(model, sandbox, buffer):
    """By the engine of a laptop, whose samples depend on their seeds and on nothing else that is asked."""
    config = tiny_config(model)
    policy = load_policy(config.model)
    at = Table(config, policy, TransformersEngine(policy, 4096), sandbox, load_style(config.prompts.style))
    tasks = [buffer.task(number).triplet for number in range(1, 7)]
    exams = [Exam(tasks, 2, ("step", 1, "estimate"), 12), Exam(tasks[2:5], 1, ("step", 1, "solve"), 12)]
    together = solve_together(at, exams, ignore)
    for exam, answers in zip(exams, together, strict=True):
        alone = solve(at, exam.tasks, exam.samples, exam.purpose, ignore, max_tokens=exam.max_tokens)
        assert [[a.completion.token_ids for a in given] for given in answers] == [
            [a.completion.token_ids for a in given] for given in alone
        ]
        assert [[a.verdict for a in given] for given in answers] == [[a.verdict for a in given] for given in alone]


def test_the_solver_trains_on_new_tasks_first_and_the_buffer_fills_the_rest(model, sandbox, buffer, tmp_path):
    at = table(model, sandbox)
    learner = Learner(at.policy, at.config.learner, at.config.model)
    record, step = play_step(at, learner, buffer, tmp_path)
    new = {task_type: sum(task.triplet.type is task_type for task in record.invented) for task_type in TaskType}
    for task_type in TaskType:
        exercises = [e for e in record.exercises if e.triplet.type is task_type]
        assert len(exercises) == at.config.solver.batch
        own = [e for e in exercises if e.proposal is not None]
        assert len(own) == min(new[task_type], at.config.solver.batch)
        assert all(e.stored is not None for e in exercises if e.proposal is None)
    assert sum(r.role is Role.PROPOSE for r in record.rollouts) == 3 * at.config.propose.batch
    for rollout in record.rollouts:
        assert rollout.reward in {-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0}
        assert len(rollout.logprobs) == len(rollout.response_ids)
    metrics = step.metrics
    valid = sum(isinstance(p.outcome, Triplet) for p in record.proposed)
    assert metrics["propose/valid"] == pytest.approx(valid / len(record.proposed))
    rejected = sum(value for name, value in metrics.items() if name.startswith("propose/rejected/"))
    assert rejected == len(record.proposed) - valid
    assert step.lines[0].startswith("valid ")
    assert metrics["buffer/deduction"] == buffer.counts()[TaskType.DEDUCTION]
    assert metrics["tokens_per_second/generate"] > metrics["tokens_per_second"] > 0
    # Written once already by the step itself: the same record again shows up as twice the rows.
    before = buffer.position()
    with buffer.transaction():
        store_step(buffer, record)
    assert buffer.position()["attempt"] - before["attempt"] == before["attempt"]


def test_metrics_survive_a_torn_line_and_rewind(tmp_path):
    run = Run(tmp_path)
    with Telemetry(run) as telemetry:
        for step in range(4):
            telemetry.record(step, {"reward/solve": step / 3})
        telemetry.say("a line")
    with run.metrics.open("a") as file:
        file.write('{"step": 4, "rewa')
    assert [line["step"] for line in read_metrics(run.metrics)] == [0, 1, 2, 3]
    rewind_metrics(run.metrics, 2)
    assert [line["step"] for line in read_metrics(run.metrics)] == [0, 1, 2]
    assert run.log.read_text().endswith("a line\n")
    assert list(run.tensorboard.iterdir())


def test_tensorboard_shows_what_a_resume_kept_and_what_it_did_again(tmp_path):
    """Stopped after a step that no checkpoint has; what was measured before training comes in two parts."""
    run = Run(tmp_path)
    with Telemetry(run) as telemetry:
        telemetry.record(0, {"probe/deduction": 0.25})
        telemetry.record(1, {"reward/solve": 0.5})
    rewind_metrics(run.metrics, 0)
    with Telemetry(run) as telemetry:
        telemetry.record(0, {"panel/rate": 0.75})
        telemetry.record(1, {"reward/solve": 1.0})
    shown = EventAccumulator(str(run.tensorboard))
    shown.Reload()
    values = {name: [(event.step, event.value) for event in shown.Scalars(name)] for name in shown.Tags()["scalars"]}
    assert values == {"probe/deduction": [(0, 0.25)], "panel/rate": [(0, 0.75)], "reward/solve": [(1, 1.0)]}


def test_wrong_answers_that_repeat_the_question_pay_where_another_is_right(model, sandbox, buffer, tmp_path):
    """Of four answers to a task one is right, two repeat the question; one task in the batch nobody gets right."""

    def say(prompt, sample):
        last = prompt.rsplit("\n", 1)[-1]
        if last.startswith("def f("):
            return "\n    return x +\n\n"
        number = int(prompt.rsplit("return [x, ", 1)[1].partition("]")[0])
        return ["1\n", "1\n", "'no'\n", f"[1, {number}]\n" if number else "'no'\n"][sample]

    config = tiny_config(model, propose=ProposeConfig(batch=6, types=(TaskType.DEDUCTION,), max_tokens=120))
    config = replace(config, solver=replace(config.solver, batch=6, train_on=TrainOn.ESTIMATE, copy_penalty=0.25))
    at = table(model, sandbox, config, say)
    learner = Learner(at.policy, config.learner, config.model)
    record, _ = play_step(at, learner, buffer, tmp_path)
    solved = [r for r in record.rollouts if r.role is Role.SOLVE]
    groups = [solved[start : start + 4] for start in range(0, 24, 4)]
    assert len(solved) == 24
    penalties = sorted([rollout.penalty for rollout in group] for group in groups)
    assert penalties == [[0.0] * 4, *[[0.25, 0.25, 0.0, 0.0]] * 5]
    assert {rollout.reward for rollout in solved} == {1.0, -0.5}  # what is stored and shown is the method's own
