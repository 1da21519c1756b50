"""Sampling from an image-text model in this process, for machines without vLLM.

The samples of one prompt run side by side: the prompt and its images are computed once, and their keys and values
copied for each sample. What was left out: running several prompts at once, and one copy that all samples read. For
hundreds of prompts vLLM does both.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import DynamicCache

from azr.errors import UserError
from azr.policy.image_text import model_inputs
from azr.policy.model import Policy
from azr.rollout.ending import finish, hits_stop
from azr.rollout.engine import Completion, OnDone, Request
from azr.rollout.sampling import sample, uniforms

_MAX_ROWS = 128  # each holds a row of logits


@dataclass(slots=True)
class _Row:
    """A sample under way."""

    uniforms: np.ndarray
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class ImageTextEngine:
    """Implements azr.rollout.engine.Engine for a policy with a processor; requests may have images or none."""

    name = "transformers"
    has_weights = False

    def __init__(self, policy: Policy, max_batch_tokens: int) -> None:
        """`max_batch_tokens` bounds the key/value positions that samples hold at once."""
        self._policy, self._model = policy, policy.base
        self._tokenizer, self._eos = policy.tokenizer, policy.eos_ids
        self._max_batch_tokens = max_batch_tokens

    @torch.no_grad()
    def generate(self, requests: Sequence[Request], on_done: OnDone | None = None) -> list[list[Completion]]:
        """See Engine. Raises UserError for a sample that `max_batch_tokens` has no room for."""
        done: list[list[Completion]] = []
        for i, request in enumerate(requests):
            done.append(self._samples(request))
            if on_done is not None:
                on_done(i, done[-1])
        return done

    def rest(self) -> None:
        """See Engine. Between calls it holds no memory of its own."""

    def update_weights(self, model: torch.nn.Module) -> None:
        """See Engine. The policy's own weights are read at every call."""

    def close(self) -> None:
        """See Engine. The model belongs to the policy."""

    def _samples(self, request: Request) -> list[Completion]:
        """All samples of a request, as many at once as there is room for."""
        inputs = self._inputs(request)
        positions = inputs["input_ids"].shape[1] + request.max_tokens
        if positions > self._max_batch_tokens:
            raise UserError(
                f"one sample takes {positions} tokens: lower the longest answer, or use vLLM (there is room for "
                f"{self._max_batch_tokens})"
            )
        at_once = min(_MAX_ROWS, self._max_batch_tokens // positions)
        held = DynamicCache(config=self._model.config.get_text_config(decoder=True))
        logits = self._model(**inputs, past_key_values=held, use_cache=True, logits_to_keep=1).logits[:, -1].float()
        rows = [_Row(uniforms(request.seed, index, request.max_tokens)) for index in range(request.n)]
        for first in range(0, request.n, at_once):
            last = first + at_once >= request.n
            self._decode(request, rows[first : first + at_once], logits, held if last else copy.deepcopy(held))
        return [self._finished(request, row) for row in rows]

    def _inputs(self, request: Request) -> dict[str, torch.Tensor]:
        """What the prompt's forward pass takes."""
        for module in self._model.modules():
            if hasattr(module, "rope_deltas"):  # Qwen's models keep how an image moved the last prompt's positions
                module.rope_deltas = None
        if request.pictured is None:
            return {"input_ids": torch.tensor([request.prompt_ids], device=self._policy.device)}
        return dict(model_inputs(self._policy, request.pictured))

    def _decode(self, request: Request, rows: list[_Row], prompt_logits: torch.Tensor, held: DynamicCache) -> None:
        """Samples each row to its end. `prompt_logits` is [1, vocabulary]; `held` has the prompt, and is used up."""
        held.batch_repeat_interleave(len(rows))
        logits = prompt_logits.repeat(len(rows), 1)
        live = rows
        while True:
            chosen = self._extend(request, live, logits)
            going = [number for number, row in enumerate(live) if not self._ends(request, row)]
            if not going:
                return
            if len(going) < len(live):
                live = [live[number] for number in going]
                kept = torch.tensor(going, device=self._policy.device)
                held.batch_select_indices(kept)
                chosen = chosen[kept]
            logits = self._model(input_ids=chosen[:, None], past_key_values=held, use_cache=True).logits[:, -1].float()

    def _extend(self, request: Request, rows: Sequence[_Row], logits: torch.Tensor) -> torch.Tensor:
        """The next token of each row, [rows]."""
        device = self._policy.device
        chosen, logprobs = sample(
            logits,
            torch.full((len(rows),), request.temperature, device=device),
            torch.full((len(rows),), request.top_p, device=device),
            torch.tensor([row.uniforms[len(row.token_ids)] for row in rows], device=device),
        )
        for row, token, logprob in zip(rows, chosen.tolist(), logprobs.tolist(), strict=True):
            row.token_ids.append(token)
            row.logprobs.append(logprob)
        return chosen

    def _ends(self, request: Request, row: _Row) -> bool:
        return len(row.token_ids) >= request.max_tokens or self._stopped(request, row)

    def _stopped(self, request: Request, row: _Row) -> bool:
        return row.token_ids[-1] in self._eos or hits_stop(self._tokenizer, row.token_ids, request.stop)

    def _finished(self, request: Request, row: _Row) -> Completion:
        truncated = not self._stopped(request, row)
        return finish(self._tokenizer, row.token_ids, row.logprobs, request.stop, truncated)
