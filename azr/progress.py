"""How far a long piece of work has come: whoever does it says so, whoever shows it draws the bar."""

from typing import Protocol


class Advance(Protocol):
    """Moves a progress bar on by `done`; `total` corrects what the bar runs to."""

    def __call__(self, done: int, total: int | None = None) -> None: ...
