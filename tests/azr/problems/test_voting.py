"""Votes: clusters are transitive, the largest is the label, the first seen wins ties, silence counts below the line."""

from hypothesis import given
from hypothesis import strategies as st

from azr.problems.voting import tally

VOTES = st.lists(st.none() | st.sampled_from("abcdefg"), max_size=40)
PAIRS = st.sets(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")))


def by_pairs(pairs):
    return lambda one, other: (one, other) in pairs or (other, one) in pairs


def test_the_largest_cluster_is_the_label_and_its_share_counts_what_could_not_be_read():
    found = tally(["1", None, "2", "1", None, "3", "1.0", "2"], lambda one, other: float(one) == float(other))
    assert found.clusters == (0, None, 2, 0, None, 5, 0, 2)
    assert (found.label, found.ratio) == (0, 3 / 8)


def test_a_tie_goes_to_the_one_seen_first():
    assert tally(["b", "a", "a", "b", "c"], by_pairs(set())).label == 0
    assert tally([None, "a", "b", "b", "a"], by_pairs(set())).label == 1


def test_where_nothing_can_be_read_there_is_no_label():
    assert tally([None, None], by_pairs(set())).label is None
    assert tally([None, None], by_pairs(set())).ratio == 0.0
    assert tally([], by_pairs(set())).label is None


@given(VOTES, PAIRS)
def test_clusters_are_what_equality_connects_whatever_it_says_of_pairs(votes, pairs):
    found = tally(votes, by_pairs(pairs))
    texts = {vote for vote in votes if vote is not None}
    cluster = {vote: number for vote, number in zip(votes, found.clusters, strict=True) if vote is not None}
    assert [number is None for number in found.clusters] == [vote is None for vote in votes]
    for one, other in pairs:
        if one in texts and other in texts:
            assert cluster[one] == cluster[other]
    for number in set(cluster.values()):  # nothing is together that no chain of pairs connects
        members = [text for text in texts if cluster[text] == number]
        reached = {votes[number]}
        for _ in members:
            reached |= {text for text in members for known in reached if by_pairs(pairs)(text, known)}
        assert reached == set(members)


@given(VOTES, PAIRS, st.randoms())
def test_the_order_of_answers_changes_no_cluster(votes, pairs, dice):
    order = list(range(len(votes)))
    dice.shuffle(order)
    there, mixed = tally(votes, by_pairs(pairs)), tally([votes[i] for i in order], by_pairs(pairs))
    position = {index: place for place, index in enumerate(order)}
    for i in range(len(votes)):
        for j in range(i):
            together = mixed.clusters[position[i]] == mixed.clusters[position[j]]
            assert (there.clusters[i] == there.clusters[j]) == together
    assert there.ratio == mixed.ratio


@given(VOTES, PAIRS)
def test_comparisons_are_at_most_answers_times_different_ones(votes, pairs):
    asked = []

    def same(one, other):
        asked.append((one, other))
        return by_pairs(pairs)(one, other)

    tally(votes, same)
    different = len({vote for vote in votes if vote is not None})
    assert len(asked) <= different * (different - 1) // 2 <= len(votes) * different
    assert all(one != other for one, other in asked)
    assert len(set(asked)) == len(asked)
