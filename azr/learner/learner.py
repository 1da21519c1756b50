"""One update of the policy from the rollouts of a step.

Samples are dealt out to minibatches (optimizer steps), those without a gradient are dropped, the rest is packed into
micro-batches of prefix trees, and each of these is a forward and a backward pass. Several ranks plan the same, take
their share of the micro-batches, and sum their gradients. What was left out: more than one epoch.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel

from azr.config.fields import Aggregation, AttentionKernel, LearnerConfig, ModelConfig
from azr.errors import UserError
from azr.learner.aggregation import token_weights
from azr.learner.algorithms import ALGORITHMS
from azr.learner.attention import TreeMask, tree_attention, tree_mask
from azr.learner.credit import credited, credited_by_values
from azr.learner.critic import Critic
from azr.learner.formula import aggregation_of, formula_of
from azr.learner.forward import PolicyForward
from azr.learner.kl import divergence
from azr.learner.loss import Objective, policy_loss, token_logprobs
from azr.learner.optimizer import HostAdamW, MasterAdamW, Optimizer
from azr.learner.packing import PackedBatch, alike_in_rate, by_sample, deal, pack, per_token
from azr.learner.reference import Reference
from azr.learner.sample import Outcome, Sample
from azr.learner.schedule import learning_rate_factor, take_up
from azr.learner.sharding import ShardedAdamW, check_sharded, gathered, let_go, shard, whole_weights
from azr.learner.statistics import TokenRecord, summary
from azr.policy.device import own_random_state
from azr.policy.model import Policy, trained_weights
from azr.ranks.group import ALONE, Ranks, deal_by_size

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Minibatch:
    """An optimizer step: this rank's micro-batches, and how many with how many tokens all ranks have.

    `rate` is what the schedule's learning rate is multiplied by.
    """

    micros: list["_MicroBatch"]
    count: int
    tokens: int
    rate: float


@dataclass(frozen=True)
class _MicroBatch:
    """What one forward and backward pass works on. Its mask, which is large, is made when its turn comes."""

    batch: PackedBatch
    objective: Objective
    counts: bool = True  # False: it weighs nothing, and is there because all ranks take part in every pass


class Learner:
    """Trains the weights of `policy` that ask for a gradient: all of them, or those of its LoRA adapter.

    `response_budget` is the constant length that dr_grpo divides by; the other estimators don't read it.
    `optimizer_steps` is the most that the run makes, which schedules other than the constant one need. `start` holds
    the starting weights where a KL term is wanted and there is no adapter to switch off (azr/learner/reference.py).
    `critic` is what ppo grows its values on, a policy loaded as `policy` was (azr/learner/critic.py); each of several
    `ranks` trains the whole of it. What they get to learn has to be the same, and is from the same weights. With
    `config.shard` each keeps a part of the policy alone (azr/learner/sharding.py); `gathered` has the whole of it.
    Raises UserError for flex attention on a processor and for parts of the config that don't go together, and
    ValueError for a model whose output layer isn't one plain matrix, or a missing `start` or `critic`.
    """

    def __init__(
        self,
        policy: Policy,
        config: LearnerConfig,
        model_config: ModelConfig,
        response_budget: int = 1024,
        optimizer_steps: int | None = None,
        start: PreTrainedModel | None = None,
        critic: Policy | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        if model_config.attention is AttentionKernel.FLEX and policy.device.type == "cpu":
            raise UserError("flex attention can't train on a processor: set model.attention=dense")
        self._policy = policy
        self._config = config
        self._ranks = ranks
        self._formula = formula_of(config)
        self._attention = model_config.attention
        self._response_budget = response_budget
        self._accelerator = Accelerator(cpu=policy.device.type == "cpu")
        self._forward = PolicyForward(policy)
        self._reference = (
            Reference(policy, start, model_config.attention, config.logit_chunk) if config.kl.coefficient else None
        )
        if model_config.gradient_checkpointing:
            for trained in (policy, critic):
                if trained is not None:
                    trained.base.gradient_checkpointing_enable({"use_reentrant": False})
        self._dtype = policy.base.dtype
        self._optimizer = self._open_optimizer()
        self._schedule = LambdaLR(self._optimizer.adamw, learning_rate_factor(config, optimizer_steps))
        self._critic = None
        if ALGORITHMS[config.estimator].critic:
            if critic is None:
                raise ValueError(f"{config.estimator} needs a critic's trunk")
            self._critic = Critic(critic, config, model_config.attention, self._accelerator, optimizer_steps)

    def _open_optimizer(self) -> Optimizer:
        """The optimizer of the weights that train, which are in shards from here on where the config says so."""
        config = self._config
        settings = config.learning_rate, config.betas, config.weight_decay
        if config.shard:
            check_sharded(config, self._ranks)
            shard(self._forward, self._policy, self._dtype, self._ranks)
            with tree_attention(self._policy.base.config, self._attention):
                idle = self._idle_micro_batch().batch
                self._logprobs(idle, self._mask(idle))  # whose forward pass is the first is the root of all shards
            let_go(self._forward)
            apart = self._dtype != torch.float32
            return ShardedAdamW(trained_weights(self._policy), *settings, masters_apart=apart, ranks=self._ranks)
        optimizer = HostAdamW if config.optimizer_on_host else MasterAdamW
        return optimizer(trained_weights(self._policy), *settings)

    def credit(self, samples: Sequence[Sample], outcomes: Sequence[Outcome]) -> list[Sample]:
        """The samples with the advantages that the config's estimators make of what each earned, ready for `step`.

        Does what `advantages` does, and what that can't: penalties for the distance from the start, a critic's values,
        an estimator, a loss weight and a learning rate a role. Raises ValueError where samples and outcomes differ in
        number.
        """
        if len(samples) != len(outcomes):
            raise ValueError(f"{len(samples)} samples and {len(outcomes)} outcomes: one each a rollout")
        penalties = self._penalties(samples) if self._formula.kl_in_reward and samples else None
        if self._critic:
            return credited_by_values(samples, outcomes, self._config, self._critic.values(samples), penalties)
        return credited(samples, outcomes, self._config, penalties)

    def step(self, samples: Sequence[Sample], on_progress: OnProgress | None = None) -> dict[str, float]:
        """Train on the samples once, in `minibatches` optimizer steps for each learning rate, and say how it went.

        `on_progress(done, total)` counts computed tokens. The statistics are over the response tokens trained on; they
        are absent where no sample has an advantage: then nothing is computed and the weights stay as they are.
        Raises FloatingPointError, before the weights take the update, if a gradient isn't finite.
        """
        started = time.perf_counter()
        waits = self._critic is not None and self._critic.warming_up
        said = self._critic.update(samples) if self._critic and samples else {}
        learning_rate = float(self._schedule.get_last_lr()[0])
        alike = [] if waits else alike_in_rate(samples)
        parts = [part for own in alike for part in deal(own, self._config.minibatches)]
        planned = [minibatch for minibatch in map(self._plan, parts) if minibatch.count]
        minibatches = [minibatch.micros for minibatch in planned]
        progress = _Progress(minibatches, self._formula.kl_in_loss, on_progress)
        records: list[TokenRecord] = []
        updates: list[tuple[float, float]] = []
        if self._formula.kl_in_loss:
            minibatches = [self._with_start_logprobs(minibatch, progress) for minibatch in minibatches]
        with tree_attention(self._policy.base.config, self._attention):
            # The first minibatch is on-policy: its old log-probabilities are those that it computes anyway.
            minibatches[1:] = [self._with_old_logprobs(minibatch, progress) for minibatch in minibatches[1:]]
            for plan, minibatch in zip(planned, minibatches, strict=True):
                updates.append(self._update(minibatch, plan.rate, records, progress))
        records = [record for part in self._ranks.gather([record.on_host() for record in records]) for record in part]
        seconds = time.perf_counter() - started
        trained = [] if waits else [sample for sample in samples if self._trains(sample)]
        real = sum(len(sample.prompt_ids) + len(sample.response_ids) for sample in trained)
        return {
            "loss": sum(loss for loss, _ in updates) / max(len(updates), 1),
            "grad_norm": sum(norm for _, norm in updates) / max(len(updates), 1),
            "learning_rate": learning_rate,
            "samples": float(len(trained)),
            "dropped_samples": float(len(samples) - len(trained)),
            "micro_batches": float(sum(minibatch.count for minibatch in planned)),
            "tokens_real": float(real),
            "tokens_computed": float(sum(minibatch.tokens for minibatch in planned)),
            "tokens_per_second": real / seconds,
            "seconds": seconds,
        } | (said | summary(records, self._formula))

    def warm_up(self) -> None:
        """Take the memory that the longest row will need, and leave everything as it was.

        A row of `max_batch_tokens` that weighs nothing goes forward and back, beside as much memory as gradients and
        moments take; kernels are compiled on the way. Raises UserError where memory runs out.
        """
        tokens = self._config.max_batch_tokens
        response = min(max(tokens // 2, 1), self._response_budget)
        # Its last token predicts nothing and is not computed.
        row = Sample((0,) * (tokens - response + 1), (0,) * response, (0.0,) * response, 1.0)
        attention = tree_attention(self._policy.base.config, self._attention)
        with own_random_state(self._policy.device), _told_of_memory(self._policy.device, tokens), attention:
            (batch,) = pack([row], tokens)
            held = self._optimizer.missing_moments()
            held += self._critic.missing_moments() if self._critic else []
            self._backward(self._micro_batch(batch, [(row, 0.0)]))
        self._optimizer.forget_gradients()

    def gathered(self) -> AbstractContextManager[None]:
        """Within, this rank has the whole policy, which it has anyway where nothing is in shards."""
        return gathered(self._forward) if self._config.shard else nullcontext()

    def weights(self) -> dict[str, Tensor] | None:
        """What of the policy a checkpoint keeps, whole, on rank 0; all ranks call it. None: the policy has it."""
        return whole_weights(self._policy, self._dtype, self._ranks) if self._config.shard else None

    def state_dict(self) -> dict[str, Any]:
        """Optimizer, schedule and critic; with the model's weights, all that a bit-exact resume needs.

        All of several ranks call it; what is in shards is whole on rank 0 alone.
        """
        state = {"optimizer": self._optimizer.state_dict(), "schedule": self._schedule.state_dict()}
        return state | ({"critic": self._critic.state_dict()} if self._critic else {})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave, in a learner of the same model; its learning rate and decay are its own.

        Raises UserError where this learner has a critic and that one had none.
        """
        if self._critic and "critic" not in state:
            raise UserError(
                f"learner.estimator={self._config.estimator} needs a critic, and the checkpoint has none: a run can't"
                " change to it, start a new one"
            )
        self._optimizer.load_state_dict(state["optimizer"])
        take_up(self._schedule, state["schedule"])
        if self._critic:
            self._critic.load_state_dict(state["critic"])

    def _trains(self, sample: Sample) -> bool:
        """Whether any of the sample's tokens can have a gradient."""
        return sample.teaches or bool(sample.weight and self._formula.without_advantage)

    def _plan(self, samples: Sequence[Sample]) -> _Minibatch:
        """A minibatch, all of one learning rate, as it is computed. Weights are set before samples are dropped."""
        weights = self._token_weights(samples)
        kept = [
            (sample, weight * sample.weight)
            for sample, weight in zip(samples, weights, strict=True)
            if self._trains(sample)
        ]
        batches = pack([sample for sample, _ in kept], self._config.max_batch_tokens, self._ranks.size)
        sizes = [len(batch.input_ids) for batch in batches]
        hands = deal_by_size(sizes, self._ranks.size)
        own = [self._micro_batch(batches[index], kept) for index in hands[self._ranks.rank]]
        if self._config.shard:
            own += [self._idle_micro_batch()] * (max(map(len, hands)) - len(own))
        rate = (samples[0].learning_rate if samples else None) or self._config.learning_rate
        return _Minibatch(own, len(batches), sum(sizes), rate / self._config.learning_rate)

    def _token_weights(self, samples: Sequence[Sample]) -> list[float]:
        """What each token of a sample counts by its estimator; an estimator has as much in all as it has samples."""
        members: dict[Aggregation, list[int]] = {}
        for index, sample in enumerate(samples):
            members.setdefault(aggregation_of(self._config, sample.estimator), []).append(index)
        weights = [0.0] * len(samples)
        for aggregation, indices in members.items():
            lengths = [len(samples[index].response_ids) for index in indices]
            share = len(indices) / len(samples)
            for index, weight in zip(indices, token_weights(aggregation, lengths, self._response_budget), strict=True):
                weights[index] = weight * share
        return weights

    def _micro_batch(self, batch: PackedBatch, weighted: Sequence[tuple[Sample, float]]) -> _MicroBatch:
        advantages = per_token(batch, lambda index: weighted[index][0].advantages)
        weights = per_token(batch, lambda index: (weighted[index][1],) * len(weighted[index][0].response_ids))
        engine_logprobs = per_token(batch, lambda index: weighted[index][0].engine_logprobs)
        device = self._policy.device
        batch = batch.to(device)
        objective = Objective(
            formula=self._formula,
            advantages=advantages.to(device),
            weights=weights.to(device),
            engine_logprobs=engine_logprobs.to(device),
            sequences=batch.samples,
        )
        return _MicroBatch(batch, objective)

    def _idle_micro_batch(self) -> _MicroBatch:
        """One of a single token, whose gradient is 0."""
        sample = Sample((0,), (0,), (0.0,), 0.0)
        (batch,) = pack([sample], 1)
        return replace(self._micro_batch(batch, [(sample, 0.0)]), counts=False)

    def _mask(self, batch: PackedBatch) -> TreeMask:
        return tree_mask(self._attention, batch.subtree_end)

    def _penalties(self, samples: Sequence[Sample]) -> list[tuple[float, ...]]:
        """What each response token costs for its distance from the start, as the weights are now."""
        assert self._reference is not None
        batches = pack(samples, self._config.max_batch_tokens)
        costs = []
        for batch in batches:
            placed = batch.to(self._policy.device)
            mask = self._mask(placed)
            start = self._reference.logprobs(placed, mask)
            with tree_attention(self._policy.base.config, self._attention):
                now = self._logprobs(placed, mask)
            costs.append(self._config.kl.coefficient * divergence(self._config.kl.estimator, now, start))
        return by_sample(batches, costs)

    def _with_start_logprobs(self, minibatch: list[_MicroBatch], progress: "_Progress") -> list[_MicroBatch]:
        """The same micro-batches, with the log-probabilities that the starting weights give."""
        assert self._reference is not None
        result = []
        for micro in minibatch:
            logprobs = self._reference.logprobs(micro.batch, self._mask(micro.batch))
            result.append(replace(micro, objective=replace(micro.objective, start_logprobs=logprobs)))
            progress.advance(micro)
        return result

    def _with_old_logprobs(self, minibatch: list[_MicroBatch], progress: "_Progress") -> list[_MicroBatch]:
        """The same micro-batches, with the log-probabilities that the current weights give."""
        result = []
        for micro in minibatch:
            logprobs = self._logprobs(micro.batch, self._mask(micro.batch))
            result.append(replace(micro, objective=replace(micro.objective, old_logprobs=logprobs)))
            progress.advance(micro)
        return result

    @torch.no_grad()
    def _logprobs(self, batch: PackedBatch, mask: TreeMask) -> Tensor:
        """Log-probabilities [E] of the response tokens under the current weights."""
        said = partial(token_logprobs, batch=batch, chunk=self._config.logit_chunk)
        logprobs: Tensor = self._forward(batch, mask, said)
        return logprobs

    def _update(
        self, minibatch: list[_MicroBatch], rate: float, records: list[TokenRecord], progress: "_Progress"
    ) -> tuple[float, float]:
        """One optimizer step at `rate` times the schedule's; its loss and its gradient norm before clipping."""
        total = 0.0
        for micro in minibatch:
            loss, logprobs, entropies = self._backward(micro)
            total += loss
            if micro.counts:
                records.append(TokenRecord.of(micro.objective, logprobs, entropies[micro.batch.predictor_of]))
            progress.advance(micro)
        total = self._optimizer.sum_over(self._ranks, total)
        norm = self._optimizer.clip(self._config.gradient_norm)
        if not math.isfinite(norm):
            self._optimizer.forget_gradients()
            raise FloatingPointError(f"the gradient's norm is {norm}: lower learner.learning_rate, or check the model")
        for group in self._optimizer.adamw.param_groups:
            group["lr"] *= rate  # until the schedule sets it anew
        self._optimizer.step()
        self._schedule.step()
        return total, norm

    def _backward(self, micro: _MicroBatch) -> tuple[float, Tensor, Tensor]:
        """Add a micro-batch's gradients to those collected; its loss, log-probabilities [E] and entropies [P]."""
        self._policy.model.train()
        try:
            lost = partial(policy_loss, batch=micro.batch, objective=micro.objective, chunk=self._config.logit_chunk)
            loss, logprobs, entropies = self._forward(micro.batch, self._mask(micro.batch), lost)
            self._accelerator.backward(loss)
            self._optimizer.collect_gradients()
            return loss.item(), logprobs, entropies
        finally:
            self._policy.model.eval()


class _Progress:
    """Counts computed tokens towards the total of all forward passes of a step."""

    def __init__(
        self, minibatches: Sequence[Sequence[_MicroBatch]], from_start: bool, on_progress: OnProgress | None
    ) -> None:
        sizes = [len(micro.batch.input_ids) for micro in chain(*minibatches)]
        again = [len(micro.batch.input_ids) for micro in chain(*minibatches[1:])]
        self._total = sum(sizes) * (2 if from_start else 1) + sum(again)
        self._done = 0
        self._on_progress = on_progress

    def advance(self, micro: _MicroBatch) -> None:
        self._done += len(micro.batch.input_ids)
        if self._on_progress:
            self._on_progress(self._done, self._total)


@contextmanager
def _told_of_memory(device: torch.device, tokens: int) -> Iterator[None]:
    """Memory that runs out in this block is said in one line."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise UserError(
            f"{device} has no room for the learner's longest row, of learner.max_batch_tokens={tokens}: lower it with"
            " rollout.max_prompt_tokens and the methods' max_tokens, or lower learner.logit_chunk, set"
            " model.gradient_checkpointing=true, or train an adapter (model.lora.rank); `azr plan` says what takes how"
            " much"
        ) from error
