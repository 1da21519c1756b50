"""Fine-tuning on given answers: cross-entropy over their tokens, with the learner's packing and optimizer.

The learner needs no loss of its own for it. On-policy, CISPO's loss (azr/learner/clipping.py) is -Σ w · A · log π with
its gradient, whatever the ratio's cap; with the advantage A = 1 and w = 1 / tokens that is the mean cross-entropy in
nats a token, over an optimizer step's answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from azr.config.fields import Aggregation, Estimator, LearnerConfig, ModelConfig, Schedule
from azr.distillation.lessons import Lesson
from azr.evaluation.benchmark import PromptForm
from azr.evaluation.sampling import prompt_ids
from azr.learner import Learner, Sample
from azr.policy.model import Policy, end_of_turn
from azr.seeds import stream


@dataclass(frozen=True, slots=True)
class FineTuning:
    """How often the answers are gone through, how many make an optimizer step, and how fast is learned.

    The learning rate rises over the first twentieth and falls on a line to 0 from there.
    """

    epochs: int = 3
    batch: int = 32
    learning_rate: float = 2e-5
    max_batch_tokens: int = 4096
    logit_chunk: int = 256
    seed: int = 0


def as_samples(policy: Policy, lessons: Sequence[Lesson], form: PromptForm) -> list[Sample]:
    """Each answer behind its prompt, with what ends it: the first stop string of the prompt, or the end of the turn."""
    chat = form is PromptForm.REASONING and policy.tokenizer.chat_template is not None
    closing = end_of_turn(policy.tokenizer) if chat else policy.tokenizer.eos_token_id
    samples = []
    for lesson in lessons:
        prompt = lesson.problem.prompts[form]
        answer = lesson.text.removeprefix(prompt.answer_prefix) + (prompt.stop[0] if prompt.stop else "")
        ids = tuple(policy.tokenizer(answer, add_special_tokens=False)["input_ids"])
        if not prompt.stop and closing is not None:
            ids = (*ids, closing)
        if ids:
            samples.append(Sample(prompt_ids(policy, lesson.problem, form), ids, (0.0,) * len(ids), advantage=1.0))
    return samples


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
        max_batch_tokens=tuning.max_batch_tokens,
        logit_chunk=tuning.logit_chunk,
    )
    on_processor = policy.device.type == "cpu"
    learner = Learner(
        policy, config, replace(model_config, gradient_checkpointing=not on_processor), optimizer_steps=steps
    )
    losses = []
    for epoch in range(tuning.epochs):
        order = list(samples)
        stream(tuning.seed, "distill", epoch).shuffle(order)
        told = []
        for start in range(0, len(order), tuning.batch):
            part = order[start : start + tuning.batch]
            told += [learner.step(part)["loss"]] * len(part)
            on_step(len(part))
        losses.append(fmean(told))
    return losses
