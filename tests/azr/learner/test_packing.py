from itertools import pairwise, product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from azr.learner import Sample
from azr.learner.packing import PackedBatch, by_sample, pack, per_token
from azr.ranks.group import deal_by_size


def sample(prompt: str, response: str, temperature: float = 1.0) -> Sample:
    """One token a letter."""
    ids = [tuple(map(ord, text)) for text in (prompt, response)]
    return Sample(ids[0], ids[1], (0.0,) * len(response), 1.0, temperature)


def text(batch: PackedBatch) -> str:
    return "".join(map(chr, batch.input_ids.tolist()))


def seen_by(batch: PackedBatch, place: int) -> list[int]:
    """The places that a token sees, by the rule in the module's docstring."""
    return [j for j in range(place + 1) if place < batch.subtree_end[j]]


def test_a_prompt_is_laid_out_once_before_its_responses() -> None:
    (batch,) = pack([sample("abcd", "xyz"), sample("abcd", "uvw")], 100)
    assert text(batch) == "abcduvxy"  # a response's last token predicts nothing


def test_a_common_head_of_two_prompts_is_laid_out_once() -> None:
    (batch,) = pack([sample("headone", "xy"), sample("headtwo", "xy")], 100)
    assert text(batch) == "headonextwox"


def test_a_common_start_of_two_responses_is_laid_out_once() -> None:
    (batch,) = pack([sample("ab", "xyz"), sample("ab", "xvw")], 100)
    assert text(batch) == "abxvy"


def test_equal_samples_cost_one_row() -> None:
    (batch,) = pack([sample("ab", "xyz")] * 5, 100)
    assert text(batch) == "abxy"
    assert len(batch.predictors) == 3
    assert len(batch.targets) == 15


def test_positions_are_depths() -> None:
    (batch,) = pack([sample("abcd", "xyz"), sample("abcd", "uvw"), sample("q", "rs")], 100)
    assert text(batch) == "abcduvxyqr"
    assert batch.position_ids.tolist() == [0, 1, 2, 3, 4, 5, 4, 5, 0, 1]


def test_a_response_does_not_see_its_sibling() -> None:
    (batch,) = pack([sample("ab", "xyz"), sample("ab", "uvw")], 100)
    assert text(batch) == "abuvxy"
    assert seen_by(batch, 5) == [0, 1, 4, 5]
    assert seen_by(batch, 3) == [0, 1, 2, 3]


def test_documents_end_where_the_next_begins() -> None:
    (batch,) = pack([sample("abc", "xy"), sample("def", "xy")], 100)
    assert text(batch) == "abcxdefx"
    assert seen_by(batch, 4) == [4]
    assert seen_by(batch, 7) == [4, 5, 6, 7]


def test_a_row_has_no_padding() -> None:
    batches = pack([sample("a" * n, "x" * n) for n in (3, 50, 7)] + [sample("b", "x" * 40)], 60)
    distinct = [
        {tuple(batch.input_ids[seen_by(batch, i)].tolist()) for i in range(len(text(batch)))} for batch in batches
    ]
    assert [len(nodes) for nodes in distinct] == [len(batch.input_ids) for batch in batches]


def test_the_first_response_token_is_predicted_by_the_prompts_last() -> None:
    (batch,) = pack([sample("ab", "xyz"), sample("ab", "uvw")], 100)
    first = batch.steps == 0
    places = batch.predictors[batch.predictor_of[first]]
    assert places.tolist() == [1, 1]
    assert sorted(map(chr, batch.targets[first].tolist())) == ["u", "x"]


def test_a_temperature_of_its_own_is_a_predictor_of_its_own() -> None:
    (batch,) = pack([sample("ab", "xy", 1.0), sample("ab", "xz", 0.5)], 100)
    assert text(batch) == "abx"
    assert sorted(zip(batch.predictors.tolist(), batch.temperatures.tolist(), strict=True)) == [
        (1, 0.5),
        (1, 1.0),
        (2, 0.5),
        (2, 1.0),
    ]


def test_the_budget_counts_shared_prefixes_once() -> None:
    samples = [sample("p" * 20, letter * 11) for letter in "abcdef"]  # 20 + 10 each
    assert [len(batch.input_ids) for batch in pack(samples, 50)] == [50, 50]  # 20 + 3 × 10
    assert [len(batch.input_ids) for batch in pack(samples, 80)] == [80]


def test_a_cut_falls_between_prompts_where_that_is_cheaper() -> None:
    samples = [sample(prompt * 20, letter * 11) for prompt in "pq" for letter in "abcd"]  # 20 + 10 each
    # Filled up to the budget, the first batch would hold a fifth response and its prompt, the second that prompt again.
    assert [len(batch.input_ids) for batch in pack(samples, 95)] == [60, 60]


def test_a_sample_beyond_the_budget_goes_alone() -> None:
    batches = pack([sample("a" * 30, "x"), sample("b", "x"), sample("c", "x")], 10)
    assert [text(batch) for batch in batches] == ["a" * 30, "bc"]


def test_nothing_to_pack() -> None:
    assert pack([], 100) == []


@pytest.mark.parametrize(
    ("prompt", "response", "logprobs", "temperature", "message"),
    [
        ((), (1,), (0.0,), 1.0, "at least one"),
        ((1,), (), (), 1.0, "at least one"),
        ((1,), (2, 3), (0.0,), 1.0, "2 response tokens but 1 engine"),
        ((1,), (2,), (0.0,), 0.0, "above 0"),
    ],
)
def test_samples_that_make_no_sense_are_refused(
    prompt: tuple[int, ...], response: tuple[int, ...], logprobs: tuple[float, ...], temperature: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Sample(prompt, response, logprobs, 1.0, temperature)


LETTERS = st.text("abc", min_size=1, max_size=6)
SAMPLES = st.lists(st.builds(sample, LETTERS, LETTERS, st.sampled_from([0.5, 1.0])), min_size=1, max_size=12)


@given(SAMPLES, st.integers(1, 60))
def test_every_response_token_is_predicted_from_exactly_its_own_history(samples: list[Sample], budget: int) -> None:
    found = set()
    for batch in pack(samples, budget):
        assert len(batch.input_ids) <= max(budget, *(len(s.prompt_ids) + len(s.response_ids) - 1 for s in samples))
        assert torch.equal(batch.predictor_of, batch.predictor_of.sort().values)
        columns = (batch.predictor_of, batch.targets, batch.samples, batch.steps)
        for predictor, target, index, step in zip(*(column.tolist() for column in columns), strict=True):
            owner = samples[index]
            history = seen_by(batch, int(batch.predictors[predictor]))
            assert tuple(batch.input_ids[history].tolist()) == owner.prompt_ids + owner.response_ids[:step]
            assert batch.position_ids[history].tolist() == list(range(len(history)))
            assert batch.temperatures[predictor] == owner.temperature
            assert target == owner.response_ids[step]
            found.add((index, step))
    assert found == {(index, step) for index, s in enumerate(samples) for step in range(len(s.response_ids))}


@given(st.lists(st.builds(sample, LETTERS, LETTERS), min_size=1, max_size=6), st.integers(6, 40))
def test_no_other_cuts_make_fewer_tokens(samples: list[Sample], budget: int) -> None:
    ordered = sorted(samples, key=lambda s: s.prompt_ids + s.response_ids[:-1])
    least = min(
        sum(parts)
        for cuts in product([False, True], repeat=len(ordered) - 1)
        if max(parts := [_one_batch(part) for part in _split(ordered, cuts)]) <= max(budget, 11)
    )
    assert sum(len(batch.input_ids) for batch in pack(samples, max(budget, 11))) == least


def _split(samples: list[Sample], cuts: tuple[bool, ...]) -> list[list[Sample]]:
    edges = [0, *(place for place, cut in enumerate(cuts, 1) if cut), len(samples)]
    return [samples[start:end] for start, end in pairwise(edges)]


def _one_batch(samples: list[Sample]) -> int:
    (batch,) = pack(samples, 10_000)
    return len(batch.input_ids)


@given(SAMPLES, st.integers(1, 60))
def test_columns_stand_in_one_fixed_order(samples: list[Sample], budget: int) -> None:
    """Sums over them, and so a run's bits, follow the order: predictors as they appear, tokens by predictor."""
    for batch in pack(samples, budget):
        columns = (batch.predictor_of, batch.targets, batch.samples, batch.steps)
        rows = list(zip(*(column.tolist() for column in columns), strict=True))
        assert rows == sorted(rows)
        keys = list(zip(batch.predictors.tolist(), batch.temperatures.tolist(), strict=True))
        place_of = {(index, step): predictor for predictor, _, index, step in rows}
        as_packed = sorted(
            {index for _, _, index, _ in rows},
            key=lambda index: (samples[index].prompt_ids + samples[index].response_ids[:-1], index),
        )
        seen = dict.fromkeys(place_of[index, s] for index in as_packed for s in range(len(samples[index].response_ids)))
        assert list(seen) == list(range(len(keys)))


@given(SAMPLES, st.integers(1, 60))
def test_numbers_by_sample_come_back_as_they_went_in(samples: list[Sample], budget: int) -> None:
    numbers = [tuple(float(100 * i + step) for step in range(len(s.response_ids))) for i, s in enumerate(samples)]
    batches = pack(samples, budget)
    columns = [per_token(batch, numbers.__getitem__) for batch in batches]
    assert by_sample(batches, columns) == numbers
    for batch, column in zip(batches, columns, strict=True):
        assert column.dtype == torch.float32
        assert column.tolist() == [
            100 * i + s for i, s in zip(batch.samples.tolist(), batch.steps.tolist(), strict=True)
        ]


trees = st.lists(
    st.tuples(st.sampled_from(["a" * 30, "a" * 20 + "b" * 9, "c"]), st.text("xyz", min_size=1, max_size=40)),
    min_size=1,
    max_size=30,
)


@given(trees, st.integers(2, 5))
def test_the_busiest_of_several_hands_has_no_more_than_in_rows_for_one(found, hands):
    def busiest(batches):
        sizes = [len(batch.input_ids) for batch in batches]
        return max(sum(sizes[index] for index in hand) for hand in deal_by_size(sizes, hands))

    samples = [sample(prompt, response) for prompt, response in found]
    batches = pack(samples, 200, hands)
    assert sorted({int(owner) for batch in batches for owner in batch.samples}) == list(range(len(samples)))
    assert max(len(batch.input_ids) for batch in batches) <= 200
    assert busiest(batches) <= busiest(pack(samples, 200))


def test_a_row_is_divided_where_several_hands_would_wait_for_one():
    samples = [sample(letter * 10, "x" * 11) for letter in "abcdef"]
    assert [len(batch.input_ids) for batch in pack(samples, 200)] == [120]
    assert [len(batch.input_ids) for batch in pack(samples, 200, hands=3)] == [40, 40, 40]
