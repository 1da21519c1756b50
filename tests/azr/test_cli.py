"""The command as a person meets it: help, plans, and one clear line for every mistake."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from azr.cli import app

PROJECT = Path(__file__).parents[2]
CONFIGS = sorted((PROJECT / "configs").glob("*.yaml"))
LAPTOP = ("quickstart", "smollm2-135m", "rlvr-smollm2", "ttrl-smollm2")
TTRL_CONFIGS = [path for path in CONFIGS if path.stem.startswith("ttrl-") and path.stem not in LAPTOP]
GPU_CONFIGS = [path for path in CONFIGS if path not in TTRL_CONFIGS and path.stem not in LAPTOP]
DATA = Path(os.environ.get("AZR_DATA") or PROJECT.parent / "shared" / "data")


def azr(*words, cwd=PROJECT, **environment):
    """Exit code, standard output, standard error."""
    command = [sys.executable, "-c", "from azr.cli import main; main()", *map(str, words)]
    done = subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment,
    )
    return done.returncode, done.stdout, done.stderr


def test_help_teaches_and_is_quick():
    code, said, _ = azr("train", "--help")
    assert code == 0
    for word in ("--resume", "--dry-run", "configs/quickstart.yaml"):
        assert word in said


def test_help_does_not_import_torch():
    probe = "import sys; import azr.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_the_gpu_configs_are_the_papers_and_those_for_other_cards():
    assert {path.stem for path in GPU_CONFIGS} == {
        "qwen2.5-coder-3b",
        "qwen2.5-coder-7b",
        "qwen2.5-7b",
        "qwen2.5-coder-14b",
        "llama3.1-8b",
        "qwen3-4b",
        "qwen2.5-coder-1.5b-24gb",
        "qwen2.5-coder-3b-24gb",
        "qwen2.5-coder-7b-48gb",
        "qwen2.5-coder-7b-full",
    }


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_has_a_plan(path, tmp_path):
    if path in TTRL_CONFIGS and not DATA.is_dir():
        pytest.skip("the public benchmark files are not here: set AZR_DATA to their folder")
    # In this process: twenty more of them would spend a minute and more on importing torch.
    done = CliRunner().invoke(
        app, ["train", str(path), "--dry-run", "--runs", str(tmp_path)], env={"AZR_DATA": str(DATA)}
    )
    said = done.stdout
    assert (done.exit_code, done.stderr) == (0, ""), done.exception
    assert "nothing was written" in said
    assert "memory on" in said
    assert "the engine's cache holds" in said
    assert list(tmp_path.iterdir()) == []
    if path in GPU_CONFIGS:
        assert "192 proposals" in said
        assert "1536 answers estimate learnability, 192 answers train the solver" in said
        assert "GB GPU, with the hyperparameters of Absolute Zero" in path.read_text()


@pytest.mark.parametrize(("name", "problems", "batch", "passes"), [
    ("aime", 30, 8, "80.0"), ("amc", 83, 8, "30.0"), ("math500", 500, 32, "10.0"),
])  # fmt: skip
def test_the_ttrl_configs_are_the_papers(name, problems, batch, passes, tmp_path):
    if not DATA.is_dir():
        pytest.skip("the public benchmark files are not here: set AZR_DATA to their folder")
    assert len(TTRL_CONFIGS) == 9
    path = PROJECT / "configs" / f"ttrl-{name}-qwen2.5-math-7b.yaml"
    code, said, _ = azr("train", path, "--dry-run", "--runs", tmp_path, AZR_DATA=str(DATA))
    assert code == 0
    said = " ".join(said.split())
    assert f"{problems} problems ({problems} with their answers), paid by majority" in said
    assert f"{batch} a step, 64 answers each, 32 of them train; {passes} passes" in said
    assert "cosine after 3 % of warm-up" in said
    assert "token-mean" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["configs/quickstart.yaml", "learner.clp=0.3"], "did you mean learner.clip?"),
        (["configs/quickstart.yaml", "steps=many"], "steps = 'many'"),
        (["configs/quickstrt.yaml"], "did you mean configs/quickstart.yaml?"),
        (["configs/quickstart.yaml", "model.name=./no-such-model"], "no-such-model"),
        (["configs/quickstart.yaml", "prompts.style=poetry"], "prompts.style=poetry"),
        (["configs/quickstart.yaml", "probe.data=nowhere.jsonl"], "no file nowhere.jsonl"),
        (
            ["configs/quickstart.yaml", "learner.max_batch_tokens=500"],
            "tokens together, more than learner.max_batch_tokens",
        ),
        (["configs/quickstart.yaml", "seeding.files=[nowhere.jsonl]"], "nowhere.jsonl can't be read"),
        (["configs/quickstart.yaml", "--resume"], "nothing to resume"),
        (["no-such-run", "--resume"], "no config file no-such-run"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words, told, tmp_path):
    code, _, complaint = azr("train", *words, "--runs", tmp_path)
    assert code == 2
    assert told in complaint
    assert len(complaint.strip().splitlines()) == 1
    assert not any(tmp_path.rglob("config.yaml"))


def test_a_card_that_runs_out_late_is_one_line(tmp_path):
    script = (
        "import torch, azr.cli, azr.training.train as t\n"
        "def train(*_, **__): raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB.\\nmore')\n"
        "t.train = train\n"
        "azr.cli.main()"
    )
    command = [sys.executable, "-c", script, "train", "configs/quickstart.yaml", "--runs", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "Tried to allocate 2 GiB" in line
    assert "azr plan" in line


def test_a_folder_that_is_no_run_is_said_to_be_none(tmp_path):
    code, _, complaint = azr("train", tmp_path, "--resume")
    assert code == 2
    assert str(tmp_path) in complaint


def test_doctor_says_what_this_machine_grants():
    code, said, _ = azr("doctor", "--json")
    found = json.loads(said)
    assert code == (0 if found["able"] else 2)
    assert {"policy", "process", "rlimits"} <= set(found["sandbox"]["granted"]) or not found["able"]
    assert found["engines"]["transformers"]
    assert any(device.startswith("cpu") for device in found["devices"])
    assert found["cuda"]["card"] or found["cuda"]["faults"] == found["cuda"]["lacks"] == []


def test_a_plan_names_parts_and_what_changes_them():
    code, said, complaint = azr("plan", "configs/qwen2.5-coder-7b.yaml", "--card", "80")
    assert (code, complaint) == (0, "")
    assert "memory on a card of 80 GB" in said
    for part in ("weights", "AdamW's two moments", "activations of 16,384 tokens", "vLLM's share"):
        assert part in said
    for knob in ("model.lora.rank", "learner.max_batch_tokens", "rollout.vllm.gpu_memory_utilization"):
        assert knob in said


def test_a_model_whose_shape_nobody_knows_is_said_to_be_unknown():
    code, _, complaint = azr("plan", "configs/quickstart.yaml", "model.name=nobody/knows-this", HF_HUB_OFFLINE="1")
    assert code == 2
    assert "the shape of model.name=nobody/knows-this is not known" in complaint
    assert len(complaint.strip().splitlines()) == 1


def test_what_a_card_cannot_hold_is_refused_in_one_line():
    code, said, complaint = azr("plan", "configs/qwen2.5-coder-7b.yaml", "--card", "24")
    assert code == 2
    assert len(complaint.strip().splitlines()) == 1
    assert "a card of 24 GB" in complaint
    assert "together" in said  # the table is there to see why
