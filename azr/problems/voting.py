"""Answers that vote: which are equal, and which cluster is the largest.

Zuo et al. 2025 (TTRL, arXiv 2504.16084): the label of a problem is the answer that most of its answers agree on; of
clusters of the same size the one that was seen first.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """How a vote went.

    `clusters[i]` is the cluster of answer i: the index of the first answer in it, None where the answer could not be
    read. `label` is the largest cluster, None where nothing could be read. `ratio` is its share of all answers, those
    that could not be read included.
    """

    clusters: tuple[int | None, ...]
    label: int | None
    ratio: float


def tally(votes: Sequence[str | None], same: Callable[[str, str], bool]) -> Tally:
    """Count votes; None can't be read, and does not vote.

    `same(one, other)` is asked about different texts alone, `one` being the earlier. Clusters are what it connects,
    directly or through others, so that they are transitive whatever it says of a pair. Of d different texts at most
    d (d - 1) / 2 pairs are compared.
    """
    cluster = _connected(list(dict.fromkeys(vote for vote in votes if vote is not None)), same)
    first: dict[int, int] = {}
    for index, vote in enumerate(votes):
        if vote is not None:
            first.setdefault(cluster[vote], index)
    clusters = tuple(None if vote is None else first[cluster[vote]] for vote in votes)
    sizes = Counter(number for number in clusters if number is not None)
    if not sizes:
        return Tally(clusters, None, 0.0)
    label = min(sizes, key=lambda number: (-sizes[number], number))
    return Tally(clusters, label, sizes[label] / len(votes))


def _connected(texts: Sequence[str], same: Callable[[str, str], bool]) -> dict[str, int]:
    """A number for each text, equal for those that `same` connects."""
    cluster: dict[str, int] = {}
    for number, text in enumerate(texts):
        cluster[text] = number
        for earlier in texts[:number]:
            if cluster[earlier] != cluster[text] and same(earlier, text):
                joined = cluster[text], cluster[earlier]
                cluster = {known: min(joined) if own in joined else own for known, own in cluster.items()}
    return cluster
