"""One update of the policy from the rollouts of a step.

Samples are dealt out to minibatches (optimizer steps), those without an advantage are dropped, the rest is packed into
micro-batches of prefix trees, and each of these is a forward and a backward pass. What was left out: a reference model
and its KL term, a critic, more than one epoch, more than one device. The paper has none of the first three.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from azr.config import AttentionKernel, Estimator, LearnerConfig, ModelConfig
from azr.errors import UserError
from azr.learner.advantage import token_weights
from azr.learner.attention import TreeMask, tree_attention, tree_mask
from azr.learner.loss import Objective, policy_loss, token_logprobs
from azr.learner.optimizer import MasterAdamW
from azr.learner.packing import PackedBatch, pack
from azr.learner.sample import Sample
from azr.learner.statistics import TokenRecord, summary
from azr.model import Policy

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class _MicroBatch:
    """What one forward and backward pass works on."""

    batch: PackedBatch
    mask: TreeMask
    objective: Objective


class Learner:
    """Trains the weights of `policy` that ask for a gradient: all of them, or those of its LoRA adapter.

    `response_budget` is the constant length that dr_grpo divides by; the other estimators don't read it.
    Raises UserError for flex attention on a processor, and ValueError for a model whose output layer isn't one plain
    matrix.
    """

    def __init__(
        self, policy: Policy, config: LearnerConfig, model_config: ModelConfig, response_budget: int = 1024
    ) -> None:
        if model_config.attention is AttentionKernel.FLEX and policy.device.type == "cpu":
            raise UserError("flex attention can't train on a processor: set model.attention=dense")
        self._policy = policy
        self._config = config
        self._attention = model_config.attention
        self._response_budget = response_budget
        self._accelerator = Accelerator(cpu=policy.device.type == "cpu")
        self._head = _output_matrix(policy)
        if model_config.gradient_checkpointing:
            policy.base.gradient_checkpointing_enable({"use_reentrant": False})
        trainable = [weight for weight in policy.model.parameters() if weight.requires_grad]
        self._optimizer = MasterAdamW(trainable, config.learning_rate, config.betas, config.weight_decay)
        self._schedule = LambdaLR(
            self._optimizer.adamw, lambda step: min(1.0, (step + 1) / max(config.warmup_steps, 1))
        )

    def step(self, samples: Sequence[Sample], on_progress: OnProgress | None = None) -> dict[str, float]:
        """Train on the samples once, in `minibatches` optimizer steps, and say how it went.

        `on_progress(done, total)` counts computed tokens. The statistics are over the response tokens trained on; they
        are absent where no sample has an advantage: then nothing is computed and the weights stay as they are.
        Raises FloatingPointError, before the weights take the update, if a gradient isn't finite.
        """
        started = time.perf_counter()
        learning_rate = float(self._schedule.get_last_lr()[0])
        minibatches = [self._plan(part) for part in _deal(samples, self._config.minibatches)]
        minibatches = [minibatch for minibatch in minibatches if minibatch]
        progress = _Progress(minibatches, on_progress)
        records: list[TokenRecord] = []
        updates: list[tuple[float, float]] = []
        with tree_attention(self._policy.base.config, self._attention):
            # The first minibatch is on-policy: its old log-probabilities are those that it computes anyway.
            minibatches[1:] = [self._with_old_logprobs(minibatch, progress) for minibatch in minibatches[1:]]
            for minibatch in minibatches:
                updates.append(self._update(minibatch, records, progress))
        seconds = time.perf_counter() - started
        trained = [sample for sample in samples if sample.advantage]
        real = sum(len(sample.prompt_ids) + len(sample.response_ids) for sample in trained)
        return {
            "loss": sum(loss for loss, _ in updates) / max(len(updates), 1),
            "grad_norm": sum(norm for _, norm in updates) / max(len(updates), 1),
            "learning_rate": learning_rate,
            "samples": float(len(trained)),
            "dropped_samples": float(len(samples) - len(trained)),
            "micro_batches": float(sum(map(len, minibatches))),
            "tokens_real": float(real),
            "tokens_computed": float(sum(len(micro.batch.input_ids) for micro in chain(*minibatches))),
            "tokens_per_second": real / seconds,
            "seconds": seconds,
        } | summary(records, self._config.clip, self._config.truncated_importance)

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's and the schedule's state; with the model's weights, all that a bit-exact resume needs."""
        return {"optimizer": self._optimizer.state_dict(), "schedule": self._schedule.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave, in a learner of the same model and config."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])

    def _plan(self, samples: Sequence[Sample]) -> list[_MicroBatch]:
        """The micro-batches of a minibatch. Each token's weight is set before samples are dropped."""
        weights = self._token_weights(samples)
        kept = [(sample, weight) for sample, weight in zip(samples, weights, strict=True) if sample.advantage]
        batches = pack([sample for sample, _ in kept], self._config.max_batch_tokens)
        return [self._micro_batch(batch, kept) for batch in batches]

    def _token_weights(self, samples: Sequence[Sample]) -> list[float]:
        """What each token of a sample counts by its estimator; an estimator has as much in all as it has samples."""
        members: dict[Estimator, list[int]] = {}
        for index, sample in enumerate(samples):
            members.setdefault(sample.estimator or self._config.estimator, []).append(index)
        weights = [0.0] * len(samples)
        for estimator, indices in members.items():
            lengths = [len(samples[index].response_ids) for index in indices]
            share = len(indices) / len(samples)
            for index, weight in zip(indices, token_weights(estimator, lengths, self._response_budget), strict=True):
                weights[index] = weight * share
        return weights

    def _micro_batch(self, batch: PackedBatch, weighted: Sequence[tuple[Sample, float]]) -> _MicroBatch:
        owners = [weighted[index] for index in batch.samples.tolist()]
        engine = [sample.engine_logprobs[step] for (sample, _), step in zip(owners, batch.steps.tolist(), strict=True)]
        device = self._policy.device
        objective = Objective(
            advantages=torch.tensor([sample.advantage for sample, _ in owners], device=device),
            weights=torch.tensor([weight for _, weight in owners], device=device),
            engine_logprobs=torch.tensor(engine, device=device),
            old_logprobs=None,
            clip=self._config.clip,
            importance_cap=self._config.truncated_importance,
        )
        batch = batch.to(device)
        return _MicroBatch(batch, tree_mask(self._attention, batch.subtree_end), objective)

    @torch.no_grad()
    def _with_old_logprobs(self, minibatch: list[_MicroBatch], progress: "_Progress") -> list[_MicroBatch]:
        """The same micro-batches, with the log-probabilities that the current weights give."""
        result = []
        for micro in minibatch:
            logprobs = token_logprobs(self._hidden(micro), self._head, micro.batch, self._config.logit_chunk)
            result.append(replace(micro, objective=replace(micro.objective, old_logprobs=logprobs)))
            progress.advance(micro)
        return result

    def _update(
        self, minibatch: list[_MicroBatch], records: list[TokenRecord], progress: "_Progress"
    ) -> tuple[float, float]:
        """One optimizer step; its loss and its gradient norm before clipping."""
        total = 0.0
        self._policy.model.train()
        try:
            for micro in minibatch:
                loss, logprobs, entropies = policy_loss(
                    self._hidden(micro), self._head, micro.batch, micro.objective, self._config.logit_chunk
                )
                self._accelerator.backward(loss)
                self._optimizer.collect_gradients()
                total += loss.item()
                records.append(TokenRecord.of(micro.objective, logprobs, entropies[micro.batch.predictor_of]))
                progress.advance(micro)
        finally:
            self._policy.model.eval()
        norm = float(self._accelerator.clip_grad_norm_(self._optimizer.masters, self._config.gradient_norm))
        if not math.isfinite(norm):
            self._optimizer.forget_gradients()
            raise FloatingPointError(f"the gradient's norm is {norm}: lower learner.learning_rate, or check the model")
        self._optimizer.step()
        self._schedule.step()
        return total, norm

    def _hidden(self, micro: _MicroBatch) -> Tensor:
        """The last hidden states [P, H] where something is predicted."""
        batch = micro.batch
        output = self._policy.base.base_model(
            input_ids=batch.input_ids[None],
            position_ids=batch.position_ids[None],
            use_cache=False,
            tree=micro.mask,
        )
        return output.last_hidden_state[0, batch.predictors]


class _Progress:
    """Counts computed tokens towards the total of all forward passes of a step."""

    def __init__(self, minibatches: Sequence[Sequence[_MicroBatch]], on_progress: OnProgress | None) -> None:
        sizes = [len(micro.batch.input_ids) for micro in chain(*minibatches)]
        again = [len(micro.batch.input_ids) for micro in chain(*minibatches[1:])]
        self._total = sum(sizes) + sum(again)
        self._done = 0
        self._on_progress = on_progress

    def advance(self, micro: _MicroBatch) -> None:
        self._done += len(micro.batch.input_ids)
        if self._on_progress:
            self._on_progress(self._done, self._total)


def _deal(samples: Sequence[Sample], hands: int) -> list[list[Sample]]:
    """Samples in `hands` parts of about the same number of prompts: prompts in turn, so that all roles are in each."""
    prompts: dict[tuple[int, ...], list[Sample]] = {}
    for sample in samples:
        prompts.setdefault(sample.prompt_ids, []).append(sample)
    groups = list(prompts.values())
    return [list(chain(*groups[hand::hands])) for hand in range(hands)]


def _output_matrix(policy: Policy) -> Tensor:
    """The weight [V, H] that turns hidden states into logits."""
    head = policy.base.get_output_embeddings()
    if type(head) is not torch.nn.Linear or head.bias is not None:
        raise ValueError(
            f"the learner needs an output layer that is one matrix, not {type(head).__name__}: keep LoRA off lm_head"
        )
    config = policy.base.config
    for name in ("final_logit_softcapping", "logit_scale", "logits_scaling"):
        if getattr(config, name, None) not in (None, 1, 1.0):
            raise ValueError(f"the learner takes logits as they are, but {config.model_type} applies {name} to them")
    return head.weight
