"""Fine-tuning on given answers: cross-entropy over their tokens, with the learner's packing and optimizer.

The learner needs no loss of its own for it. On-policy, CISPO's loss (azr/learner/clipping.py) is -Σ w · A · log π with
its gradient, whatever the ratio's cap; with the advantage A = 1 and w = 1 / tokens that is the mean cross-entropy in
nats a token, over an optimizer step's answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from azr.config.fields import Aggregation, Estimator, LearnerConfig, ModelConfig, Schedule
from azr.distillation.lessons import Lesson
from azr.errors import UserError
from azr.evaluation.benchmark import PromptForm
from azr.evaluation.sampling import answer_ids, in_chat, prompt_ids
from azr.learner import Learner, Sample
from azr.policy.model import Policy, end_of_turn
from azr.seeds import stream


@dataclass(frozen=True, slots=True)
class FineTuning:
    """How often the answers are gone through, how many make an optimizer step, and how fast is learned.

    The learning rate rises over the first twentieth and falls on a line to 0 from there. `row_tokens` are computed at
    once; `seed` decides the order of the answers.
    """

    epochs: int = 3
    batch: int = 32
    learning_rate: float = 2e-5
    row_tokens: int = 4096
    seed: int = 0


def as_samples(policy: Policy, lessons: Sequence[Lesson], form: PromptForm) -> list[Sample]:
    """Each answer behind its prompt, with what ends it: the first stop string of the prompt, or a token (`end_id`).

    Raises UserError where the model knows no such token and a prompt has no stop string.
    """
    chat = in_chat(policy, form)
    samples = []
    for lesson in lessons:
        stop = lesson.problem.prompts[form].stop
        ids = answer_ids(policy, lesson.problem, form, lesson.text, stop[0] if stop else "")
        if not stop:
            ids = (*ids, end_id(policy, chat))
        samples.append(Sample(prompt_ids(policy, lesson.problem, form), ids, (0.0,) * len(ids), advantage=1.0))
    return samples


def end_id(policy: Policy, chat: bool) -> int:
    """The token that an answer is taught to end with: in a chat the template's end of a turn, else the tokenizer's end.

    Where the template names none, the tokenizer's ends a turn as well. Raises UserError where there is neither.
    """
    turn = end_of_turn(policy.tokenizer) if chat else None
    found = policy.tokenizer.eos_token_id if turn is None else turn
    if found is None:
        raise UserError(f"{policy.source} has no token that ends an answer: its tokenizer wants an eos_token")
    return int(found)


def fine_tune(
    policy: Policy,
    model_config: ModelConfig,
    samples: Sequence[Sample],
    tuning: FineTuning,
    on_step: Callable[[int], None],
) -> list[float]:
    """Trains the policy's weights in place; the mean cross-entropy of each epoch, in nats a token, as it went by.

    `on_step(n)` is told of n more answers. Raises FloatingPointError where a gradient isn't finite.
    """
    steps = tuning.epochs * -(-len(samples) // tuning.batch)
    config = LearnerConfig(
        estimator=Estimator.CISPO,
        aggregation=Aggregation.TOKEN_MEAN,
        truncated_importance=0.0,
        learning_rate=tuning.learning_rate,
        schedule=Schedule.LINEAR,
        warmup_share=0.05,
        max_batch_tokens=tuning.row_tokens,
    )
    on_processor = policy.device.type == "cpu"
    learner = Learner(
        policy, config, replace(model_config, gradient_checkpointing=not on_processor), optimizer_steps=steps
    )
    losses = []
    for epoch in range(tuning.epochs):
        order = list(samples)
        stream(tuning.seed, "distill", epoch).shuffle(order)
        nats, tokens = 0.0, 0
        for start in range(0, len(order), tuning.batch):
            part = order[start : start + tuning.batch]
            count = sum(len(sample.response_ids) for sample in part)
            nats += learner.step(part)["loss"] * count  # the loss is the mean over the part's tokens
            tokens += count
            on_step(len(part))
        losses.append(nats / tokens)
    return losses
