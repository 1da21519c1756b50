"""What the loop asks of anything that samples text from the policy.

azr/rollout/transformers.py and azr/rollout/vllm.py implement this; image_text.py does for models that take images, as
vllm.py does too. One more, for tests, replays a script.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from azr.errors import UserError
from azr.policy.image_text import ImagePrompt


@dataclass(frozen=True, slots=True)
class Request:
    """`n` samples of one prompt.

    `temperature` 0 is greedy. `stop` strings end a sample; the tokens up to and with the one that completes the stop
    string are kept in `Completion.token_ids`, while `Completion.text` ends before it. `seed` makes the samples of this
    request reproducible on the same engine and machine, whatever else is in the batch, as far as floating point allows.
    `pictured` is there for a prompt with images: `prompt_ids` are then its text's, with one mark for each image.
    `may_be_cut`: the engine's rule for the last samples of a call holds (azr/rollout/tail.py).
    """

    prompt_ids: tuple[int, ...]
    n: int = 1
    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    pictured: ImagePrompt | None = None
    may_be_cut: bool = False


def refuse_pictured(requests: Sequence[Request]) -> None:
    """Raises UserError where a request has images: for engines that take text alone."""
    if any(request.pictured for request in requests):
        raise UserError("this engine takes text alone, and a request has an image: load an image-text model")


@dataclass(frozen=True, slots=True)
class Completion:
    """One sample.

    `logprobs[i]` is the log-probability of `token_ids[i]` under softmax(logits / temperature) at the time of sampling
    (temperature 1 where sampling was greedy), before any top-p cut. `token_ids` ends with the end-of-sequence token
    where the model gave one. `text` has no special tokens and no stop string. `truncated`: it ran into `max_tokens`, or
    was `cut` before, as one of its call's last.
    """

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    truncated: bool
    cut: bool = False


OnDone = Callable[[int, list[Completion]], None]


class Engine(Protocol):
    """Samples from the policy's current weights."""

    name: str
    has_weights: bool  # of its own, which `update_weights` hands over; else it samples from the policy's

    def generate(self, requests: Sequence[Request], on_done: OnDone | None = None) -> list[list[Completion]]:
        """All samples of all requests, in the order of `requests`.

        `on_done(i, completions)` is called once a request, in the calling thread, as soon as its last sample ended, so
        that the sandbox can work on it while the rest is generated.
        """
        ...

    def rest(self) -> None:
        """Let the learner have what memory the engine can do without until `update_weights`, which wakes it."""
        ...

    def update_weights(self, model: torch.nn.Module) -> None:
        """Take over the weights of `model` (adapters merged), in memory, and forget every cached prefix."""
        ...

    def close(self) -> None:
        """Free the engine's memory. The engine can't be used afterwards."""
        ...
