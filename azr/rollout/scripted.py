"""An engine that is told what to say: for tests that must know the text, and for trying prompts and parsers by hand.

The text is given; tokens and log-probabilities are the policy's own, so the learner can't tell it from a real engine.
"""

from collections.abc import Callable, Sequence

import torch
from transformers import DynamicCache

from azr.policy.model import Policy
from azr.rollout.ending import finish, hits_stop
from azr.rollout.engine import Completion, OnDone, Request, refuse_pictured


class ScriptedEngine:
    """Implements azr.rollout.engine.Engine; `respond(prompt_text, sample)` gives the text of a request's sample.

    A text is cut where its request would have ended it, at a stop string or at `max_tokens`; one that meets neither
    ends with the end-of-sequence token.
    """

    name = "scripted"
    has_weights = False

    def __init__(self, policy: Policy, respond: Callable[[str, int], str]) -> None:
        self._policy = policy
        self._respond = respond

    def generate(self, requests: Sequence[Request], on_done: OnDone | None = None) -> list[list[Completion]]:
        """See Engine. Raises UserError for images."""
        refuse_pictured(requests)
        outputs = []
        for i, request in enumerate(requests):
            prompt = self._policy.tokenizer.decode(request.prompt_ids)
            held = self._held(request)
            outputs.append([self._complete(request, held, self._respond(prompt, index)) for index in range(request.n)])
            if on_done is not None:
                on_done(i, outputs[-1])
        return outputs

    def rest(self) -> None:
        """See Engine. It holds no memory of its own."""

    def update_weights(self, model: torch.nn.Module) -> None:
        """See Engine. The policy's own weights are read at every call."""

    def close(self) -> None:
        """See Engine. There is nothing to free."""

    @torch.no_grad()
    def _held(self, request: Request) -> DynamicCache:
        """Keys and values of the prompt but for its last token: every sample's log-probabilities begin behind them."""
        held = DynamicCache()
        if head := request.prompt_ids[:-1]:
            ids = torch.tensor([head], device=self._policy.device)
            self._policy.base.base_model(input_ids=ids, past_key_values=held, use_cache=True)
        return held

    def _complete(self, request: Request, held: DynamicCache, text: str) -> Completion:
        tokenizer = self._policy.tokenizer
        written = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        token_ids: list[int] = []
        for token in written[: request.max_tokens]:
            token_ids.append(token)
            if hits_stop(tokenizer, token_ids, request.stop):
                break
        truncated = token_ids[-1] != tokenizer.eos_token_id and not hits_stop(tokenizer, token_ids, request.stop)
        return finish(tokenizer, token_ids, self._logprobs(request, held, token_ids), request.stop, truncated)

    @torch.no_grad()
    def _logprobs(self, request: Request, held: DynamicCache, token_ids: list[int]) -> list[float]:
        """`held` has the prompt but for its last token, and is given back so."""
        length = len(request.prompt_ids) - 1
        before = held if length else DynamicCache()  # cropping to nothing crops nothing
        ids = torch.tensor([[request.prompt_ids[-1], *token_ids]], device=self._policy.device)
        logits = self._policy.model(input_ids=ids[:, :-1], past_key_values=before, use_cache=True).logits[0].float()
        held.crop(length)
        logprobs = (logits / (request.temperature or 1.0)).log_softmax(dim=-1)
        return logprobs.gather(-1, ids[0, 1:, None])[:, 0].tolist()
