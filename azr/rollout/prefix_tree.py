"""Prompts as a tree of segments, so that what several of them begin with is computed and held once."""

from collections.abc import Sequence
from dataclasses import dataclass

# A shorter common beginning is cheaper to compute twice than to attend to as a segment of its own.
MIN_SHARED_TOKENS = 32


@dataclass(frozen=True, eq=False)
class Segment:
    """A run of prompt tokens behind its `parent`'s; the first one stands at position `start`."""

    tokens: tuple[int, ...]
    start: int
    parent: "Segment | None"

    @property
    def end(self) -> int:
        """The position after the last token."""
        return self.start + len(self.tokens)

    def chain(self) -> tuple["Segment", ...]:
        """The segments from the prompt's first token to this one's last."""
        return (*self.parent.chain(), self) if self.parent else (self,)


def build_prefix_tree(prompts: Sequence[tuple[int, ...]]) -> list[Segment]:
    """The segment that each prompt ends with. Equal prompts end with the same segment.

    Raises ValueError for an empty prompt.
    """
    if not all(prompts):
        raise ValueError("a prompt has no tokens")
    ends: dict[tuple[int, ...], Segment] = {}
    _grow(sorted(set(prompts)), 0, None, ends)
    return [ends[prompt] for prompt in prompts]


def _grow(
    prompts: list[tuple[int, ...]], start: int, parent: Segment | None, ends: dict[tuple[int, ...], Segment]
) -> None:
    """Add the subtree of sorted, distinct prompts that agree before `start`, where `parent` ends."""
    if parent is not None and len(prompts[0]) == start:
        ends[prompts[0]] = parent
        prompts = prompts[1:]
    if not prompts:
        return
    shared = _common_length(prompts[0], prompts[-1])
    if len(prompts) == 1 or shared - start >= MIN_SHARED_TOKENS or len(prompts[0]) == shared:
        _grow(prompts, shared, Segment(prompts[0][start:shared], start, parent), ends)
        return
    for branch in _split_by_token(prompts, shared):
        _grow(branch, start, parent, ends)


def _split_by_token(prompts: list[tuple[int, ...]], position: int) -> list[list[tuple[int, ...]]]:
    """Neighbours with the same token at `position` stay together."""
    branches: list[list[tuple[int, ...]]] = []
    for prompt in prompts:
        if branches and branches[-1][0][position] == prompt[position]:
            branches[-1].append(prompt)
        else:
            branches.append([prompt])
    return branches


def _common_length(first: tuple[int, ...], last: tuple[int, ...]) -> int:
    """How many tokens two prompts begin with alike; of sorted prompts the outer two share what all share."""
    for position, (a, b) in enumerate(zip(first, last, strict=False)):
        if a != b:
            return position
    return min(len(first), len(last))
