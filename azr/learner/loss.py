"""The objective, from hidden states to a loss and its gradients, without ever holding all logits.

Output layer, softmax, objective and gradient are done chunk by chunk of predicted positions: a chunk's logits are
turned into its gradient in place and forgotten. Memory for logits is chunk × vocabulary, whatever the prompts' length
and the batch, and the output layer runs once: nothing is recomputed in the backward pass. (It runs twice where a
token's loss depends on its whole response: GSPO's ratio after the first minibatch, and the sequence mask.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from azr.config.fields import Ratio
from azr.learner.formula import Formula
from azr.learner.kl import divergence
from azr.learner.packing import PackedBatch


@dataclass(frozen=True)
class Objective:
    """The loss of E response tokens, in the order of the `PackedBatch`.

    loss = - Σ weight · (trust · gain(ratio, A) - β · kl + bonus · entropy)   with ratio = π / π_old

    `formula` says what each part is, azr/learner/clipping.py what is gained. `trust` is the truncated importance weight
    min(π_old / π_engine, cap), which corrects for an engine whose probabilities differ from the learner's (Yao et al.
    2025, "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training", section on truncated importance
    sampling); it is a constant for the gradient, and 0 for a response that `formula.sequence_mask` leaves out. The
    entropy needs all logits and is added by `policy_loss`.
    """

    formula: Formula
    advantages: Tensor  # [E]
    weights: Tensor  # [E], what a token counts in the sum (aggregation.token_weights)
    engine_logprobs: Tensor  # [E]
    sequences: Tensor  # [E] int64, which response a token is of
    old_logprobs: Tensor | None = None  # [E]; None on-policy: the current ones are the old ones, and the ratio is 1
    start_logprobs: Tensor | None = None  # [E], where there is a KL term

    @property
    def by_sequence(self) -> bool:
        """Whether a token's loss depends on the other tokens of its response: then no chunk can be done by itself.

        On-policy a response's ratio is 1 whatever it is made of.
        """
        ratio = self.formula.ratio is Ratio.SEQUENCE and self.old_logprobs is not None
        return ratio or bool(self.formula.sequence_mask)

    def loss(self, logprobs: Tensor, tokens: slice) -> Tensor:
        """The loss, a scalar, of the given tokens, whose current log-probabilities are `logprobs`.

        Where `by_sequence` holds, they have to be all tokens.
        """
        gain = self.formula.clip.gain(self.ratio(logprobs, tokens), logprobs, self.advantages[tokens])
        if self.formula.importance_cap or self.formula.sequence_mask:
            gain = gain * self.trust(logprobs, tokens)
        if self.formula.kl_in_loss:
            assert self.start_logprobs is not None
            paid = divergence(self.formula.kl.estimator, logprobs, self.start_logprobs[tokens])
            gain = gain - self.formula.kl.coefficient * paid
        return -(gain * self.weights[tokens]).sum()

    def ratio(self, logprobs: Tensor, tokens: slice) -> Tensor:
        """π / π_old of each token, or of its whole response: (Π π / π_old) ^ (1 / length), as GSPO has it.

        The response's ratio is given the token's own gradient, s · π / constant(π): Zheng et al. 2025 (arXiv
        2507.18071), section 4.3, GSPO-token. Where all tokens of a response weigh the same that is GSPO, and it stays
        right where they don't.
        """
        difference = logprobs - self._old(logprobs, tokens)
        if self.formula.ratio is Ratio.SEQUENCE and self.old_logprobs is not None:
            lengths = self._by_response(torch.ones_like(difference), tokens)
            response = (self._by_response(difference.detach(), tokens) / lengths)[self.sequences[tokens]]
            return torch.exp(response + logprobs - logprobs.detach())
        return torch.exp(difference)

    def trust(self, logprobs: Tensor, tokens: slice) -> Tensor:
        """The importance weight of each token between learner and engine."""
        difference = self._old(logprobs, tokens).detach() - self.engine_logprobs[tokens]
        weights = difference.new_ones(())
        if self.formula.importance_cap:
            weights = torch.exp(difference).clamp(max=self.formula.importance_cap)
        if self.formula.sequence_mask:
            kept = torch.exp(self._by_response(difference, tokens)) <= self.formula.sequence_mask
            weights = weights * kept[self.sequences[tokens]]
        return weights.expand_as(difference)

    def _old(self, logprobs: Tensor, tokens: slice) -> Tensor:
        return logprobs.detach() if self.old_logprobs is None else self.old_logprobs[tokens]

    def _by_response(self, values: Tensor, tokens: slice) -> Tensor:
        """Sums [responses] over the tokens of each response."""
        sequences = self.sequences[tokens]
        return values.new_zeros(int(sequences.max()) + 1).index_add(0, sequences, values)


def policy_loss(
    hidden: Tensor, head: Tensor, batch: PackedBatch, objective: Objective, chunk: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss (scalar, differentiable), log-probabilities [E] and entropies [P] (both detached) of a micro-batch.

    `hidden` [P, H] holds the last hidden states at the predictors, `head` [V, H] the output layer's weight; `chunk`
    predictors are worked on at once. Log-probabilities are those of softmax(logits / temperature). Entropies are in
    nats, one a predictor.
    """
    return _ChunkedPolicyLoss.apply(_tempered(hidden, batch), head, batch, objective, chunk)


@torch.no_grad()
def token_logprobs(hidden: Tensor, head: Tensor, batch: PackedBatch, chunk: int) -> Tensor:
    """Log-probabilities [E] of the response tokens; arguments as in `policy_loss`."""
    return torch.cat([part.logprobs for part in _chunks(_tempered(hidden, batch), head, batch, chunk)])


def _tempered(hidden: Tensor, batch: PackedBatch) -> Tensor:
    """Hidden states whose logits are those of `hidden` over the temperature: H divisions a row in place of V."""
    return hidden / batch.temperatures[:, None].to(hidden.dtype)


@dataclass(frozen=True)
class _Chunk:
    """Some predictors, and the response tokens that they predict."""

    predictors: slice
    tokens: slice
    logits: Tensor  # [p, V] fp32, the largest of each row taken off, so that exponentials and sums keep their precision
    exponentials: Tensor  # [p, V] of these
    totals: Tensor  # [p] sums of those
    predictor_of: Tensor  # [e], counted from the chunk's first predictor
    targets: Tensor  # [e]
    logprobs: Tensor  # [e] fp32


def _chunks(hidden: Tensor, head: Tensor, batch: PackedBatch, size: int) -> Iterator[_Chunk]:
    firsts = torch.arange(0, len(hidden), size, device=hidden.device)
    token_edges = [*torch.searchsorted(batch.predictor_of, firsts).tolist(), len(batch.targets)]
    for number, first in enumerate(firsts.tolist()):
        predictors = slice(first, min(first + size, len(hidden)))
        tokens = slice(token_edges[number], token_edges[number + 1])
        yield _chunk(hidden, head, batch, predictors, tokens)


def _chunk(hidden: Tensor, head: Tensor, batch: PackedBatch, predictors: slice, tokens: slice) -> _Chunk:
    logits = (hidden[predictors] @ head.t()).float()
    logits -= logits.amax(dim=-1, keepdim=True)
    exponentials = torch.exp(logits)
    totals = exponentials.sum(dim=-1)
    predictor_of = batch.predictor_of[tokens] - predictors.start
    targets = batch.targets[tokens]
    logprobs = logits[predictor_of, targets] - totals.log()[predictor_of]
    return _Chunk(predictors, tokens, logits, exponentials, totals, predictor_of, targets, logprobs)


class _ChunkedPolicyLoss(torch.autograd.Function):
    """Computes the gradients on the way forward, while a chunk's logits are at hand."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, head: Tensor, batch: PackedBatch, objective: Objective, chunk: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        loss = torch.zeros((), device=hidden.device)
        whole = None  # derivatives by all log-probabilities: of a response's tokens none is known before the others
        if objective.by_sequence:
            every = torch.cat([part.logprobs for part in _chunks(hidden, head, batch, chunk)])
            loss, whole = _loss_and_gradient(objective, every, slice(None))
        logprobs, entropies = [], []
        grad_hidden = torch.empty_like(hidden)
        # In fp32 even for bf16 weights: many small chunks are added up.
        grad_head = torch.zeros_like(head, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for part in _chunks(hidden, head, batch, chunk):
            if whole is None:
                part_loss, by_logprob = _loss_and_gradient(objective, part.logprobs, part.tokens)
                loss += part_loss
            else:
                by_logprob = whole[part.tokens]
            logprobs.append(part.logprobs)
            entropies.append(part.totals.log() - torch.linalg.vecdot(part.exponentials, part.logits) / part.totals)

            bonus = None
            if objective.formula.entropy_bonus:
                part_bonus, bonus = _entropy_bonus(objective, part, entropies[-1])
                loss -= part_bonus
            grad_logits = _logit_gradient(part, by_logprob)
            if bonus is not None:
                grad_logits -= bonus
            grad_logits = grad_logits.to(head.dtype)
            torch.mm(grad_logits, head, out=grad_hidden[part.predictors])
            if grad_head is not None:
                _add_product(grad_head, grad_logits.t(), hidden[part.predictors])
            del part, bonus, grad_logits  # before the next chunk's are made
        ctx.save_for_backward(grad_hidden, grad_head)
        results = loss, torch.cat(logprobs), torch.cat(entropies)
        ctx.mark_non_differentiable(*results[1:])
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_head = ctx.saved_tensors
        # In place: a second matrix of the vocabulary's size would stand where a step's memory peaks.
        by_head = None if grad_head is None else grad_head.mul_(grad_loss).to(grad_hidden.dtype)
        return grad_hidden * grad_loss.to(grad_hidden.dtype), by_head, None, None, None


def _loss_and_gradient(objective: Objective, logprobs: Tensor, tokens: slice) -> tuple[Tensor, Tensor]:
    """The tokens' loss and its derivatives [e] by their log-probabilities."""
    with torch.enable_grad():
        logprobs = logprobs.detach().requires_grad_()
        loss = objective.loss(logprobs, tokens)
    return loss.detach(), torch.autograd.grad(loss, logprobs)[0]


def _entropy_bonus(objective: Objective, part: _Chunk, entropies: Tensor) -> tuple[Tensor, Tensor]:
    """What the chunk's entropies are worth, and its derivatives [p, V] by the logits.

    ∂ entropy / ∂ logits = -softmax · (log softmax + entropy). Asked for before the exponentials' memory is used again.
    """
    worth = torch.zeros_like(part.totals).index_add_(0, part.predictor_of, objective.weights[part.tokens])
    worth *= objective.formula.entropy_bonus
    gradient = part.logits - (part.totals.log() - entropies)[:, None]
    gradient *= part.exponentials
    gradient *= (-worth / part.totals)[:, None]
    return (worth * entropies).sum(), gradient


def _logit_gradient(part: _Chunk, by_logprob: Tensor) -> Tensor:
    """Derivatives [p, V] by the logits, in the memory of the chunk's exponentials.

    ∂ log p(target) / ∂ logits = one_hot(target) - softmax, summed over the tokens that a predictor foretells.
    """
    by_predictor = torch.zeros_like(part.totals).index_add_(0, part.predictor_of, by_logprob)
    gradient = part.exponentials.mul_((-by_predictor / part.totals)[:, None])
    return gradient.index_put_((part.predictor_of, part.targets), by_logprob, accumulate=True)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, where the total may be of higher precision."""
    if total.dtype == right.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
