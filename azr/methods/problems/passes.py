"""Pass after pass over a set, each in an order of its own, and which problems a step takes."""

import random
from collections.abc import Callable


class Passes:
    """Orders of `size` problems, taken `batch` a step; where one pass ends within a step the next begins there.

    `streams` gives pass number p its generator. No step has a problem twice. Raises ValueError for a batch larger than
    the set, which would.
    """

    def __init__(self, size: int, batch: int, streams: Callable[[int], random.Random]) -> None:
        if not 0 < batch <= size:
            raise ValueError(f"a batch of {batch} from {size} problems")
        self._size = size
        self._batch = batch
        self._streams = streams
        self._orders: list[list[int]] = []

    def step(self, number: int) -> list[int]:
        """The problems of step `number`, which counts from 1: the same whichever steps were asked for before."""
        places = range((number - 1) * self._batch, number * self._batch)
        return [self._order(place // self._size)[place % self._size] for place in places]

    def _order(self, number: int) -> list[int]:
        while len(self._orders) <= number:
            order = list(range(self._size))
            self._streams(len(self._orders)).shuffle(order)
            self._orders.append(self._apart(order))
        return self._orders[number]

    def _apart(self, order: list[int]) -> list[int]:
        """The order with nothing at its head that the step it begins in has already, from the pass before."""
        begun = len(self._orders) * self._size % self._batch
        if not begun:
            return order
        taken = self._orders[-1][-begun:]
        head = [problem for problem in order if problem not in taken][: self._batch - begun]
        return [*head, *(problem for problem in order if problem not in head)]
