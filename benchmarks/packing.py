"""What prefix-tree packing saves: our learner against separate padded rows, SmolLM2-135M's shape, fp32.

Both do the same work: log-probabilities of the responses, policy gradient, clipping, AdamW. The peer is what a trainer
without packing does: one row a sample, padded to the longest, the model's own attention, logits of the response
positions alone, micro-batches of the same token budget (2,048, or twice the prompt). Weights and tokens are random,
responses 32 to 64 tokens. Each side's third pass over the work is timed: in the first two its memory finds
its place (the optimizer's moments are made at the end of the first).

    python benchmarks/packing.py              8 responses a prompt, all 30 layers: the ratio that counts
    python benchmarks/packing.py --sweep      group size 1 to 32 and prompt length 64 to 2048, with 6 of the 30 layers
                                              so that it ends within minutes; --plot FILE.svg draws it
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from azr.config.fields import LearnerConfig, ModelConfig
from azr.learner import Learner, Sample
from azr.policy.model import Policy

MIN_BUDGET = 2048  # tokens a micro-batch, for both
GROUPS = (1, 2, 4, 8, 16, 32)
PROMPTS = (64, 128, 256, 512, 1024, 2048)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--prompt", type=int, default=256, help="prompt tokens (with --sweep: of the group sweep)")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    parser.add_argument("--plot", type=Path, help="draw the sweep here")
    arguments = parser.parse_args()
    cells = [(2, arguments.prompt, 8)]
    if arguments.sweep:
        cells = [(1, arguments.prompt, group) for group in GROUPS] + [(1, length, 8) for length in PROMPTS]
    model = smollm2(layers=6 if arguments.sweep else 30)
    print(f"{'prompts':>8}{'length':>8}{'group':>7}{'packed tok/s':>14}{'padded tok/s':>14}{'ratio':>7}")
    rows = []
    for prompts, length, group in cells:
        row = measure(model, prompts, length, group)
        rows.append(row)
        print(
            f"{prompts:8}{length:8}{group:7}{row['packed']:14.0f}{row['padded']:14.0f}"
            f"{row['packed'] / row['padded']:7.2f}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    if arguments.plot:
        draw(rows, arguments.prompt, arguments.plot)


def measure(model: LlamaForCausalLM, prompts: int, length: int, group: int) -> dict[str, float]:
    """Real tokens a second (every sample's own prompt and response counted) of both."""
    budget = max(MIN_BUDGET, 2 * length)
    samples = random_samples(prompts, length, group)
    real = sum(len(sample.prompt_ids) + len(sample.response_ids) for sample in samples)
    policy = Policy(model, None, torch.device("cpu"), "")  # the learner needs no tokenizer
    config = LearnerConfig(max_batch_tokens=budget, logit_chunk=256)
    learner = Learner(policy, config, ModelConfig(gradient_checkpointing=False))
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, fused=True)
    packed = seconds(lambda: learner.step(samples))
    padded = seconds(lambda: padded_step(model, optimizer, samples, budget))
    return {
        "prompts": prompts,
        "length": length,
        "group": group,
        "packed": real / packed,
        "padded": real / padded,
    }


def seconds(work: Callable[[], object]) -> float:
    """How long the third time takes."""
    work()
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def padded_step(model: LlamaForCausalLM, optimizer: torch.optim.AdamW, samples: Sequence[Sample], budget: int) -> None:
    """The on-policy update with a padded row for each sample, longest first so that rows of a batch fit together."""
    total = sum(len(sample.response_ids) for sample in samples)
    ordered = sorted(samples, key=lambda sample: -len(sample.prompt_ids) - len(sample.response_ids))
    model.train()
    while ordered:
        width = len(ordered[0].prompt_ids) + len(ordered[0].response_ids)
        rows = max(budget // width, 1)
        loss = rows_loss(model, ordered[:rows]) / total
        loss.backward()
        ordered = ordered[rows:]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    model.eval()


def rows_loss(model: LlamaForCausalLM, samples: Sequence[Sample]) -> torch.Tensor:
    """Prompts padded on the left, responses on the right, as trainers do: the last `kept` columns are predicted."""
    left = max(len(sample.prompt_ids) for sample in samples)
    kept = max(len(sample.response_ids) for sample in samples)
    ids = torch.zeros(len(samples), left + kept, dtype=torch.long)
    mask = torch.zeros_like(ids)
    advantages = torch.tensor([sample.advantage for sample in samples])
    for row, sample in enumerate(samples):
        first, last = left - len(sample.prompt_ids), left + len(sample.response_ids)
        ids[row, first:last] = torch.tensor(sample.prompt_ids + sample.response_ids)
        mask[row, first:last] = 1
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=kept + 1).logits[:, :-1]
    logprobs = -torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, left:], reduction="none")
    ratio = torch.exp(logprobs - logprobs.detach())
    return -(ratio * advantages[:, None] * mask[:, left:]).sum()


def random_samples(prompts: int, length: int, group: int) -> list[Sample]:
    draw = random.Random(0)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(draw.randrange(49152) for _ in range(count))

    samples = []
    for _ in range(prompts):
        prompt = tokens(length)
        for _ in range(group):
            response = tokens(draw.randint(32, 64))
            samples.append(Sample(prompt, response, (-10.8,) * len(response), draw.choice((-1.0, 1.0))))
    return samples


def smollm2(layers: int) -> LlamaForCausalLM:
    """The shape of SmolLM2-135M with random weights, which cost what trained ones do."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=layers,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


def draw(rows: Sequence[dict[str, float]], prompt: int, path: Path) -> None:
    """Speed-up over padded rows, against the group size and against the prompt's length."""
    import altair

    rule = altair.Chart().mark_rule(color="grey").encode(y=altair.datum(1))
    charts = []
    for part, key, title in (
        (rows[: len(GROUPS)], "group", f"responses a prompt (prompt of {prompt} tokens)"),
        (rows[len(GROUPS) :], "length", "prompt tokens (8 responses)"),
    ):
        values = [{key: row[key], "ratio": row["packed"] / row["padded"]} for row in part]
        line = altair.Chart(altair.Data(values=values)).mark_line(point=True)
        x = altair.X(key, type="quantitative", title=title)
        x = x.scale(type="log", base=2).axis(values=[row[key] for row in part])
        y = altair.Y("ratio", type="quantitative", title="packed over padded, real tokens/s")
        charts.append((line.encode(x=x, y=y) + rule).properties(width=340, height=240))
    altair.hconcat(*charts).configure(background="white").save(path)


if __name__ == "__main__":
    main()
