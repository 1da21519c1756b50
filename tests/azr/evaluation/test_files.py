"""Files as people bring them: packed, cut, in another encoding, with fields of another type.

Each row of ../shared/cases/files.jsonl has its test here or in test_math.py (the spoken references); the sandbox's own
is in tests/sandbox.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azr.buffer.seed_file import read_seed_files
from azr.cli import main
from azr.config.fields import ProbeConfig
from azr.errors import UserError
from azr.evaluation.benchmarks import BENCHMARKS
from azr.evaluation.data import DataPlaces, load_problems
from azr.evaluation.judging.check import Tools
from azr.evaluation.probe import load_probe
from azr.evaluation.samples import read_samples
from azr.json_lines import json_line, read_json_lines
from tasks.triplet import Verdict

from .conftest import Row, write_rows

CRUX = [{"id": f"p{n}", "code": f"def f(x):\n    return x + {n}", "input": "1", "output": str(1 + n)} for n in range(2)]
SAMPLES = [{"task_id": "p0", "completion": "1"}, {"task_id": "p1", "completion": "9"}]
SEED = {"snippet": "def f(x):\n    return x", "input": "1", "output": "1", "imports": []}


def azr(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[int, str, str]:
    """Exit code, output and error of the command, run in this process."""
    monkeypatch.delenv("AZR_DATA", raising=False)
    monkeypatch.setattr("sys.argv", ["azr", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else 0), captured.out, captured.err


@pytest.fixture
def score(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    def run(*words: object) -> tuple[int, str, str]:
        return azr(capsys, monkeypatch, "eval", "score", *words)

    return run


@pytest.fixture
def crux(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "crux.jsonl", CRUX)


def lines(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def packed(rows: list[Row]) -> bytes:
    return gzip.compress(lines(rows), mtime=0)


def problems(name: str, path: Path) -> list[Any]:
    return load_problems(BENCHMARKS[name], DataPlaces(named=((name, path),)))


# -- one reader --------------------------------------------------------------------------------------------------------


JSON = st.recursive(
    st.none() | st.text(st.characters()) | st.integers(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(JSON, max_size=8))
def test_what_is_written_as_lines_is_read_again(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    path = tmp_path_factory.mktemp("lines") / "x.jsonl"
    path.write_text("".join(map(json_line, values)), encoding="utf-8")
    assert [line.value for line in read_json_lines(path)] == values
    other = path.with_name("x.jsonl.gz")
    other.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_json_lines(other)) == list(read_json_lines(path))


def test_a_byte_order_mark_and_windows_line_ends_are_read_everywhere(
    crux: Path, tmp_path: Path, score: Callable[..., tuple[int, str, str]]
) -> None:
    samples, seeds = tmp_path / "samples.jsonl", tmp_path / "seeds.jsonl"
    for path, rows in ((crux, CRUX), (samples, SAMPLES), (seeds, [SEED])):
        path.write_bytes(b"\xef\xbb\xbf" + lines(rows).replace(b"\n", b"\r\n"))
    code, out, _ = score("cruxeval-o", "--samples", samples, "--data", crux, "--json")
    assert (code, json.loads(out)["pass@k"], json.loads(out)["bad_lines"]) == (0, {"1": 0.5}, [])
    assert len(read_seed_files([str(seeds)])) == 2


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\x0b"])
def test_only_a_line_feed_ends_a_line(sign: str, tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    written = json.dumps(SEED | {"snippet": f"def f(x):\n    return '{sign}'"}, ensure_ascii=False)
    path.write_text(written + "\n", encoding="utf-8")
    assert sign in read_seed_files([str(path)])[0].program


# -- samples -----------------------------------------------------------------------------------------------------------


def test_packed_samples_are_read(crux: Path, tmp_path: Path, score: Callable[..., tuple[int, str, str]]) -> None:
    path = tmp_path / "samples.jsonl.gz"
    path.write_bytes(packed(SAMPLES))
    code, out, _ = score("cruxeval-o", "--samples", path, "--data", crux, "--json")
    assert (code, json.loads(out)["per_task"]) == (0, {"p0": [1, 1], "p1": [1, 0]})


@pytest.mark.parametrize("verdict", [["right"], {"right": 1}, 1, None, "rightish"])
def test_a_verdict_of_another_kind_is_none(verdict: Any, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "samples.jsonl", [SAMPLES[0] | {"verdict": verdict}])
    assert [sample.verdict for sample in read_samples(path).samples] == [None]


def test_lone_surrogates_are_judged_and_written(
    crux: Path, tmp_path: Path, score: Callable[..., tuple[int, str, str]]
) -> None:
    samples = tmp_path / "samples.jsonl"
    samples.write_text('{"task_id": "p0", "completion": "\\ud800"}\n{"task_id": "\\udfff", "completion": "1"}\n')
    code, _, err = score("cruxeval-o", "--samples", samples, "--data", crux, "--judged", tmp_path / "out.jsonl")
    assert code == 0
    assert "unknown task" in err
    [sample] = read_samples(tmp_path / "out.jsonl").samples
    assert sample.completion == "\ud800"
    assert sample.verdict in (Verdict.WRONG, Verdict.UNPARSED)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "there are no samples"),
        (b"{broken\n[1]\n", "none of its 2 lines can be used; line 1: not JSON"),
        (lines([{"task_id": "who", "completion": "1"}]), "unknown task 'who'"),
        (b'{"task_id": "p0", "completion": "\xe9"}\n', "line 1: not UTF-8: byte 0xe9"),
        (packed(SAMPLES), "is gzip, but its name"),
    ],
)
def test_a_score_of_nothing_usable_is_an_error(
    content: bytes, reason: str, crux: Path, tmp_path: Path, score: Callable[..., tuple[int, str, str]]
) -> None:
    samples, judged = tmp_path / "samples.jsonl", tmp_path / "out.jsonl"
    samples.write_bytes(content)
    judged.write_text("kept")
    code, out, err = score("cruxeval-o", "--samples", samples, "--data", crux, "--json", "--judged", judged)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert str(samples) in err
    assert reason in err
    assert judged.read_text() == "kept"


def test_where_nothing_can_be_written_is_said_before(
    crux: Path, tmp_path: Path, score: Callable[..., tuple[int, str, str]]
) -> None:
    samples = write_rows(tmp_path / "samples.jsonl", SAMPLES)
    for place in (tmp_path / "nowhere" / "out.jsonl", tmp_path):
        code, _, err = score("cruxeval-o", "--samples", samples, "--data", crux, "--judged", place)
        assert (code, err.count("\n")) == (2, 1)
        assert str(place) in err


def test_judged_samples_may_take_the_place_of_what_was_read(
    crux: Path, tmp_path: Path, score: Callable[..., tuple[int, str, str]]
) -> None:
    samples = write_rows(tmp_path / "samples.jsonl", SAMPLES)
    assert score("cruxeval-o", "--samples", samples, "--data", crux, "--judged", samples)[0] == 0
    assert {s.task_id: s.verdict for s in read_samples(samples).samples} == {"p0": Verdict.RIGHT, "p1": Verdict.WRONG}
    assert [path.name for path in tmp_path.glob("samples*")] == ["samples.jsonl"]


# -- data --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.jsonl", lines(CRUX[:1]) + b'{"id": "\xe9"}\n', "line 2: not UTF-8: byte 0xe9 at 9"),
        ("x.jsonl", b"\n" + lines(CRUX[:1]) + b"{broken\n", "line 3: not JSON"),
        ("x.jsonl", lines(CRUX[:1]) + b"[" * 100_000 + b"\n", "line 2: not JSON: nested too deeply"),
        ("x.jsonl", b"[1, 2]\n", "line 1: not a JSON object"),
        ("x.jsonl.gz", lines(CRUX), "is not gzip"),
        ("x.jsonl", packed(CRUX), "is gzip"),
        ("x.jsonl.GZ", packed(CRUX), "is gzip"),
        ("x.jsonl.gz", packed(CRUX * 50)[:-20], "cut off"),
        ("x.jsonl.gz", b"\x1f\x8b\x08\x00", "cut off"),
        ("x.jsonl.gz", packed(CRUX)[:-8] + bytes(8), "damaged"),
    ],
)
def test_a_broken_file_of_data_is_one_line_of_error(
    name: str, content: bytes, reason: str, tmp_path: Path, score: Callable[..., tuple[int, str, str]]
) -> None:
    data = tmp_path / name
    data.write_bytes(content)
    samples = write_rows(tmp_path / "samples.jsonl", SAMPLES)
    code, out, err = score("cruxeval-o", "--samples", samples, "--data", data, "--json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert str(data) in err
    assert reason in err


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("cruxeval-o", CRUX[0] | {"output": 1}, "output is int"),
        ("cruxeval-i", CRUX[0] | {"output": ["1"]}, "output is list"),
        ("cruxeval-o", CRUX[0] | {"code": None}, "code is NoneType"),
        ("gsm8k", {"question": "1 + 1?", "answer": ["2"]}, "answer is list"),
        ("gsm8k", {"question": 3, "answer": "#### 2"}, "question is int"),
        ("math500", {"unique_id": "a", "problem": "1 + 1?", "answer": True}, "answer is bool"),
        ("aime24", {"problem": "1 + 1?", "answer": None}, "answer is NoneType"),
        ("olympiadbench", {"question": "3 * 4?", "final_answer": "12"}, "final_answer is no list"),
        ("olympiadbench", {"question": "3 * 4?", "final_answer": []}, "final_answer is no list"),
        ("minerva", {"problem": "1 + 1?", "solution": 2}, "solution is int"),
    ],
)
def test_a_field_of_another_type_is_named_with_file_and_line(name: str, row: Row, reason: str, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "data.jsonl", [row])
    with pytest.raises(UserError) as caught:
        problems(name, path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 1: row 1")
    assert reason in message
    assert "\n" not in message


@pytest.mark.parametrize(("value", "right"), [(1, "1"), (12.0, "12"), (0.5, "\\frac{1}{2}"), ("3", "3"), (-7, "-7")])
@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("math500", {"unique_id": 5, "problem": "?"}),
        ("gsm8k", {"question": "?"}),
        ("minerva", {"question": "?"}),
        ("amc23", {"question": "?"}),
    ],
)
def test_a_mathematical_answer_may_be_a_number(
    name: str, rest: Row, value: object, right: str, tmp_path: Path, tools: Tools
) -> None:
    [problem] = problems(name, write_rows(tmp_path / "data.jsonl", [rest | {"answer": value}]))
    verdicts = [j.verdict for j in problem.check.judge(tools, [f"\\boxed{{{right}}}", "\\boxed{99}"])]
    assert verdicts == [Verdict.RIGHT, Verdict.WRONG]


# -- two files beside each other ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "there are no samples"),
        (b"[1]\n{\n", "none of its 2 lines can be used; line 1: not a JSON object"),
        (lines([SAMPLES[0] | {"verdict": ["right"]}]), "1 samples have no verdict"),
        (packed([SAMPLES[0]]), "is gzip, but its name"),
    ],
)
def test_what_can_not_be_compared_is_one_line_of_error(
    content: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = write_rows(tmp_path / "good.jsonl", [SAMPLES[0] | {"verdict": "right"}]), tmp_path / "bad.jsonl"
    bad.write_bytes(content)
    code, out, err = azr(capsys, monkeypatch, "eval", "compare", good, bad)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert str(bad) in err
    assert reason in err


def test_judged_samples_are_compared_whatever_their_line_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = write_rows(tmp_path / "good.jsonl", [SAMPLES[0] | {"verdict": "right"}])
    other = tmp_path / "other.jsonl.gz"
    other.write_bytes(
        gzip.compress(b"\xef\xbb\xbf" + lines([SAMPLES[0] | {"verdict": "wrong"}]).replace(b"\n", b"\r\n"))
    )
    code, out, _ = azr(capsys, monkeypatch, "eval", "compare", good, other, "--json")
    assert code == 0
    assert (json.loads(out)[0]["a"], json.loads(out)[0]["b"]) == (1.0, 0.0)


# -- the probe ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lines(CRUX) + b'{"code": "\xe9"}\n', "line 3: not UTF-8"),
        (lines([CRUX[0] | {"output": 1}]), "line 1: output is no text"),
        (lines([CRUX[0], {"code": "x"}]), "line 2: input is no text"),
        (b"[" * 100_000, "line 1: not JSON: nested too deeply"),
        (b"3\n", "line 1: not a JSON object"),
    ],
)
def test_a_broken_file_for_the_probe_is_one_line_of_error(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "probe.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_probe(ProbeConfig(every=1, data=str(path)))
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


# -- seeds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lines([SEED]) + b"[" * 100_000 + b"\n", "line 2 (not JSON: nested too deeply)"),
        (lines([SEED]) + b'{"snippet": "\xe9"}\n', "line 2 (not UTF-8: byte 0xe9"),
        (lines([SEED | {"inputs": "[1, 2]"}]), "line 1 (not a list of strings)"),
        (packed([SEED]), "is gzip"),
    ],
)
def test_a_broken_seed_file_is_one_line_of_error(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_seed_files([str(path)])
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
