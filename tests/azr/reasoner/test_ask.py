"""Asking: the stream is what the model generates greedily, thoughts are told apart, tasks are judged by the sandbox."""

import json
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM
from typer.testing import CliRunner

from azr.cli import app
from azr.errors import UserError
from azr.reasoner.ask import _until, make_task, open_reasoner
from azr.reasoner.thinking import Part, ThinkingSplitter
from sandbox import Sandbox, SandboxConfig
from tasks.triplet import TaskType, Triplet
from tests.azr.finished import trained_run
from tests.azr.players import tiny_model_folder
from tests.azr.rollout.tiny import byte_tokenizer

PROGRAM = "def f(x):\n    return [x, x + 1]\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_model_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(SandboxConfig(workers=1)) as opened:
        yield opened


@pytest.fixture(scope="module")
def parrot(tmp_path_factory):
    """A model that says "[3, 4]" and a line break after "f(3)\\n", whatever else: position alone decides its next byte.

    Its layers add nothing, so the logits of a token are a table of what follows it.
    """
    tokenizer = byte_tokenizer()
    said = tokenizer("= [3,4]\n")["input_ids"]
    size = 257
    config = LlamaConfig(
        vocab_size=size, hidden_size=size + 1, intermediate_size=4, num_hidden_layers=1, num_attention_heads=1,
        head_dim=2, tie_word_embeddings=False, bos_token_id=None, eos_token_id=0, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.model.layers.parameters():
            parameter.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size, size + 1))
        model.model.norm.weight.fill_(1)
        model.lm_head.weight.zero_()
        for token, following in pairwise(said):
            model.lm_head.weight[following, token] = 1
    folder = tmp_path_factory.mktemp("parrot")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def azr(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_stream_joins_up_to_what_generate_says(model):
    reasoner = open_reasoner(str(model), style="completion", device="cpu")
    prompt = reasoner.question("def f(x):")
    pieces = list(reasoner.stream(prompt, 24, 0.0))
    ids = torch.tensor([reasoner.policy.tokenizer(prompt.text)["input_ids"]])
    whole = reasoner.policy.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False)
    assert "".join(pieces) == reasoner.policy.tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)
    assert len(pieces) > 1


def test_a_sampled_stream_is_its_seeds(model):
    reasoner = open_reasoner(str(model), style="completion", device="cpu")
    prompt = reasoner.question("x")
    said = ["".join(reasoner.stream(prompt, 24, 1.0, seed)) for seed in (1, 1, 2)]
    assert said[0] == said[1] != said[2]


def test_a_run_answers_in_its_own_style_with_its_trained_weights(tmp_path):
    run, policy = trained_run(tmp_path / "tiny", lora=4)
    reasoner = open_reasoner(str(run.folder), device="cpu")
    assert (reasoner.style.name, reasoner.chat) == ("signatures", False)
    ids = torch.arange(1, 30)[None]
    with torch.no_grad():
        torch.testing.assert_close(reasoner.policy.model(ids).logits, policy.model(ids).logits)


def test_a_question_to_a_base_model_is_put_in_the_styles_frame(model):
    reasoner = open_reasoner(str(model), style="reasoning", device="cpu")
    prompt = reasoner.question("What is 2 + 2?")
    assert "Question:\nWhat is 2 + 2?" in prompt.text
    assert prompt.answer_prefix.endswith("<think>")


text = st.lists(st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "<", "think", ">", "/", "a b", "\n"]))


@given(text.map("".join), st.booleans(), st.data())
def test_parts_do_not_depend_on_how_the_text_is_cut(response, thinking, data):
    def parts(pieces):
        splitter = ThinkingSplitter(thinking)
        told = [piece for piece in pieces for piece in splitter.feed(piece)] + splitter.finish()
        return {part: "".join(text for which, text in told if which is part) for part in Part}

    cuts = sorted(data.draw(st.lists(st.integers(0, len(response)))))
    pieces = [response[a:b] for a, b in zip([0, *cuts], [*cuts, len(response)], strict=True)]
    assert parts(pieces) == parts([response])


def test_thoughts_and_answer_are_told_apart():
    splitter = ThinkingSplitter()
    told = splitter.feed("<think>hm < 3</think>\nIt is <answer>4</answer>.") + splitter.finish()
    assert "".join(text for part, text in told if part is Part.THINKING) == "hm < 3"
    assert "".join(text for part, text in told if part is Part.ANSWER) == "\nIt is 4."


@given(st.lists(st.text(alphabet="ab\n>", max_size=4)))
def test_a_stream_ends_before_its_stop_string(pieces):
    whole = "".join(pieces)
    assert "".join(_until(iter(pieces), ("\n>>", "ba"))) == min(whole.split("\n>>")[0], whole.split("ba")[0], key=len)


def test_a_task_is_asked_and_judged(parrot, tmp_path):
    (tmp_path / "f.py").write_text(PROGRAM)
    words = ["ask", parrot, "--style", "completion", "--task", "deduction", "--program", tmp_path / "f.py"]
    words += ["--device", "cpu", "--max-tokens", "12", "--json"]
    right = json.loads(azr(*words, "--input", "3").output)
    assert (right["answer"], right["verdict"], right["outputs"]) == ("[3,4]", "right", ["[3, 4]"])
    wrong = json.loads(azr(*words, "--input", "5").output)
    assert (wrong["answer"], wrong["verdict"], wrong["outputs"]) == ("[3,4]", "wrong", ["[5, 6]"])


def test_the_verdict_stands_beside_the_answer(parrot, tmp_path):
    (tmp_path / "f.py").write_text(PROGRAM)
    words = ["ask", parrot, "--style", "completion", "--task", "deduction", "--program", tmp_path / "f.py"]
    said = azr(*words, "--input", "5", "--device", "cpu", "--max-tokens", "12").output
    assert "answer: [3,4]\nsandbox: wrong (f returned [5, 6])" in said


@pytest.mark.parametrize(
    ("task_type", "inputs", "output", "pairs"),
    [
        (TaskType.DEDUCTION, ("3",), None, (("3", "[3, 4]"),)),
        (TaskType.ABDUCTION, ("3",), None, (("3", "[3, 4]"),)),
        (TaskType.ABDUCTION, (), "[7, 8]", (("", "[7, 8]"),)),
        (TaskType.INDUCTION, ("1", "2", "3", "4"), None, tuple((str(i), f"[{i}, {i + 1}]") for i in range(1, 5))),
    ],
)
def test_a_program_and_inputs_make_a_task(sandbox, task_type, inputs, output, pairs):
    triplet = make_task(sandbox, task_type, PROGRAM, inputs, output, "")
    assert isinstance(triplet, Triplet)
    assert tuple(zip(triplet.inputs, triplet.outputs, strict=True)) == pairs


@pytest.mark.parametrize(
    ("inputs", "message"), [(("1/0",), "ZeroDivisionError"), ((), "needs --input"), (("1", "2"), "takes one --input")]
)
def test_what_makes_no_task_is_refused_with_the_reason(sandbox, inputs, message):
    with pytest.raises(UserError, match=message):
        make_task(sandbox, TaskType.DEDUCTION, PROGRAM, inputs, None, "")


@pytest.mark.parametrize(
    ("task_type", "inputs"),
    [(TaskType.DEDUCTION, ("3",)), (TaskType.INDUCTION, ("1", "2")), (TaskType.ABDUCTION, ("3",))],
)
def test_an_output_is_never_passed_over(sandbox, task_type, inputs):
    with pytest.raises(UserError, match="in place of --input"):
        make_task(sandbox, task_type, PROGRAM, inputs, "[3, 4]", "")


def test_questions_are_read_line_by_line(model):
    words = ["ask", str(model), "--style", "completion", "--device", "cpu", "--max-tokens", "3", "--json"]
    said = CliRunner().invoke(app, words, input="one\ntwo\n\nnever asked\n", catch_exceptions=False).output
    assert [json.loads(part + "}")["question"] for part in said.split("}")[:-1]] == ["one", "two"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["/no/such/model", "hello"], "no model"),
        (["MODEL", "hello", "--step", "3"], "--step is for runs"),
        (["MODEL", "hello", "--style", "sonnets"], "no prompt style"),
        (["MODEL", "--program", "f.py"], "belong to --task"),
        (["MODEL", "--task", "deduction"], "takes a --program FILE"),
        (["MODEL", "--task", "deduction", "--program", "/no/f.py"], "can't be read"),
    ],
)
def test_mistakes_are_refused(model, words, message):
    result = azr("ask", *(str(model) if word == "MODEL" else word for word in words))
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
