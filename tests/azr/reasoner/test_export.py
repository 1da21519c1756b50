"""Exported folders are loaded by what they are for: transformers, PEFT, a GGUF reader, vLLM."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from peft import PeftModel
from tokenizers import Tokenizer, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from azr.config.fields import EngineChoice, ModelConfig, Precision, RolloutConfig, VllmConfig
from azr.errors import UserError
from azr.policy.model import Policy, load_policy
from azr.reasoner.export import export_adapter, export_model, model_card
from azr.reasoner.gguf_writer import llama3_rope_factors, pre_tokenizer, write_gguf
from azr.reasoner.trained import Trained, find_trained, load_trained
from azr.rollout import Request, open_engine
from azr.rollout.transformers import TransformersEngine
from azr.training.checkpoint import CheckpointState
from azr.training.run import run_config
from tests.azr.finished import trained_run
from tests.azr.report.given_run import STEPS, given_run
from tests.azr.rollout.tiny import FAMILIES, byte_tokenizer, tiny_model

PROMPTS = ("def f(x):", ">>> f(3)\n", "a b c 123")


@pytest.fixture(scope="module", params=[0, 4], ids=["full", "lora"])
def trained(request, tmp_path_factory):
    """A run's checkpoint and the policy that was saved in it."""
    run, policy = trained_run(tmp_path_factory.mktemp("runs") / "tiny", lora=request.param)
    return find_trained(run), policy


def strong_model(family: str, tied: bool) -> PreTrainedModel:
    """A tiny model with clear preferences; Qwen3 with the size of head that transformers' GGUF reader assumes."""
    config = tiny_model(family).config
    config.tie_word_embeddings = tied
    config.vocab_size = 264  # rows beyond the tokenizer's
    if family == "qwen3":
        config.head_dim = 128
    model = FAMILIES[family][1](config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4) if parameter.dim() > 1 else parameter.add_(0.1 * torch.randn(parameter.shape))
    return model.eval()


def merging_tokenizer() -> PreTrainedTokenizerFast:
    """The byte tokenizer with two merges, and a token that only a chat template would write."""
    described = json.loads(byte_tokenizer().backend_tokenizer.to_str())
    described["model"]["vocab"] |= {"de": 257, "def": 258}
    described["model"]["merges"] = [["d", "e"], ["de", "f"]]
    backend = Tokenizer.from_str(json.dumps(described))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>"]})
    return tokenizer


def greedy(policy: Policy) -> list[tuple[int, ...]]:
    """The engine's own greedy tokens."""
    engine = TransformersEngine(policy, RolloutConfig().max_batch_tokens)
    requests = [Request(tuple(policy.tokenizer(p)["input_ids"]), max_tokens=24, temperature=0.0) for p in PROMPTS]
    return [completions[0].token_ids for completions in engine.generate(requests)]


def test_transformers_loads_the_folder_and_says_what_the_engine_says(trained, tmp_path):
    found, policy = trained
    export_model(found, tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    for prompt, expected in zip(PROMPTS, greedy(policy), strict=True):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        given = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False)
        assert tuple(given[0, ids.shape[1] :].tolist()) == expected


def test_export_has_weights_tokenizer_generation_config_and_card(trained, tmp_path):
    found, _ = trained
    files = {path.name for path in export_model(found, tmp_path / "out")}
    assert {"model.safetensors", "tokenizer.json", "generation_config.json", "config.json", "README.md"} <= files
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"base_model: {found.config.model.name}" in card
    assert "4 of 4 steps" in card
    assert "Self-play: the model invented program tasks" in card
    assert "No data of people's went in." in card
    assert "| deduction | 30 | 50% | 15 |" in card
    assert "| cruxeval-o | 10.0% (step 0) | 30.0% (step 4) |" in card
    assert f"torch {torch.__version__}" in card


def test_the_card_of_an_earlier_checkpoint_counts_up_to_it(trained):
    found, _ = trained
    early = replace(found, state=replace(found.state, step=2))
    card = model_card(early, "transformers", [])
    assert "| deduction | 18 | 50% | 9 |" in card
    assert "108 judged answers" in card


def test_card_says_what_it_learned_from(tmp_path):
    run = given_run(tmp_path / "given")
    trained = Trained(run, run_config(run), run.checkpoints / "step-000008", CheckpointState(STEPS, {}, "", {}))
    card = model_card(trained, "transformers", [])
    assert "TTRL: answers to given problems (AMC-TTT.json, MATH-TTT.json) were paid by the majority" in card
    for words in ("No data of people's", "Self-play", "Tasks it made"):
        assert words not in card


def test_adapter_is_what_peft_expects(tmp_path):
    run, policy = trained_run(tmp_path / "tiny", lora=4)
    found = find_trained(run)
    export_adapter(found, tmp_path / "adapter")
    base = AutoModelForCausalLM.from_pretrained(found.config.model.name, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    ids = torch.arange(1, 40)[None]
    with torch.no_grad():
        torch.testing.assert_close(adapted(ids).logits, policy.model(ids).logits)


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("family", FAMILIES)
def test_gguf_read_back_gives_the_same_logits_and_tokens(family, tied, tmp_path):
    model = strong_model(family, tied)
    policy = Policy(model, merging_tokenizer(), torch.device("cpu"), source="tiny")
    policy.tokenizer.save_pretrained(tmp_path)
    write_gguf(policy, tmp_path, tmp_path / "model.gguf", "tiny")
    ids = torch.randint(1, 257, (2, 50), generator=torch.Generator().manual_seed(0))
    back = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf", dtype=torch.float32).eval()
    with torch.no_grad():
        torch.testing.assert_close(back(ids).logits, model(ids).logits, rtol=1e-4, atol=1e-4)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf")
    for prompt in (*PROMPTS, "def<turn>x"):
        assert tokenizer(prompt)["input_ids"] == policy.tokenizer(prompt)["input_ids"]
    fields = GGUFReader(tmp_path / "model.gguf").fields
    assert fields["tokenizer.ggml.eos_token_id"].contents() == policy.tokenizer.eos_token_id


def test_gguf_beside_the_folder_holds_bfloat16_weights_bit_for_bit(tmp_path):
    run, _ = trained_run(tmp_path / "tiny", lora=4)
    found = find_trained(run)
    found = replace(found, config=replace(found.config, model=replace(found.config.model, precision="bf16")))
    export_model(found, tmp_path / "out", with_gguf=True)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.bfloat16)
    tensors = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "out" / "tiny.gguf").tensors}
    down = torch.from_numpy(np.array(tensors["blk.1.ffn_down.weight"].data)).view(torch.bfloat16)
    assert torch.equal(down, merged.model.layers[1].mlp.down_proj.weight)
    assert "`tiny.gguf` is for llama.cpp" in (tmp_path / "out" / "README.md").read_text()


def test_gguf_stretches_llama3_frequencies_as_transformers_does():
    rope = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }  # fmt: skip
    sizes = {
        "hidden_size": 256,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "intermediate_size": 8,
        "vocab_size": 9,
    }
    scaled = LlamaForCausalLM(LlamaConfig(**sizes, rope_parameters=rope, max_position_embeddings=131072))
    plain = LlamaForCausalLM(LlamaConfig(**sizes, rope_parameters={"rope_type": "default", "rope_theta": 500000.0}))
    stretched = plain.model.rotary_emb.inv_freq / torch.from_numpy(llama3_rope_factors(scaled.config))
    torch.testing.assert_close(stretched, scaled.model.rotary_emb.inv_freq)


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([pre_tokenizers.ByteLevel(add_prefix_space=False)], "gpt-2"),
        ([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)], "smollm"),
    ],
)
def test_gguf_names_the_way_a_tokenizer_splits(steps, name):
    tokenizer = byte_tokenizer().backend_tokenizer
    tokenizer.pre_tokenizer = steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)
    assert pre_tokenizer(json.loads(tokenizer.to_str())) == name


def test_gguf_refuses_a_tokenizer_it_can_not_name():
    tokenizer = byte_tokenizer().backend_tokenizer
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    with pytest.raises(UserError, match="Metaspace"):
        pre_tokenizer(json.loads(tokenizer.to_str()))


def test_export_refuses_and_leaves_nothing_behind(tmp_path):
    run, _ = trained_run(tmp_path / "tiny")
    found = find_trained(run)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(UserError, match="exists already"):
        export_model(found, tmp_path / "taken")
    with pytest.raises(UserError, match="the run's own folder"):
        export_model(found, run.folder / "out")
    with pytest.raises(UserError, match="leave --adapter out"):
        export_adapter(found, tmp_path / "out")
    with pytest.raises(UserError, match="no checkpoint of step 3"):
        find_trained(run, 3)
    weights = found.folder / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match="step-000004 is damaged"):
        export_model(found, tmp_path / "out")
    (found.folder / "model" / "config.json").unlink()
    with pytest.raises(UserError, match=r"step-000004 is damaged \(no model/config.json\)"):
        load_trained(found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken", "tiny", "tiny-base"]


@pytest.mark.vllm
@pytest.mark.timeout(600)
@pytest.mark.parametrize("lora", [0, 4], ids=["full", "lora"])
def test_vllm_loads_the_folder_and_says_what_the_engine_says(lora, tmp_path):
    """vLLM is opened on the exported folder alone; its kernels want heads of 64 on a processor."""
    config = LlamaConfig(
        vocab_size=257, hidden_size=128, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=64, bos_token_id=None, eos_token_id=0, pad_token_id=0, initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "base")
    byte_tokenizer().save_pretrained(tmp_path / "base")
    run, policy = trained_run(tmp_path / "tiny", lora=lora, base=tmp_path / "base")
    export_model(find_trained(run), tmp_path / "out")
    exported = load_policy(ModelConfig(name=str(tmp_path / "out"), precision=Precision.FP32, device="cpu"))
    vllm = VllmConfig(enforce_eager=True, kv_cache_gib=1)
    engine = open_engine(exported, RolloutConfig(engine=EngineChoice.VLLM, vllm=vllm), max_tokens=128)
    requests = [Request(tuple(policy.tokenizer(p)["input_ids"]), max_tokens=24, temperature=0.0) for p in PROMPTS]
    said = [completions[0].token_ids for completions in engine.generate(requests)]
    engine.close()
    assert said == greedy(policy)
