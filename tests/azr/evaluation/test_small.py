"""The small programs: our own set is sound and shown nowhere, the public one is drawn as its rule says, both are judged
as self-play judges."""

import ast
import re
import textwrap
from collections import Counter
from pathlib import Path

import pytest

from azr.config.choices import Half
from azr.errors import UserError
from azr.evaluation.benchmark import PromptForm
from azr.evaluation.benchmarks import BENCHMARKS, SUITES, find_benchmark
from azr.evaluation.benchmarks.small import OWN, PUBLIC, SMALL, small_programs
from azr.evaluation.data import DataPlaces, data_places, load_problems
from azr.evaluation.judging.check import Tools
from azr.evaluation.judging.task_answer import TaskAnswer
from azr.evaluation.plan import SamplingSettings
from azr.evaluation.sampling import Respondent
from azr.evaluation.small.drawing import PAIRS_ASKED, Candidate, draw, from_cruxeval, from_mbpp_plus
from azr.evaluation.small.known import GRADES, KnownProgram, grade_of, half_of, questions
from azr.evaluation.small.own import own_programs
from azr.rollout.scripted import ScriptedEngine
from sandbox import CallStatus, Job, JobStatus, Sandbox
from tasks.induction import held_out
from tasks.induction import shown as shown_pairs
from tasks.kinds import KINDS
from tasks.program import describe, fingerprint, tidy
from tasks.triplet import TaskType, Triplet, Verdict
from tests.azr.rollout.tiny import tiny_policy

PROJECT = Path(__file__).parents[3]
RIGHT, WRONG, UNPARSED = Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED


# -- our own set -------------------------------------------------------------------------------------------------------


def test_there_are_enough_and_no_two_alike() -> None:
    programs = own_programs()
    assert len(programs) >= 210
    for part in (lambda p: p.id, lambda p: fingerprint(p.code), lambda p: p.message):
        assert len(set(map(part, programs))) == len(programs)


def test_every_output_is_what_the_sandbox_gives(tools: Tools) -> None:
    jobs = [Job(program.code, program.inputs, repeats=2) for program in own_programs()]
    for program, result in zip(own_programs(), tools.sandbox.map(jobs), strict=True):
        assert result.status is JobStatus.OK, program.id
        assert all(call.status is CallStatus.OK for call in result.calls), program.id
        assert tuple(call.value for call in result.calls) == program.outputs, program.id


def test_programs_are_short_and_as_a_run_would_show_them() -> None:
    for program in own_programs():
        assert tidy(program.code) == program.code, program.id
        assert 2 <= describe(program.code).lines <= 7, program.id
        assert len(set(program.inputs)) == len(program.inputs) == 5, program.id
        assert all(len(text) <= 60 for text in (*program.inputs, *program.outputs)), program.id
        assert program.message.endswith((".", "?")), program.id


def test_all_grades_and_halves_are_well_filled() -> None:
    counts = Counter((grade_of(program.code), half_of(program)) for program in own_programs())
    assert set(counts) == {(grade, half) for grade in GRADES for half in Half}
    assert min(counts.values()) >= 20


def test_kinds_of_values_are_mixed() -> None:
    kinds = Counter(type(ast.literal_eval(program.outputs[0])).__name__ for program in own_programs())
    most = 0.4 * len(own_programs())
    assert {"int", "str", "list", "dict", "tuple", "bool", "float"} <= set(kinds)
    assert max(kinds.values()) <= most
    assert kinds["bool"] <= 0.05 * len(own_programs())  # half of the guesses at these are right


def test_repeating_the_question_is_hardly_ever_right(tools: Tools) -> None:
    copies = dict.fromkeys((TaskType.DEDUCTION, TaskType.ABDUCTION), 0)
    for program in own_programs():
        for task_type in copies:
            (question,) = questions(program, task_type)
            repeated = question.task.input if task_type is TaskType.DEDUCTION else question.task.output
            copies[task_type] += KINDS[task_type].verify(tools.sandbox, question.task, [repeated]) == [RIGHT]
    assert copies[TaskType.DEDUCTION] == 0
    assert copies[TaskType.ABDUCTION] <= 0.02 * len(own_programs())


def test_pairs_tell_programs_apart() -> None:
    for program in own_programs():
        (question,) = questions(program, TaskType.INDUCTION)
        judging = held_out(question.task)
        assert program.outputs[0] != program.outputs[1], program.id
        assert len({output for _, output in judging}) > 1, program.id
        assert any(given != output for given, output in judging), program.id


def test_no_shortcut_passes_for_an_induced_program(tools: Tools) -> None:
    """Giving back the argument, or always one of the outputs, or the outputs that were shown, is wrong."""
    for program in own_programs()[::5]:
        (question,) = questions(program, TaskType.INDUCTION)
        shown = ", ".join(f"repr(({given},)): {output}" for given, output in shown_pairs(question.task))
        values = [*dict.fromkeys(program.outputs), "x[0]", f"{{{shown}}}[repr(x)]"]
        cheats = [f"def f(*x):\n    return {value}" for value in values]
        verdicts = KINDS[TaskType.INDUCTION].verify(tools.sandbox, question.task, cheats)
        assert verdicts == [WRONG] * len(cheats), program.id


def test_none_is_shown_by_a_prompt_an_example_a_document_or_a_seed() -> None:
    ours = {fingerprint(program.code): program.id for program in own_programs()}
    files = [
        PROJECT / "README.md",
        *PROJECT.glob("docs/**/*.md"),
        *PROJECT.glob("configs/*"),
        *PROJECT.glob("azr/**/*.py"),
    ]
    prompts = [file for file in PROJECT.glob("tasks/prompts/**/*") if file.suffix in (".txt", ".md", ".toml", ".py")]
    shown = {file: functions_in(file.read_text(encoding="utf-8")) for file in [*prompts, *files]}
    assert sum(map(len, (shown[file] for file in prompts))) > 50  # the search does find functions
    found = {
        (ours[fingerprint(function)], str(file.relative_to(PROJECT)))
        for file, functions in shown.items()
        for function in functions
        if fingerprint(function) in ours
    }
    assert not found


def functions_in(text: str) -> list[str]:
    """Every `def f(...)` in a text, with as many of the lines below it as make a program."""
    found = []
    for start in re.finditer(r"def f\(", text):
        margin = text[text.rfind("\n", 0, start.start()) + 1 : start.start()]
        lines = text[start.start() :].replace("\\n", "\n").split("\n")
        block = [lines[0], *(line.removeprefix(margin if not margin.strip() else "") for line in lines[1:12])]
        for end in range(len(block), 0, -1):
            source = textwrap.dedent("\n".join(block[:end]))
            try:
                tree = ast.parse(source)
            except SyntaxError:
                continue
            found.append(ast.unparse(tree.body[0]))
            break
    return found


# -- halves, grades, questions -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "grade"),
    [
        ("def f(x):\n    return x + 1", 1),
        ("def f(xs):\n    return [x for x in xs]", 2),
        ("def f(x):\n    return x if x else 1", 2),
        ("def f(x):\n    y = x\n    return y", 2),
        ("def f(x):\n    if x:\n        return 1\n    return x", 3),
        ("def f(xs):\n    for x in xs:\n        if x:\n            return 1\n    return 0", 4),
    ],
)
def test_a_grade_counts_lines_and_branches(program: str, grade: int) -> None:
    assert grade_of(program) == grade


def test_a_half_follows_from_the_id_alone() -> None:
    """Values that must never change: results were reported on them."""
    fixed = {"own_0": Half.HELD, "own_1": Half.TUNE, "Mbpp/2": Half.TUNE, "sample_73": Half.TUNE}
    for code in ("def f(x): return x", "def f(x): return [x]"):
        assert {name: half_of(KnownProgram(name, code, (), ())) for name in fixed} == fixed


def test_questions_about_one_program_share_their_subject() -> None:
    program = KnownProgram(
        "p", "def f(x):\n    return x + 1", ("1", "2", "3", "4"), ("2", "3", "4", "5"), "One more.", 2
    )
    first, second = questions(program, TaskType.DEDUCTION)
    assert (first.id, second.id) == ("p#1", "p#2")
    assert second.task == Triplet(TaskType.DEDUCTION, program.code, ("2",), ("3",))
    (induction,) = questions(program, TaskType.INDUCTION)
    assert (induction.id, induction.task.message) == ("p", "One more.")
    few = KnownProgram("q", program.code, ("1",), ("2",))
    assert questions(few, TaskType.INDUCTION) == []
    assert [question.id for question in questions(few, TaskType.ABDUCTION)] == ["q"]


# -- the rule that draws -----------------------------------------------------------------------------------------------


def drawn(sandbox: Sandbox, code: str, *inputs: str, known: tuple[str, ...] = ()) -> list[KnownProgram]:
    return draw(sandbox, [Candidate("c", code, inputs)], known)


def test_pairs_with_new_outputs_come_first(tools: Tools) -> None:
    (program,) = drawn(tools.sandbox, "def f(n):\n    return n > 5", "9", "8", "7", "1", "2", "3")
    assert program.inputs == ("9", "1", "8", "2", "7")
    assert program.outputs == ("True", "False", "True", "False", "True")
    assert program.asked == PAIRS_ASKED


@pytest.mark.parametrize(
    ("code", "inputs"),
    [
        ("def f(x):\n    return x", ("1", "2", "3")),
        ("def f(a, b):\n    return max(a, b)", ("1, 2", "3, 4")),
        ("def f(x):\n    return 7", ("1", "2", "3")),
        ("def f(x):\n    return 1 // x", ("1", "0")),
        ("def f(x):\n    return str(x) * 30", ("1", "2")),
        ("def f(x):\n    while x:\n        pass\n    return x + 1", ("0", "1")),
        ("def f(x):\n    return open(x)", ("'a'", "'b'")),
    ],
)
def test_what_is_no_good_question_is_not_taken(code: str, inputs: tuple[str, ...], tools: Tools) -> None:
    assert drawn(tools.sandbox, code, *inputs) == []


def test_a_program_is_taken_once_and_not_if_it_is_known(tools: Tools) -> None:
    one = Candidate("a", "def f(x):\n    return x + 1", ("1", "2"))
    same = Candidate("b", "def f(y):\n    return y + 1", ("5", "6"))
    assert [program.id for program in draw(tools.sandbox, [one, same])] == ["a"]
    assert draw(tools.sandbox, [one], known=["def f(n): return n + 1"]) == []


def test_a_solution_becomes_f_with_its_short_inputs() -> None:
    row = {
        "task_id": "Mbpp/900",
        "prompt": '"""\nWrite a function to add\none to all.\nassert up([1]) == [2]\n"""\n',
        "entry_point": "up",
        "canonical_solution": "\ndef up(xs):\n  # all of them\n  return xs and [xs[0] + 1] + up(xs[1:])\n",
        "base_input": [[[1, 2]], [[3]]],
        "plus_input": [[list(range(15))], [[1000]], [["é"]], [[4]]],
        "atol": 0,
    }
    long = {**row, "canonical_solution": "import math\n" + row["canonical_solution"]}
    (candidate,) = from_mbpp_plus([row, long])
    assert candidate == Candidate(
        "Mbpp/900",
        "def f(xs):\n    return xs and [xs[0] + 1] + f(xs[1:])",
        ("[1, 2]", "[3]", "[4]"),
        "Write a function to add one to all.",
    )


def test_a_function_borrows_inputs_of_the_same_types_from_those_behind_it() -> None:
    rows = [
        {"id": "s0", "code": "def f(a, b):\n    return a * b", "input": "'x', 2"},
        {"id": "s1", "code": "def f(xs):\n    return len(xs)", "input": "[1, 2]"},
        {"id": "s2", "code": "import re\ndef f(a, b):\n    return a + b", "input": '"y", 3'},
        {"id": "s3", "code": "def f(xs):\n    return xs[0]", "input": "['a']"},
    ]
    found = {candidate.id: candidate.inputs for candidate in from_cruxeval(rows)}
    assert found == {"s0": ("'x', 2", "'y', 3"), "s1": ("[1, 2]",), "s3": ("['a']",)}


@pytest.mark.data
def test_the_public_set_is_large_and_always_the_same(public_data: DataPlaces, tools: Tools) -> None:
    programs = small_programs(PUBLIC, public_data)
    assert len(programs) >= 300
    assert len({fingerprint(program.code) for program in programs}) == len(programs)
    assert not {fingerprint(program.code) for program in programs} & {fingerprint(p.code) for p in own_programs()}
    again = draw(tools.sandbox, [Candidate(p.id, p.code, p.inputs, p.message) for p in programs])
    assert again == list(programs)


# -- asked and judged --------------------------------------------------------------------------------------------------


def test_names_stand_for_sets_ways_and_halves() -> None:
    names = {f"small-{which}-{way}-{half}" for which in ("own", "public") for way in "dai" for half in ("tune", "held")}
    assert {name for name in BENCHMARKS if name.startswith("small-")} == names
    assert {benchmark.name for benchmark in SUITES["small-held"]} == {name for name in names if name.endswith("held")}
    assert not [benchmark for benchmark in SUITES["all"] if benchmark.name.startswith("small-")]


def test_the_halves_are_the_whole_and_share_nothing() -> None:
    halves = [{p.task_id for p in load_problems(find_benchmark(f"small-own-d-{half}"), DataPlaces())} for half in Half]
    assert not halves[0] & halves[1]
    assert halves[0] | halves[1] == {program.id for program in own_programs()}


@pytest.mark.parametrize("task_type", TaskType)
def test_the_true_answer_is_right_in_both_forms(task_type: TaskType, tools: Tools) -> None:
    for program in own_programs()[::7]:
        (question,) = questions(program, task_type)
        answer = {
            TaskType.DEDUCTION: program.outputs[0],
            TaskType.ABDUCTION: program.inputs[0],
            TaskType.INDUCTION: program.code,
        }[task_type]
        continued = f"f({answer})" if task_type is TaskType.ABDUCTION else answer
        texts = [f"{continued}\n", f"So it is clear.\n<answer>\n{answer}\n</answer>", ""]
        judged = TaskAnswer(question.task).judge(tools, texts)
        assert [judgement.verdict for judgement in judged] == [RIGHT, RIGHT, UNPARSED], program.id


def test_an_answer_that_repeats_the_question_is_marked(tools: Tools) -> None:
    check = TaskAnswer(Triplet(TaskType.DEDUCTION, "def f(s):\n    return s[::-1]", ("'hello'",), ("'olleh'",)))
    judged = check.judge(tools, [' "hello"\n', "'olleh'", "nothing"])
    assert [judgement.repeats for judgement in judged] == [True, False, False]
    back = TaskAnswer(Triplet(TaskType.ABDUCTION, "def f(s):\n    return s[::-1]", ("'hello'",), ("'olleh'",)))
    assert [judgement.repeats for judgement in back.judge(tools, ["f('olleh')", "f('hello')"])] == [True, False]
    (induction,) = questions(own_programs()[0], TaskType.INDUCTION)
    assert TaskAnswer(induction.task).judge(tools, ["def f(x):\n    return x"])[0].repeats is None


def test_a_program_that_loops_is_wrong_and_the_others_are_judged(tools: Tools) -> None:
    program = own_programs()[0]
    (question,) = questions(program, TaskType.INDUCTION)
    judged = TaskAnswer(question.task).judge(tools, ["def f(n):\n    while True:\n        pass\n", f"{program.code}\n"])
    assert [judgement.verdict for judgement in judged] == [WRONG, RIGHT]


def test_prompts_are_the_runs_own_and_answers_are_kept_short() -> None:
    problem = load_problems(find_benchmark("small-own-d-tune"), DataPlaces(), limit=1)[0]
    prompt = problem.prompts[PromptForm.COMPLETION]
    program = next(program for program in own_programs() if half_of(program) is Half.TUNE)
    assert prompt.text.endswith(f"{program.code}\nassert f({program.inputs[0]}) ==")
    assert prompt.stop == ("\n",)
    policy = tiny_policy()
    engine = ScriptedEngine(policy, lambda *_: "")
    for form, most in ((PromptForm.COMPLETION, 48), (PromptForm.REASONING, 2048)):
        asking = Respondent(policy, engine, SamplingSettings("tiny", form, 1.0, 1.0, 2048, 0))
        assert asking.request(find_benchmark("small-own-d-tune"), problem, 4, 0).max_tokens == most


def test_data_for_what_needs_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.touch()
    sources = [source.name for benchmark in SMALL[Half.TUNE] if OWN in benchmark.name for source in benchmark.sources]
    with pytest.raises(UserError, match="reads no data"):
        data_places([str(file)], sources)
