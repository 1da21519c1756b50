"""A program finds all that programs may import, although most run in a process that has the common modules alone."""

from typing import Any

import pytest

from sandbox import JobStatus, Sandbox

PROGRAMS = {
    "a module": ("import hashlib\ndef f(x):\n    return hashlib.md5(x).hexdigest()[:8]", "b'a'", "'0cc175b9'"),
    "a name of a module": (
        "from queue import Queue\ndef f(x):\n    q = Queue()\n    q.put(x)\n    return q.get()",
        "3",
        "3",
    ),
    "within a function": ("def f(x):\n    import cmath\n    return cmath.sqrt(x)", "-4", "2j"),
    "where its lack would be caught": (
        "try:\n    import zlib\nexcept BaseException:\n    zlib = None\ndef f(x):\n    return zlib is None",
        "1",
        "False",
    ),
    "an encoding": ("def f(x):\n    return x.encode('gbk')", "'中'", r"b'\xd6\xd0'"),
    "an encoding whose lack would be caught": (
        "def f(x):\n    try:\n        return x.encode('utf-16-le')\n    except LookupError:\n        return None",
        "'a'",
        r"b'a\x00'",
    ),
    "what the library imports itself": (
        "from datetime import datetime\ndef f(x):\n    return datetime.strptime(x, '%Y-%m-%d').month",
        "'2026-11-24'",
        "11",
    ),
    "what the library imports itself, called by the library": (
        "from collections import Counter\nfrom datetime import datetime\nfrom itertools import repeat\n"
        "def f(x):\n    try:\n        return len(Counter(map(datetime.strptime, x, repeat('%Y'))))\n"
        "    except Exception:\n        return -1",
        "['2020']",
        "1",
    ),
    "where it would be tried for ever": (
        "def f(x):\n    while True:\n        try:\n            return x.encode('cp1252')\n        except LookupError:\n"
        "            pass",
        "'a'",
        "b'a'",
    ),
    "where its lack would take all memory": (
        "def f(x):\n    try: return x.encode('iso8859-3')\n    except LookupError: return bytearray(10**10)",
        "'a'",
        "b'a'",
    ),
    "in one order of a set": (
        "def f(x):\n    for name in {'utf-8', 'cp1255'}:\n        return x.encode(name)",
        "'a'",
        "b'a'",
    ),
    "an encoding for errors": ("def f(x):\n    return x.encode('unicode_escape')", "'\\n'", r"b'\\n'"),
    "beside a refusal at run time": ("import statistics\ndef f(x):\n    return statistics.mean(x)", "[1, 2, 6]", "3"),
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_rare_parts_of_the_library(sandbox: Sandbox, case: str) -> None:
    program, call, value = PROGRAMS[case]
    result = sandbox.evaluate(program, [call], repeats=2)
    assert (result.status, [c.value for c in result.calls]) == (JobStatus.OK, [value])


def test_an_encoding_that_nobody_has(sandbox: Sandbox) -> None:
    result = sandbox.evaluate("def f(x):\n    return x.encode('nothing')", ["'a'"])
    assert result.calls[0].error == "LookupError: unknown encoding: nothing"


def test_order_is_looked_at_twice_there_too(sandbox: Sandbox) -> None:
    program = "import cmath\ndef f(x):\n    return list(set(x))"
    assert not sandbox.deterministic(program, ["'abcdefgh'"])
    assert sandbox.deterministic(program.replace("list", "sorted"), ["'abcdefgh'"])


def test_what_may_not_be_imported_is_refused_there_too(sandbox: Sandbox) -> None:
    result = sandbox.evaluate("import cmath\nimport socket\ndef f():\n    return 1", [""])
    assert (result.status, result.error) == (
        JobStatus.REJECTED,
        "Line 2: the module 'socket' is not on the allow-list",
    )


ARRAYS = {
    "made, changed, compared": (
        "from array import array\ndef f(x):\n    a = array('d', x)\n    a[0] = 7\n    a.insert(1, -0.0)\n"
        "    a += array('d', [2])\n"
        "    a[2:3] = array('d', [5, 6])\n    b = a[1:] * 2\n    del b[0]\n"
        "    return a.tolist(), list(reversed(b)), a == array('d', a), a < b, 6 in a, sum(a), repr(b), "
        "bytes(array('B', [1]))",
        "[1, 2.5]",
        "([7.0, -0.0, 5.0, 6.0, 2.0], [2.0, 6.0, 5.0, -0.0, 2.0, 6.0, 5.0], True, False, True, 20.0, "
        "\"array('d', [5.0, 6.0, 2.0, -0.0, 5.0, 6.0, 2.0])\", b'\\x01')",
    ),
    "copied, extended": (
        "from array import array\nimport copy\ndef f(x):\n    a = array('i', x)\n    b = copy.deepcopy([a, a])\n"
        "    a.extend(range(2))\n    b[0].append(9)\n"
        "    return a.tolist(), b[1].tolist(), copy.copy(a).pop(), a.index(1), a.count(1), a.typecode, len(a)",
        "[1, 2]",
        "([1, 2, 0, 1], [1, 2, 9], 1, 0, 2, 'i', 4)",
    ),
    "a text is no number": (
        "from array import array\ndef f(x):\n    try:\n        return array('d', [x])\n    except TypeError as error:\n"
        "        return str(error)",
        "'1'",
        "'must be real number, not str'",
    ),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_are_those_of_cpython(sandbox: Sandbox, case: str) -> None:
    program, call, value = ARRAYS[case]
    names: dict[str, Any] = {}
    exec(program, names)
    assert repr(eval(f"f({call})", names)) == value
    result = sandbox.evaluate(program, [call])
    assert (result.status, [c.value or c.error for c in result.calls]) == (JobStatus.OK, [value])


@pytest.mark.parametrize(
    "change", ["a[99] = F()", "a.append(F())", "a.insert(99, F())", "a.fromlist([F()])", "a.extend([F()])"]
)
@pytest.mark.parametrize("typecode", ["d", "f"])
def test_a_number_that_empties_the_array_it_is_put_in(sandbox: Sandbox, typecode: str, change: str) -> None:
    program = (
        f"from array import array\na = array('{typecode}', [1.0] * 100)\nclass F:\n    def __float__(self):\n"
        f"        del a[:]\n        return 2.0\n"
        f"def f():\n    try:\n        {change}\n    except IndexError:\n        pass\n    return a.tolist()"
    )
    result = sandbox.evaluate(program, [""])
    assert [c.value for c in result.calls] in (["[]"], ["[2.0]"])


def test_what_a_call_wrote_to_the_library_is_gone_for_the_next(sandbox: Sandbox) -> None:
    program = (
        "import textwrap\ndef f(x):\n    table = textwrap.TextWrapper.unicode_whitespace_trans\n"
        "    before = len(table)\n    table[x] = x\n    return before, len(table)"
    )
    result = sandbox.evaluate(program, ["1000", "2000"])
    assert [c.value for c in result.calls] == ["(6, 7)", "(6, 7)"]


def test_looking_at_a_class_of_the_library_leaves_no_mark(sandbox: Sandbox) -> None:
    """The interpreter makes a class's `__annotations__` when it is asked for them, as classmethod() does."""
    program = (
        "import typing\ndef f():\n    before = dir(typing.ByteString)\n    classmethod(type(typing.ByteString))\n"
        "    return before == dir(typing.ByteString)"
    )
    assert [c.value for c in sandbox.evaluate(program, [""]).calls] == ["True"]
