"""A tiny run that really plays: a random-weight Llama in a folder, and a script for what it would say.

The script answers the `completion` style as a weak model would: some proposals break, some answers are wrong, and both
depend on nothing but the prompt and the sample's number.
"""

import hashlib
import re
import shutil
from pathlib import Path

import tasks.prompts
from azr.config.fields import (
    CheckpointConfig,
    Config,
    LearnerConfig,
    ModelConfig,
    Precision,
    ProbeConfig,
    PromptConfig,
    ProposeConfig,
    SandboxSettings,
    SeedingConfig,
    SolverConfig,
)
from azr.policy.model import Policy
from azr.rollout.scripted import ScriptedEngine
from tests.azr.rollout.tiny import byte_tokenizer, tiny_model


def tiny_model_folder(folder: Path) -> Path:
    """A folder that `model.name` can name."""
    tiny_model().save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


def signatures(folder: Path) -> Path:
    """The `completion` style with signatures alone for hints: by a prompt's end the script knows what it is asked."""
    style = folder / "signatures"
    if not style.is_dir():
        shutil.copytree(Path(tasks.prompts.__file__).parent / "completion", style)
        (style / "hints.txt").write_text("s):\nn):\nnums):\nxs):\nwords):\nx):\ntext):\nitems):\na, b):\ns, n):\n")
    return style


def tiny_config(model: Path, **changes) -> Config:
    """Two proposals and two exercises a type and step, three answers behind each estimate."""
    settings = {
        "name": "tiny",
        "steps": 4,
        "model": ModelConfig(name=str(model), precision=Precision.FP32, device="cpu", gradient_checkpointing=False),
        "prompts": PromptConfig(style=str(signatures(model))),
        "propose": ProposeConfig(batch=4, references=2, induction_inputs=6, max_tokens=120, samples_per_prompt=2),
        "solver": SolverConfig(batch=3, estimate_samples=4, max_tokens=60),
        "seeding": SeedingConfig(factor=1, max_rounds=30),
        "learner": LearnerConfig(learning_rate=1e-3),
        "sandbox": SandboxSettings(workers=1, timeout_s=2.0),
        "probe": ProbeConfig(every=2, problems=3, data="small-own", max_tokens=20),
        "checkpoint": CheckpointConfig(every=2, keep=2),
    }
    return Config(**(settings | changes))


def scripted_engine(policy: Policy, config: Config) -> ScriptedEngine:
    """An EngineOpener (azr/training/train.py) for the script below."""
    return ScriptedEngine(policy, respond)


def respond(prompt: str, sample: int) -> str:
    """What the script says to a prompt of the `completion` style, told apart by how the prompts end."""
    dice = int.from_bytes(hashlib.sha256(f"{prompt}/{sample}".encode()).digest()[:6], "big")
    question = prompt.rsplit("\n\n", 1)[-1]
    last = question.rsplit("\n", 1)[-1]
    if question.startswith("#"):
        return _solve_induction(question, dice)
    if last.startswith("def f("):
        return _propose_program(last, dice)
    if last.startswith(">>> [f("):
        return _propose_inputs(dice)
    if last.endswith("== f"):
        return f"({dice % 7})\n"
    return _solve_deduction(question, dice)


def _propose_program(head: str, dice: int) -> str:
    if dice % 5 == 0:
        return "\n    return x +\n\n"
    names = names_in(head)
    arguments = ", ".join(["3"] * len(names))
    return f"\n    return [{names[0]} * {dice % 53}, {dice % 11}]\n>>> f({arguments})\n\n"


def names_in(head: str) -> list[str]:
    """The names of the arguments in `def f(a: int, b: int):`."""
    return [name.partition(":")[0].strip() for name in head.removeprefix("def f(").removesuffix("):").split(",")]


def _propose_inputs(dice: int) -> str:
    if dice % 4 == 0:
        return "\n\n"
    calls = ", ".join(f"f({value})" for value in range(dice % 50, dice % 50 + 6))
    return f"(0), {calls}]\n# Something of x.\n\n"


def _solve_induction(question: str, dice: int) -> str:
    shown = re.findall(r"f\(.*\) == (.*)", question)
    head = question.rsplit("\n", 1)[-1]
    rest = "" if head.endswith(":") else "(x):"
    return f"{rest}\n    return {shown[0]}\n\n" if dice % 2 and shown else f"{rest}\n    return x\n\n"


def _solve_deduction(question: str, dice: int) -> str:
    factors = re.search(r"return \[\w+ \* (\d+), (\d+)\]", question)
    if not factors or dice % 3 == 0:
        return "'Hello World'\n" if dice % 2 else "no idea\n"
    return f"[{3 * int(factors[1])}, {factors[2]}]\n"
