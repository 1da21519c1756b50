"""The policy accepts the Python that models write, and gives it CPython's meaning."""

# ruff: noqa: E501 (programs on single lines)

import pytest

from sandbox import CallStatus, Job, Sandbox

PROGRAMS = {
    "augmented assignment to items and attributes": (
        "class A: pass\ndef f():\n    a, d = A(), {'x': [1]}\n    a.n = 1\n    a.n += 2\n    d['x'][0] *= 5\n    d['x'] += [1]\n"
        "    return a.n, d",
        "(3, {'x': [5, 1]})",
    ),
    "annotations": (
        "from typing import Dict, List, Optional\nx: int = 1\ndef f(a: List[int] = [], *, b: Optional['A'] = None) -> Dict[str, 'B']:\n"
        "    y: 'anything' = 2\n    z: int\n    return x + y",
        "3",
    ),
    "an annotation whose name is missing fails as in CPython": ("def f(a: List[int]):\n    return a", None),
    "classes with special methods": (
        "class V:\n    def __init__(self, x): self.x = x\n    def __add__(self, o): return V(self.x + o.x)\n"
        "    def __eq__(self, o): return self.x == o.x\n    def __hash__(self): return hash(self.x)\n"
        "    def __getitem__(self, i): return self.x * i\n    def __len__(self): return 4\n    def __iter__(self): return iter([1])\n"
        "    def __call__(self): return 9\n    def __contains__(self, y): return y == 3\n    def __repr__(self): return f'V{self.x}'\n"
        "    def __lt__(self, o): return self.x < o.x\n    def __bool__(self): return False\n    def __enter__(self): return self\n"
        "    def __exit__(self, *a): return True\n    def __iadd__(self, o): self.x += 100; return self\n"
        "def f():\n    v = V(1)\n    with v as w:\n        1 / 0\n    v += 1\n"
        "    return [(V(1) + V(2)).x, V(1) == V(1), len({V(1), V(1)}), v[2], len(v), list(v), v(), 3 in v, str(v), bool(v)]",
        "[3, True, 1, 202, 4, [1], 9, True, 'V101', False]",
    ),
    "inheritance and super": (
        "class A:\n    def __init__(self, x): self._x = x\n    @property\n    def x(self): return self._x\n"
        "    @x.setter\n    def x(self, v): self._x = v\n    @classmethod\n    def make(cls, x): return cls(x)\n    @staticmethod\n    def two(): return 2\n"
        "class B(A):\n    def __init__(self, x):\n        super().__init__(x)\n        self.__secret = x\n    def get(self): return self.__secret\n"
        "def f():\n    b = B.make(3)\n    b.x += 1\n    return [b.x, b.get(), B.two(), b.__class__.__name__, type(b).__name__, isinstance(b, A)]",
        "[4, 3, 2, 'B', 'B', True]",
    ),
    "private and underscore names": (
        "_limit = 3\ndef _sum(xs):\n    _, *_rest = xs\n    return sum(_rest)\ndef f():\n    for _ in range(_limit): pass\n    return _sum([1, 2, 3]), _",
        "(5, 2)",
    ),
    "match": (
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: int = 0\ndef g(v):\n    match v:\n        case 0 | 1: return 'small'\n"
        "        case int(n) if n > 9: return n\n        case [a, *rest]: return rest\n        case {'k': k, **others}: return k, others\n"
        "        case P(1, y): return y\n        case P(x=x): return 'P', x\n        case str() as s: return s\n        case _: return None\n"
        "def f():\n    return [g(v) for v in (1, 10, [1, 2], {'k': 1, 'j': 2}, P(1, 5), P(2), 'x', 5.0)]",
        "['small', 10, [2], (1, {'j': 2}), 5, ('P', 2), 'x', None]",
    ),
    "walrus, comprehensions and unpacking": (
        "def f():\n    (a, (b, *c)), d = (1, (2, 3, 4)), [5]\n    if (n := len(c)) > 1: d += [n]\n"
        "    return [x for y in [[1], [2]] for x in y if x], {k: v for k, v in zip('ab', c)}, {*c}, [*c, *d], {**{'z': 1}}, [m := 3, m]",
        "([1, 2], {'a': 3, 'b': 4}, {3, 4}, [3, 4, 5, 2], {'z': 1}, [3, 3])",
    ),
    "generators, closures and nonlocal": (
        "def count():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n        return n\n    return up\n"
        "def g():\n    x = yield 1\n    yield from [x, 3]\ndef f():\n    up = count()\n    up()\n    it = g()\n    return up(), next(it), it.send(2), list(it)",
        "(2, 1, 2, [3])",
    ),
    "exceptions": (
        "class E(ValueError):\n    def __init__(self, code): super().__init__('bad'); self.code = code\ndef f():\n    try:\n        raise E(3) from None\n"
        "    except (KeyError, E) as e:\n        r = [e.code, str(e), e.args, type(e).__name__, repr(e)]\n    else:\n        r = 0\n    finally:\n        r.append('end')\n    return r",
        "[3, 'bad', ('bad',), 'E', \"E('bad')\", 'end']",
    ),
    "lambdas, sorting and decorators": (
        "from functools import cache, lru_cache, reduce, wraps, partial, total_ordering\ndef twice(g):\n    @wraps(g)\n    def h(*a, **k): return 2 * g(*a, **k)\n    return h\n"
        "@twice\ndef g(x):\n    'doc'\n    return x\n@lru_cache(maxsize=None)\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\n"
        "def f():\n    return g(2), g.__name__, g.__doc__, fib(50), sorted([3, 1], key=lambda x: -x), reduce(lambda a, b: a + b, [1, 2]), partial(pow, 2)(3)",
        "(4, 'g', 'doc', 12586269025, [3, 1], 3, 8)",
    ),
    "strings and formats": (
        "def f():\n    x = 3.14159\n    return f'{x:.2f} {x!r:>9} {{}} {\"a\":^5}', '{:>4}|{0:03d}'.replace('0', '') if False else '{:>4}|{:03d}'.format('a', 7), "
        "'{a[0]}{b.real}'.format(a=[1], b=2), '%s-%05.1f' % ('x', 2), '{k}'.format_map({'k': 1}), 'abc'.translate(str.maketrans('a', 'z'))",
        "('3.14   3.14159 {}   a  ', '   a|007', '12', 'x-002.0', '1', 'zbc')",
    ),
    "a method called format": (
        "class A:\n    def format(self, x): return x + 1\n    def now(self): return 2\ndef f():\n    a = A()\n    return a.format(1), a.now()",
        "(2, 2)",
    ),
    "enums": (
        "from enum import Enum, IntEnum, auto\nclass C(Enum):\n    R = auto()\n    G = auto()\n    @property\n    def low(self): return self.name.lower()\n"
        "def f():\n    return [c.name for c in C], C.R.value, C['G'].value, C(1).name, C.G.low, C.R is C(1), len(C.__members__)",
        "(['R', 'G'], 1, 2, 'R', 'g', True, 2)",
    ),
    "abstract classes": (
        "from abc import ABC, ABCMeta, abstractmethod\nclass A(ABC):\n    @abstractmethod\n    def g(self): ...\nclass B(A):\n    def g(self): return 1\n"
        "class C(metaclass=ABCMeta):\n    def h(self): return 2\ndef f():\n    try:\n        A()\n    except TypeError:\n        return B().g(), C().h()",
        "(1, 2)",
    ),
    "named tuples": (
        "from collections import namedtuple\nfrom typing import NamedTuple\nP = namedtuple('P', 'x y', defaults=[9])\nclass Q(NamedTuple):\n    a: int\n    b: str = 'b'\n"
        "def f():\n    p, q = P(1), Q(2)\n    return p.x, p.y, list(p._replace(x=5)), p._asdict(), P._fields, q.b, tuple(q)",
        "(1, 9, [5, 9], {'x': 1, 'y': 9}, ('x', 'y'), 'b', (2, 'b'))",
    ),
    "dataclasses": (
        "from dataclasses import dataclass, field, asdict, replace\n@dataclass(order=True)\nclass P:\n    x: int\n    tags: list = field(default_factory=list)\n    _p: int = 0\n"
        "    def __post_init__(self): self.z = self.x + self._p\n@dataclass(frozen=True)\nclass F:\n    a: int\n"
        "def f():\n    p = P(1)\n    p.tags.append(2)\n    try:\n        F(1).a = 2\n    except AttributeError as e:\n        return asdict(p), p < P(2), replace(p, x=3).z, F(1) == F(1), type(e).__name__",
        "({'x': 1, 'tags': [2], '_p': 0}, True, 3, True, 'FrozenInstanceError')",
    ),
    "an object's variables": (
        "class A:\n    def __init__(self, **k): self.__dict__.update(k)\ndef f():\n    a = A(x=1, y=2)\n    setattr(a, 'z', 3)\n    return a.__dict__, vars(a) == a.__dict__, getattr(a, 'q', 7), hasattr(a, 'x')",
        "({'x': 1, 'y': 2, 'z': 3}, True, 7, True)",
    ),
    "setattr and getattr of one's own": (
        "class A:\n    def __init__(self): super().__setattr__('log', [])\n    def __setattr__(self, n, v):\n        self.log.append(n)\n        object.__setattr__(self, n, v)\n"
        "    def __getattr__(self, n): return n.upper()\ndef f():\n    a = A()\n    a.x = 1\n    return a.log, a.x, a.foo",
        "(['x'], 1, 'FOO')",
    ),
    "slots, descriptors and class getitem": (
        "class D:\n    def __set_name__(self, o, n): self.n = '_' + n\n    def __get__(self, ob, o=None): return getattr(ob, self.n)\n    def __set__(self, ob, v): setattr(ob, self.n, v * 2)\n"
        "class A:\n    __slots__ = ('_x',)\n    x = D()\n    def __class_getitem__(cls, k): return k\ndef f():\n    a = A()\n    a.x = 4\n    return a.x, A[1]",
        "(8, 1)",
    ),
    "type with three arguments": (
        "def f():\n    return type('A', (list,), {'g': lambda self: len(self)})([1, 2]).g(), type(1) is int, isinstance(int, type), type(int) is type",
        "(2, True, True, True)",
    ),
    "unused imports of what is not there": (
        "import os, sys, time\nimport random as r\nimport numpy as np\nfrom os import path\ndef f():\n    return sys.maxsize > 0",
        "True",
    ),
    "star imports": (
        "from math import *\nfrom typing import *\ndef f(x: List[int] = None):\n    return floor(pi)",
        "3",
    ),
    "imports inside functions": (
        "def f():\n    import collections.abc, re\n    from itertools import chain\n    return isinstance([], collections.abc.Sequence), re.sub('a', 'b', 'aa'), list(chain([1], [2]))",
        "(True, 'bb', [1, 2])",
    ),
    "copying": (
        "import copy\nclass A:\n    def __init__(self): self.x = [1]\ndef f():\n    a = A()\n    b, c = copy.copy(a), copy.deepcopy(a)\n    a.x.append(2)\n    return b.x, c.x",
        "([1, 2], [1])",
    ),
    "eval of arithmetic": (
        "def f():\n    return eval('2 + 3 * len([1])'), eval('x + y', {'x': 1}, {'y': 2})",
        "(5, 3)",
    ),
    "printing": (
        "import sys\ndef f():\n    print('a', file=sys.stderr, end='')\n    sys.stdout.write('x')\n    return print(1)",
        "None",
    ),
    "no input": (
        "def f():\n    try:\n        return input('?')\n    except EOFError:\n        return 'none'",
        "'none'",
    ),
    "recursion as deep as CPython's": ("def g(n): return n if n == 0 else g(n - 1)\ndef f():\n    return g(990)", "0"),
    "a global that shadows what is refused": (
        "def f(input=1, open=2, vars=3):\n    compile = open + 1\n    return input, open, vars, compile",
        "(1, 2, 3, 3)",
    ),
    "queues and hashes": (
        "import queue, hashlib\ndef f():\n    q = queue.PriorityQueue()\n    q.put(2)\n    q.put(1)\n    return q.get(), q.queue, hashlib.md5(b'a').hexdigest()[:6]",
        "(1, [2], '0cc175')",
    ),
    "dates": (
        "from datetime import date, datetime, timedelta\ndef f():\n    return date(2020, 2, 28) + timedelta(days=2), datetime.strptime('2020-01-02', '%Y-%m-%d').strftime('%d.%m.%y'), date.fromisoformat('2020-01-01').weekday()",
        "(datetime.date(2020, 3, 1), '02.01.20', 2)",
    ),
    "not being run as a script": (
        "def f(): return __name__ == '__main__'\nif __name__ == '__main__':\n    f = None",
        "False",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_accepted(sandbox: Sandbox, name: str) -> None:
    program, value = PROGRAMS[name]
    result = sandbox.run(Job(program, ("",), repeats=2))
    if value is None:
        assert (result.error or "").startswith("NameError")
        return
    assert result.calls, result
    assert (result.calls[0].status, result.calls[0].value) == (CallStatus.OK, value), result
