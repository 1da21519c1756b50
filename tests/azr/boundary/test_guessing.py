"""Rare right answers are found, shown whole, and counted anew once a person has marked them."""

import json

import pytest

from azr.boundary.guessing import Mark, digest, read_marks
from azr.boundary.plain import as_json
from azr.boundary.study import study
from azr.boundary.tally import read_side
from azr.errors import UserError
from tests.azr.boundary.files import samples_file, write_lines

N = 40


def sides(folder):
    base = samples_file(folder / "base.jsonl.gz", {"often": 30, "rare": 1, "never": 0, "edge": 2}, N)
    rl = samples_file(folder / "rl.jsonl", {"often": 40, "rare": 0, "never": 1, "edge": 3}, N)
    return [read_side("base", base), read_side("rl", rl)]


def test_answers_below_the_line_are_fetched_whole(tmp_path):
    found = study(sides(tmp_path), None, 0.05, {})
    assert [(p.task_id, dict(p.counts)) for p in found.rare] == [("rare", {"base": (N, 1)}), ("never", {"rl": (N, 1)})]
    answer = found.rare[0].answers[0]
    assert (answer.text, dict(answer.times)) == ("it is rare, try 0", {"base": 1})
    wider = study(sides(tmp_path), None, 0.06, {})  # 2 of 40 is 5 %
    assert {p.task_id: set(p.counts) for p in wider.rare}["edge"] == {"base"}


def test_equal_answers_are_one_to_read_and_two_to_count(tmp_path):
    same = [{"task_id": "p", "completion": "42", "verdict": i < 2} for i in range(100)]
    other = [{"task_id": "p", "completions": ["42"] * 100, "verdicts": [i == 7 for i in range(100)]}]
    read = [
        read_side("a", write_lines(tmp_path / "a.jsonl", same)),
        read_side("b", write_lines(tmp_path / "b.jsonl", other)),
    ]
    answers = study(read, None, 0.05, {}).rare[0].answers
    assert [dict(answer.times) for answer in answers] == [{"a": 2, "b": 1}]


def test_lucky_answers_count_as_wrong_in_the_second_curve(tmp_path):
    marks = {("rare", digest("it is rare, try 0")): Mark.LUCKY, ("never", digest("it is never, try 0")): Mark.REASONED}
    base, rl = study(sides(tmp_path), None, 0.05, marks).sides
    assert base.curve.value[-1] == pytest.approx(3 / 4)
    assert base.read_curve.value[-1] == pytest.approx(2 / 4)
    assert base.read_curve.value[0] == pytest.approx(base.curve.value[0] - 1 / (4 * N))
    assert list(rl.read_curve.value) == pytest.approx(list(rl.curve.value))
    assert (base.reading.problems, base.reading.reasoned, base.reading.lucky, base.reading.open) == (1, 0, 1, 0)
    assert (rl.reading.reasoned, rl.reading.lucky) == (1, 0)


def test_marks_are_read_back_and_the_later_of_two_holds(tmp_path):
    rows = [{"task_id": 7, "answer": "ab", "mark": "lucky"}, {"task_id": "7", "answer": "ab", "mark": "reasoned"}]
    assert read_marks(write_lines(tmp_path / "marks.jsonl", rows)) == {("7", "ab"): Mark.REASONED}
    for bad in ('{"task_id": "7", "answer": "ab", "mark": "maybe"}', "[]", '{"task_id": "7"}', "x"):
        (tmp_path / "marks.jsonl").write_text(json.dumps(rows[0]) + "\n" + bad, encoding="utf-8")
        with pytest.raises(UserError, match="line 2: not a mark"):
            read_marks(tmp_path / "marks.jsonl")


def test_marks_of_answers_that_are_not_here_are_told(tmp_path):
    found = study(sides(tmp_path), None, 0.05, {("gone", "ab"): Mark.LUCKY})
    assert any("1 marks are of answers that are not to be read here" in note for note in found.notes)
    assert as_json(found)["guessing"]["problems"][0]["answers"][0]["mark"] is None


def test_a_file_that_changed_meanwhile_is_not_believed(tmp_path):
    read = sides(tmp_path)
    samples_file(tmp_path / "rl.jsonl", {"other": 3}, 200)
    with pytest.raises(UserError, match="was changed while it was read"):
        study(read, None, 0.05, {})
