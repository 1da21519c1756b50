"""Tasks that teach nothing are known by what their programs do."""

import pytest

from azr.config.choices import Flaw
from azr.evaluation.flaws import find_flaws, repeats_question, varied_inputs
from tasks.triplet import TaskType, Triplet


def pair(program, given, output, task_type=TaskType.DEDUCTION):
    return Triplet(task_type, program, (given,), (output,))


@pytest.mark.parametrize(
    ("program", "given", "output", "flaws"),
    [
        ("def f(s):\n    return s[::-1]", "'hello'", "'olleh'", ()),
        ("def f(x):\n    return x", "'hello'", "'hello'", (Flaw.COPY,)),
        ("def f(xs):\n    return [x for x in xs if x > 2]", "[ 5,9 ]", "[5, 9]", (Flaw.COPY,)),
        ("def f(a, b):\n    return (a, b)", "3, 'x'", "(3, 'x')", (Flaw.COPY,)),
        ("def f(s):\n    return 7", "'hello'", "7", (Flaw.CONSTANT,)),
        ("def f(xs):\n    return len(xs) > -1", "[1, 2]", "True", (Flaw.CONSTANT,)),
        ("def f(x):\n    return 5", "5", "5", (Flaw.COPY, Flaw.CONSTANT)),
        ("def f(n):\n    return n % 2 == 0", "4", "True", ()),
        ("def f(a, b):\n    return b", "1, 2", "2", ()),
        ("def f(d):\n    return list(d)", "{'x': 1}", "['x']", ()),
        # Other inputs make it fail or run for ever: that is no reason to call its output constant.
        ("def f(s):\n    return 1 if s == 'ok' else s[99]", "'ok'", "1", ()),
        ("def f(n):\n    while n != 8:\n        pass\n    return 1", "8", "1", ()),
        ("def f(x=3):\n    return 4", "x=3", "4", ()),
    ],
)
def test_a_pair_is_looked_through(sandbox, program, given, output, flaws):
    assert find_flaws(sandbox, pair(program, given, output)) == flaws
    assert set(flaws) <= set(find_flaws(sandbox, pair(program, given, output, TaskType.ABDUCTION)))


def test_an_abduction_that_its_own_output_answers_is_a_copy(sandbox):
    program = "def f(xs):\n    return sorted(xs)"
    assert find_flaws(sandbox, pair(program, "[3, 1]", "[1, 3]")) == ()
    assert find_flaws(sandbox, pair(program, "[3, 1]", "[1, 3]", TaskType.ABDUCTION)) == (Flaw.COPY,)
    backwards = pair("def f(xs):\n    return xs[::-1]", "[3, 1]", "[1, 3]", TaskType.ABDUCTION)
    assert find_flaws(sandbox, backwards) == ()


def test_induction_is_flawed_where_all_its_pairs_are(sandbox):
    def induction(outputs):
        return Triplet(TaskType.INDUCTION, "def f(x):\n    return x", ("1", "2", "3", "4"), outputs, "")

    assert find_flaws(sandbox, induction(("1", "2", "3", "4"))) == (Flaw.COPY,)
    assert find_flaws(sandbox, induction(("7", "7", "7", "7"))) == (Flaw.CONSTANT,)
    assert find_flaws(sandbox, induction(("1", "2", "3", "5"))) == ()


def test_an_answer_repeats_the_question_by_value(sandbox):
    task = pair("def f(s):\n    return s[::-1]", "'hello'", "'olleh'")
    answers = ['"hello"', "'olleh'", None, "hello", "'hel' 'lo'", "'hel' + 'lo'"]  # the last is no value but a sum
    assert repeats_question(sandbox, task, answers) == [True, False, False, False, True, False]
    backwards = pair(task.program, "'hello'", "'olleh'", TaskType.ABDUCTION)
    assert repeats_question(sandbox, backwards, answers) == [False, True, False, False, False, False]
    programs = Triplet(TaskType.INDUCTION, task.program, ("'a'",) * 4, ("'a'",) * 4)
    assert repeats_question(sandbox, programs, ["'a'"]) == [False]


def test_varied_inputs_keep_the_types():
    for text in varied_inputs("3, 'ab', [1, (2.5, True)], {'k': 1}, None"):
        a, b, c, d, e = eval(text)
        assert (type(a), type(b), type(c), type(d), e) == (int, str, list, dict, None)
    assert "3" not in varied_inputs("3")
    assert varied_inputs("g(3)") == varied_inputs("x=3") == varied_inputs("((") == []
