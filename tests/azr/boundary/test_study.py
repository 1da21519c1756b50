"""What the study says of sets, shares and ΔSE: on cases worked out by hand and on the paper's own tables."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azr.boundary.accuracy import BINS, histogram, moves
from azr.boundary.gap import published_gaps
from azr.boundary.plain import as_json
from azr.boundary.solved import overlap
from azr.boundary.study import study
from azr.boundary.tally import read_side
from azr.boundary.words import study_in_words
from azr.errors import UserError
from tests.azr.boundary.files import counts_file, write_lines

SHARED = Path(os.environ["AZR_DATA"]).parent if "AZR_DATA" in os.environ else Path(__file__).parents[4] / "shared"


def of_counts(folder, *sides, least=None):
    read = [read_side(f"s{i}", counts_file(folder / f"s{i}.jsonl", counts)) for i, counts in enumerate(sides)]
    return study(read, least, 0.05, {})


def published_sets(table):
    """The two rows of the paper's table in the text that started the project: a model and its solvable problems."""
    text = next((SHARED / "seeds").glob("*.txt")).read_text(encoding="utf-8")
    rows = re.findall(
        r"^(\S+)\t(\d+(?:, \d+)+)$", text[text.index(f"Table {table}: Indices of solvable") :], re.MULTILINE
    )
    return [(model, ids.split(", ")) for model, ids in rows[:2]]


def of_sets(folder, table, ids):
    sides = []
    for model, solved in published_sets(table):
        rows = ({"task_id": i, "n": 1024, "solved": str(i) in solved} for i in ids)
        sides.append(read_side(model, write_lines(folder / f"{model}.jsonl", rows)))
    return study(sides, None, 0.05, {})


@pytest.mark.data
@pytest.mark.skipif(not (SHARED / "seeds").is_dir(), reason="the text with the paper's tables is not here")
def test_the_papers_solvable_sets(tmp_path):
    aime = of_sets(tmp_path, 4, range(30))
    assert [side.solved for side in aime.sides] == [23, 19]
    sets = aime.pairs[0].overlap
    assert sets.only_first == ("4", "11", "17", "19")
    assert sets.only_second == ()
    assert sets.share == 1.0
    assert "All that SimpleRL-Qwen-7B solves, Qwen-7B-Base solves too" in study_in_words(aime)[0]
    code = of_sets(tmp_path, 5, range(400, 450)).pairs[0].overlap
    assert code.only_second == ("430",)
    assert code.only_first == ("409", "432", "436", "448")


@pytest.mark.data
@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the public files are not here")
def test_delta_se_of_the_papers_table():
    gaps = {(gap.model, gap.set): gap for gap in published_gaps(SHARED / "data" / "boundary_table2.csv")}
    assert gaps["RLOO", "test"].value == 41.0
    assert gaps["DAPO", "train"].value == 35.8
    assert gaps["DAPO", "math500"].value == 20.6
    assert len(gaps) == 18
    assert {gap.base_model for gap in gaps.values()} == {"Qwen2.5-7B"}


def test_tables_of_another_shape_are_refused(tmp_path):
    path = tmp_path / "table.csv"
    for text, message in (
        ("", "empty"),
        ("model,score\na,1\nb,2\n", "wants a header like"),
        ("model,pass1,pass256\na,1,2\n", "wants a header like"),
        ("model,pass1,pass256\na,1,2\nb,none,3\n", "column 2 of b is no number"),
        ("model,pass1,pass256\na,1\nb,1,3\n", "column 3 of a is no number but 'nothing'"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            published_gaps(path)
    path.write_text("model,pass@1,pass@64\nbase,10,50\nrl,20,45\n")
    assert [(gap.set, gap.k, gap.value) for gap in published_gaps(path)] == [("", 64, 30.0)]


def test_delta_se_is_the_base_at_many_minus_the_trained_at_one(tmp_path):
    # Base: 4 problems, one right sample of 512 in each of two: pass@256 is 1/2 each, 25 % of all. Trained: pass@1 50 %.
    found = of_counts(
        tmp_path,
        {"a": (512, 1), "b": (512, 1), "c": (512, 0), "d": (512, 0)},
        {"a": (512, 512), "b": (512, 512), "c": (512, 0), "d": (512, 0)},
    )
    gap = found.pairs[0].contrast.gap
    assert (gap.k, gap.base, gap.trained, gap.value) == pytest.approx((256, 25.0, 50.0, -25.0))
    assert gap.low <= gap.value <= gap.high
    said = as_json(found)["pairs"][0]["delta_se"]
    assert said["definition"].startswith("ΔSE = pass@256 of s0 − pass@1 of the trained model")


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_sets_part_the_problems(solved):
    ids = [f"p{i}" for i in range(len(solved))]
    found = overlap(ids, [a for a, _ in solved], [b for _, b in solved])
    parts = [*found.both, *found.only_first, *found.only_second, *found.neither]
    assert sorted(parts) == sorted(ids)
    assert found.first == sum(a for a, _ in solved)
    assert found.second == sum(b for _, b in solved)
    assert found.share is None if not found.second else found.share == len(found.both) / found.second


def test_shares_fall_into_the_bins_that_their_names_say():
    n = np.array([10, 10, 10, 10, 10, 1000, 1000, 1000, 3])
    right = np.array([0, 1, 3, 9, 10, 1, 101, 999, 3])
    counts = dict(zip(BINS, histogram(n, right), strict=True))
    expected = {"none": 1, "to 10 %": 2, "to 20 %": 1, "to 30 %": 1, "to 90 %": 1, "to <100 %": 1, "all": 2}
    assert {name: count for name, count in counts.items() if count} == expected


def test_moves_tell_none_from_few_and_compare_unequal_numbers_of_samples():
    first = np.array([4, 4, 1000, 4]), np.array([0, 2, 1, 4])
    second = np.array([8, 8, 1000, 8]), np.array([1, 4, 0, 7])
    found = moves(first, second)
    assert (found.up, found.same, found.down) == (1, 1, 2)
    assert set(found.cells) == {(0.0, 0.15, 1), (0.5, 0.5, 1), (0.025, 0.0, 1), (1.0, 0.9, 1)}


def test_only_problems_that_every_side_has_count(tmp_path):
    found = of_counts(tmp_path, {"a": (4, 1), "b": (4, 4), "c": (4, 0)}, {"b": (4, 0), "a": (4, 2), "d": (4, 4)})
    assert (found.ids, found.left_out) == (("a", "b"), ("c", "d"))
    assert any("2 problems are left out" in note for note in found.notes)
    with pytest.raises(UserError, match="no problem in common"):
        of_counts(tmp_path, {"a": (4, 1)}, {"b": (4, 1)})


def test_a_wanted_k_leaves_out_problems_with_fewer_samples(tmp_path):
    sides = {"a": (3, 1), "b": (64, 4), "c": (64, 0)}, {"a": (64, 1), "b": (64, 1), "c": (70, 1)}
    short = of_counts(tmp_path, *sides)
    assert short.sides[0].curve.ks[-1] == 3
    assert any("--k 64 leaves these out" in note for note in short.notes)
    long = of_counts(tmp_path, *sides, least=64)
    assert long.ids == ("b", "c")
    assert [side.curve.ks[-1] for side in long.sides] == [64, 64]


@pytest.mark.parametrize("name", ["p{}#{}", "small-own-{1:.1}-held:{0}"], ids=["inputs", "kinds"])
def test_questions_about_one_thing_count_as_one_and_the_page_says_so(tmp_path, name):
    kinds = ("deduction", "abduction")
    counts = [{name.format(i, kind): (8, i * factor % 9) for i in range(24) for kind in kinds} for factor in (5, 7)]
    found = of_counts(tmp_path, *counts)
    assert "The 48 problems are questions about 24 things" in found.notes[0]
    apart = of_counts(tmp_path, *({f"x{i}": c for i, c in enumerate(side.values())} for side in counts))
    assert not any("things" in note for note in apart.notes)
    wide, narrow = (study.pairs[0].contrast.difference for study in (found, apart))
    assert wide.value.tolist() == pytest.approx(narrow.value.tolist())
    assert (wide.high - wide.low)[0] == pytest.approx(2**0.5 * (narrow.high - narrow.low)[0], rel=0.1)
    few = of_counts(tmp_path, *(dict(list(side.items())[:24]) for side in counts))
    assert any("Only 12 things are asked about" in note for note in few.notes)


def test_every_side_meets_the_first(tmp_path):
    found = of_counts(tmp_path, *({"a": (8, i), "b": (8, 8 - i)} for i in range(4)))
    assert [(pair.first, pair.second) for pair in found.pairs] == [("s0", "s1"), ("s0", "s2"), ("s0", "s3")]
    assert found.pairs[2].contrast.difference.value[-1] == pytest.approx(0.5)
    plain = as_json(found)
    assert plain["per_problem"]["a"] == {"s0": [8, 0], "s1": [8, 1], "s2": [8, 2], "s3": [8, 3]}
    assert plain["sides"][1]["pass@k"]["k"] == list(range(1, 9))
