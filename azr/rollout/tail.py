"""How long the last samples of a call may become, so that a step doesn't wait for one that runs to its limit.

Once a share of the samples has ended, the others may become so many times as long as that share of all is by then
(`rollout.tail` in the config); what is longer already is cut at its next token. A cut sample keeps its tokens and their
log-probabilities, has no end, and is judged as it is. docs/gpu.md says what that costs.
"""

import math
from collections.abc import Iterable, Sequence

from azr.config.fields import TailConfig
from azr.rollout.engine import Request

CUT_NOTHING = TailConfig()


class Tail:
    """The samples of one call, of requests that may be cut: how many ended, and how long the others may become."""

    def __init__(self, rule: TailConfig, requests: Sequence[Request]) -> None:
        self._rule = rule
        self._enough = math.ceil(rule.quantile * sum(request.n for request in requests if request.may_be_cut))
        self._ended: list[int] = []
        self.limit: int | None = None  # tokens, once enough have ended

    def end(self, request: Request, length: int) -> None:
        """A sample of `request` has ended with `length` tokens."""
        if request.may_be_cut:
            self._ended.append(length)

    def settle(self, running: Iterable[tuple[Request, int]]) -> None:
        """Set the limit where enough have ended. `running` are those that have not, with their tokens so far."""
        if self.limit is not None or len(self._ended) < self._enough:
            return
        under_way = [length for request, length in running if request.may_be_cut]
        lengths = sorted([*self._ended, *under_way])
        if under_way:
            self.limit = math.ceil(self._rule.factor * lengths[math.ceil(self._rule.quantile * len(lengths)) - 1])

    def most(self, request: Request) -> int:
        """The tokens that a sample of `request` may have, as far as is known by now."""
        return min(request.max_tokens, self.limit) if self.limit and request.may_be_cut else request.max_tokens
