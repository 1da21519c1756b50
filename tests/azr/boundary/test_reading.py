"""Results are read from every shape that is promised, and nothing is dropped in silence."""

import gzip
import json

import pytest

from azr.boundary.tally import read_side
from azr.errors import UserError
from tests.azr.boundary.files import write_lines


def counted(path):
    side = read_side("a", path)
    return {name: (tally.n, tally.right) for name, tally in side.tallies.items()}


def test_verdicts_are_words_or_truth_values_and_ids_are_text(tmp_path):
    verdicts = ["right", "wrong", "unparsed", True, False]
    rows = [{"task_id": 7, "completion": "x", "verdict": verdict} for verdict in verdicts]
    assert counted(write_lines(tmp_path / "a.jsonl", rows)) == {"7": (5, 2)}


def test_several_samples_may_share_a_line(tmp_path):
    rows = [
        {"task_id": "p", "completions": ["a", "b", "c"], "verdicts": [True, False, True]},
        {"task_id": "p", "completions": ["d"], "verdicts": ["right"]},
    ]
    assert counted(write_lines(tmp_path / "a.jsonl", rows)) == {"p": (4, 3)}


def test_counts_of_several_lines_add_up(tmp_path):
    rows = [
        {"task_id": "p", "n": 10, "right": 3},
        {"task_id": "q", "n": 10, "right": 0},
        {"task_id": "p", "n": 6, "right": 1},
    ]
    path = write_lines(tmp_path / "a.jsonl", rows)
    assert counted(path) == {"p": (16, 4), "q": (10, 0)}
    assert read_side("a", path).exact


def test_solved_or_not_is_not_taken_for_a_count(tmp_path):
    rows = [{"task_id": "p", "n": 1024, "solved": True}, {"task_id": "q", "solved": False}]
    side = read_side("a", write_lines(tmp_path / "a.jsonl", rows))
    assert not side.exact
    assert [tally.right for tally in side.tallies.values()] == [1, 0]


def test_packed_files_are_read_and_a_byte_order_mark_does_no_harm(tmp_path):
    line = b"\xef\xbb\xbf" + json.dumps({"task_id": "p", "n": 4, "right": 1}).encode()
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(line))
    (tmp_path / "plain.jsonl").write_bytes(line)
    assert counted(tmp_path / "packed.jsonl.gz") == counted(tmp_path / "plain.jsonl") == {"p": (4, 1)}


def test_lines_of_no_use_are_counted_and_named(tmp_path):
    good = json.dumps({"task_id": "p", "completion": "x", "verdict": True})
    bad = [
        "{",
        "[1]",
        '{"completion": "x", "verdict": true}',
        '{"task_id": "p", "completion": 3, "verdict": true}',
        '{"task_id": "p", "completion": "x", "verdict": "rihgt"}',
        '{"task_id": "p", "completions": ["x", "y"], "verdicts": [true]}',
        '{"task_id": "p", "n": 3, "right": 4}',
        '{"task_id": "p", "n": 3.0, "right": true}',
        '{"task_id": "p", "solved": "yes"}',
        '{"task_id": "p"}',
        '{"task_id": "p", "n": 3, "right": 4}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join([good, "", *bad]), encoding="utf-8")
    side = read_side("a", tmp_path / "a.jsonl")
    assert (side.tallies["p"].n, side.tallies["p"].right) == (1, 1)
    assert side.bad_lines == len(bad)
    assert [problem.line for problem in side.line_problems] == list(range(3, 13))
    assert "rihgt" in side.line_problems[4].reason


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read: No such file"),
        (b"", "no line that can be used"),
        (b"{\n", "line 1: not JSON"),
        (b'{"task_id": "p", "completion": "x"}\n', "line 1: no verdict"),
        (b"[" * 100_000, "line 1: not JSON: nested too deeply"),
        (b'{"task_id": "\xe9", "n": 1, "right": 1}', "line 1: not UTF-8: byte 0xe9"),
        (gzip.compress(b'{"task_id": "p", "n": 1, "right": 1}\n' * 999), "is gzip, but its name"),
    ],
)
def test_a_file_that_says_nothing_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "a.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_side("a", path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cut_packed_file_is_refused(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"task_id": "p", "n": 1, "right": 1}\n' * 999)[:-20])
    with pytest.raises(UserError, match="cut off"):
        read_side("a", path)


def test_only_lines_without_a_verdict_are_judged_and_problems_keep_their_order(tmp_path):
    rows = [
        {"task_id": "late", "completion": "good"},
        {"task_id": "early", "completion": "good", "verdict": False},
        {"task_id": "late", "completion": "bad"},
        {"task_id": "stranger", "completion": "good"},
    ]
    asked = []

    def judge(texts):
        asked.extend(texts)
        return [text == "good" for _, text in texts]

    side = read_side("a", write_lines(tmp_path / "a.jsonl", rows), judge, {"late", "early"})
    assert asked == [("late", "good"), ("late", "bad")]
    assert {name: (t.n, t.right) for name, t in side.tallies.items()} == {"late": (2, 1), "early": (1, 0)}
    assert list(side.tallies) == ["late", "early"]
    assert "unknown task 'stranger'" in side.line_problems[0].reason
