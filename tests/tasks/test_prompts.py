"""Styles: what a prompt is made of, and what is wrong with a broken one."""

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import tasks.prompts
from tasks.kinds import KINDS, TaskKind
from tasks.prompts import Style, StyleError, load_style
from tasks.seed import identity
from tasks.triplet import Proposal, TaskType, Triplet

STYLES = ["reasoning", "completion"]
OURS = Path(tasks.prompts.__file__).parent

TASK = Triplet(TaskType.DEDUCTION, "def f(word):\n    return word + '$1 {x}'", ("'qwerty'",), ("'qwerty$1 {x}'",))
PAIRS = Triplet(
    TaskType.INDUCTION,
    "def f(secret):\n    return secret * 2",
    ("11", "22", "33", "44", "55"),
    ("22", "44", "66", "88", "110"),
    "Twice the $number.",
)


@pytest.fixture(params=STYLES)
def style(request: pytest.FixtureRequest) -> Style:
    return load_style(request.param)


@pytest.mark.parametrize("kind", [KINDS[TaskType.DEDUCTION], KINDS[TaskType.ABDUCTION]])
def test_a_proposal_prompt_shows_every_reference(style: Style, kind: TaskKind) -> None:
    references = [identity(TaskType.DEDUCTION), TASK]
    text = kind.propose_prompt(style, references, random.Random(0)).text
    for reference in references:
        assert reference.program in text
        assert reference.input in text


def test_an_induction_proposal_prompt_shows_the_program(style: Style) -> None:
    text = KINDS[TaskType.INDUCTION].propose_prompt(style, [PAIRS], random.Random(0), inputs=13).text
    assert PAIRS.program in text


def test_the_reasoning_style_says_how_many_inputs_it_wants() -> None:
    prompt = KINDS[TaskType.INDUCTION].propose_prompt(load_style("reasoning"), [PAIRS], random.Random(0), inputs=13)
    assert "13" in prompt.text


@pytest.mark.parametrize("type", TaskType)
def test_the_same_random_state_gives_the_same_prompt(style: Style, type: TaskType) -> None:
    references = [identity(type)]
    one, same = (KINDS[type].propose_prompt(style, references, random.Random(7)) for _ in range(2))
    assert one == same


def test_the_completion_style_varies_its_proposal_prompts() -> None:
    kind, rng = KINDS[TaskType.DEDUCTION], random.Random(0)
    prompts = {kind.propose_prompt(load_style("completion"), [TASK], rng).text for _ in range(20)}
    assert len(prompts) > 10


def test_a_hint_may_begin_the_body_of_what_is_proposed() -> None:
    style = replace(load_style("completion"), hints=("s):\n    return len",))
    kind = KINDS[TaskType.DEDUCTION]
    prompt = kind.propose_prompt(style, [TASK], random.Random(0))
    assert prompt.text.endswith("\ndef f(s):\n    return len")
    parsed = kind.parse_proposal(style, prompt.answer_prefix + "(s)\n>>> f('abc')", [TASK])
    assert isinstance(parsed, Proposal)
    assert (parsed.program, parsed.inputs) == ("def f(s):\n    return len(s)", ("'abc'",))


def test_the_example_before_a_hint_has_the_hints_parameters() -> None:
    style, kind = load_style("completion"), KINDS[TaskType.DEDUCTION]
    for number in range(40):
        prompt = kind.propose_prompt(style, [TASK], random.Random(number))
        *_, example, hint = prompt.text.split("\n\n")
        assert example.partition(")")[0] == hint.partition(")")[0]
        assert ">>> f(" in example


def test_where_no_example_has_the_hints_parameters_any_is_shown() -> None:
    style = replace(load_style("completion"), hints=("left, middle, right):",))
    shown = {style.variety(random.Random(number))["examples"] for number in range(20)}
    assert len(shown) > 5
    assert shown <= set(style.examples)


def test_hints_are_lines_in_which_a_line_break_is_written(tmp_path: Path) -> None:
    shutil.copytree(OURS / "completion", tmp_path / "mine")
    (tmp_path / "mine" / "hints.txt").write_text("s):\n" + r"n):\n    if n" + "\n")
    assert load_style(tmp_path / "mine").hints == ("s):", "n):\n    if n")


def test_a_deduction_prompt_hides_the_output(style: Style) -> None:
    text = KINDS[TaskType.DEDUCTION].solve_prompt(style, TASK).text
    assert TASK.program in text
    assert TASK.input in text
    assert TASK.output not in text


def test_an_abduction_prompt_hides_the_input(style: Style) -> None:
    task = Triplet(TaskType.ABDUCTION, "def f(word):\n    return len(word)", ("'qwerty'",), ("6",))
    text = KINDS[TaskType.ABDUCTION].solve_prompt(style, task).text
    assert task.program in text
    assert "6" in text
    assert "qwerty" not in text


def test_an_induction_prompt_shows_the_message_and_the_first_half_of_the_pairs(style: Style) -> None:
    text = KINDS[TaskType.INDUCTION].solve_prompt(style, PAIRS).text
    assert PAIRS.message in text
    assert "secret" not in text
    assert "f(11)" in text
    assert "f(22)" in text
    for held_out in ("f(33)", "f(44)", "f(55)", "66", "88", "110"):
        assert held_out not in text


@pytest.mark.parametrize("type", TaskType)
def test_the_answer_prefix_is_the_tail_of_the_prompt(style: Style, type: TaskType) -> None:
    for prompt in (
        KINDS[type].propose_prompt(style, [identity(type)], random.Random(0)),
        KINDS[type].solve_prompt(style, identity(type)),
    ):
        assert prompt.text.endswith(prompt.answer_prefix)
        assert all(prompt.stop)


def test_prompts_of_small_models_share_their_head() -> None:
    for type in TaskType:
        one, other = (KINDS[type].solve_prompt(load_style("completion"), task).text for task in (identity(type), PAIRS))
        head = next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
        assert head > 0.6 * len(one)


@pytest.mark.parametrize("type", TaskType)
def test_a_model_without_a_chat_template_gets_a_frame_where_the_style_has_one(type: TaskType) -> None:
    for name in STYLES:
        style = load_style(name)
        prompt = KINDS[type].solve_prompt(style, identity(type))
        plain = style.plain(prompt)
        assert prompt.text in plain.text
        assert plain.text.endswith(plain.answer_prefix)
        assert (plain == prompt) == (not style.chat)


# -- loading ----------------------------------------------------------------------------------------------------------


def test_a_copy_of_a_style_loads_by_its_path(tmp_path: Path) -> None:
    shutil.copytree(OURS / "completion", tmp_path / "mine")
    style = load_style(tmp_path / "mine")
    ours = load_style("completion")
    assert style.name == "mine"
    assert (style.templates, style.stop, style.examples) == (ours.templates, ours.stop, ours.examples)


def test_an_unknown_style_is_refused_with_the_known_ones() -> None:
    with pytest.raises(StyleError, match=r"no prompt style 'reasonin'.*completion, reasoning"):
        load_style("reasonin")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("solve_deduction.txt", None, "solve_deduction.txt"),
        ("solve_deduction.txt", "$program $output", r"\$output is unknown here"),
        ("solve_deduction.txt", "costs 5$ a line", r"write \$\$"),
        ("solve_deduction.txt", b"\xff\xfe", "solve_deduction.txt"),
        ("style.toml", None, "style.toml"),
        ("style.toml", "grammar = 'tags", "style.toml"),
        ("style.toml", "grammar = 'xml'\nchat = true", "doctest"),
        ("style.toml", "grammar = 'tags'\nchat = 'yes'", "chat"),
        ("style.toml", "grammar = 'tags'\nchat = true\nexamples = 99", "examples = 99"),
        ("style.toml", "grammar = 'tags'\nchat = true\nexamples = -1", "examples"),
        ("style.toml", "grammar = 'tags'\nchat = true\nexamples = '1'", "examples"),
        ("style.toml", "grammar = 'tags'\nchat = true\nstops = 1", "stops is no setting"),
        ("style.toml", "grammar = 'tags'\nchat = true\nstop = 'x'", "stop"),
        ("style.toml", "grammar = 'tags'\nchat = true\n[stop]\nsolve_deducton = ['x']", "solve_deducton"),
        ("style.toml", "grammar = 'tags'\nchat = true\n[stop]\nsolve_deduction = ['']", "stop"),
        ("style.toml", "grammar = 'tags'\nchat = true\n[stop]\nsolve_deduction = 'x'", "stop"),
    ],
)
def test_a_broken_style_is_refused_in_one_line(
    tmp_path: Path, file: str, text: str | bytes | None, message: str
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(OURS / "completion", folder)
    if text is None:
        (folder / file).unlink()
    elif isinstance(text, bytes):
        (folder / file).write_bytes(text)
    else:
        (folder / file).write_text(text)
    with pytest.raises(StyleError, match=message) as caught:
        load_style(folder)
    assert "\n" not in str(caught.value)
