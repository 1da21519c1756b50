"""The part of `random` that tests draw their inputs with, in pure Python from a fixed seed. Runs inside the sandbox.

A linear congruential generator (Knuth's MMIX constants, upper bits used). Its draws are not those of CPython's
generator; that a test draws the same ones each time is what counts.
"""

from typing import Any


class SeededRandom:
    """Draws from one stream."""

    def __init__(self, seed: Any = 0) -> None:
        self.state = 0
        self.seed(seed)

    def seed(self, seed: Any = 0) -> None:
        """Starts anew."""
        self.state = (seed if isinstance(seed, int) else 0) + 1442695040888963407

    def random(self) -> float:
        """In [0, 1)."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 11) / 2**53

    def randint(self, low: int, high: int) -> int:
        """In low … high."""
        return low + int(self.random() * (high - low + 1))

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        """One of range(start, stop, step)."""
        low, high = (0, start) if stop is None else (start, stop)
        return low + step * int(self.random() * -(-(high - low) // step))

    def uniform(self, low: float, high: float) -> float:
        """In [low, high)."""
        return low + self.random() * (high - low)

    def choice(self, items: Any) -> Any:
        """One item."""
        return items[self.randint(0, len(items) - 1)]

    def choices(self, items: Any, k: int = 1) -> list[Any]:
        """k items, with repetition."""
        return [self.choice(items) for _ in range(k)]

    def shuffle(self, items: list[Any]) -> None:
        """In place (Fisher and Yates)."""
        for last in range(len(items) - 1, 0, -1):
            other = self.randint(0, last)
            items[last], items[other] = items[other], items[last]

    def sample(self, items: Any, k: int) -> list[Any]:
        """k items, without repetition."""
        shuffled = list(items)
        self.shuffle(shuffled)
        return shuffled[:k]


class RandomModule(SeededRandom):
    """What a test finds as `random`."""

    Random = SeededRandom


seeded_random = RandomModule()
