"""The kinds of ways out of the policy (docs/sandbox.md): for each, members are generated, not listed.

A member is a program that returns "REACHED" where it got through. Most end in a refusal; some run on and get nothing.
"""

import itertools
from collections.abc import Iterable

from sandbox import CallStatus, Job, JobStatus, Sandbox
from sandbox.guards import GUARDS
from sandbox.names import GUARDED_NAMES, INTERPRETER_NAMES, VIEW_NAMES


def _outcomes(sandbox: Sandbox, programs: Iterable[str]) -> list[str]:
    """For each program its f()'s text, or how it ended; fails where one got through."""
    programs = list(programs)
    ends = []
    for program, result in zip(programs, sandbox.map(Job(program, ("",)) for program in programs), strict=True):
        end = str(result.status)
        if result.status is JobStatus.OK:
            (call,) = result.calls
            end = str(call.value) if call.status is CallStatus.OK else str(call.error)
        assert "REACHED" not in end, program
        assert result.status is not JobStatus.CRASHED, program
        ends.append(end if result.status is JobStatus.OK else f"{end}: {result.error}")
    return ends


def _refused(ends: Iterable[str]) -> bool:
    return all("PolicyError" in end or end.startswith("rejected") for end in ends)


# -- 1. guards are found by name, and no program supplies a namespace that has one -------------------------------------

NAMESPACES = [
    "def f(): return eval('1', {{'{guard}': g}})",
    "def f(): return eval('1', {{}}, {{'{guard}': g}})",
    "def f(): return eval('1', {{'__builtins__': {{'{guard}': g}}}})",
    "def f(): return eval('1', D({{'{guard}': g}}))",
    "def f(): return eval('1', Pairs())",
    "def f(): return eval('{guard}', {{'x': g}})",
    "def f(): return eval('({guard} := 1)', {{'x': g}})",
    "def f(): return type('A', (), {{'{guard}': g}}) and 'REACHED'",
    "def f(): return abc.ABCMeta('A', (), {{'{guard}': g}}) and 'REACHED'",
    "def f(): return enum.Enum('E', {{'{guard}': 1}}) and 'REACHED'",
    "class M:\n    def __prepare__(*a): return {{'{guard}': g}}\nclass A(metaclass=M): pass",
    "class P(type):\n    pass\nclass A(metaclass=P): {guard} = g",
    "class A:\n    {guard} = g",
    "{guard} = g",
    "def {guard}(*a): return a",
    "class {guard}: pass",
    "import math as {guard}",
    "from math import sqrt as {guard}",
    "for {guard} in [g]: pass",
    "f = lambda {guard}: {guard}",
    "def f(*{guard}): return 1",
    "def f(**{guard}): return 1",
    "def f(): global {guard}",
    "try: 1/0\nexcept Exception as {guard}: pass",
    "with A() as {guard}: pass",
    "x = [{guard} for {guard} in [g]]",
    "match g:\n    case {guard}: pass",
    "match [g]:\n    case [*{guard}]: pass",
    "match {{}}:\n    case {{**{guard}}}: pass",
    "print(({guard} := g))",
    "del {guard}",
    "g({guard}=1)",
]
NAMESPACE_PRELUDE = """
import abc, enum
def g(*a, **k): return a[0] if a else None
class D(dict): pass
class Pairs:
    def keys(self): return ['{guard}']
    def __getitem__(self, key): return g
"""


def test_no_namespace_of_a_programs_own_has_a_guard(sandbox: Sandbox) -> None:
    programs = [(NAMESPACE_PRELUDE + way).format(guard=guard) for guard in GUARDS for way in NAMESPACES]
    assert _refused(_outcomes(sandbox, programs))


# -- 2. what was checked is what is used -------------------------------------------------------------------------------

CHANGED = """
import abc, copy, collections, enum, json
from dataclasses import asdict, astuple, dataclass, field, fields, replace
class S(str):
    def __init__(self, *a, **k): self.got = [*a, *k.values()]
    def __new__(cls, *a, **k): return str.__new__(cls, '{{0.a}}')
class First:
    'An iterable that gives the harmless name once.'
    def __init__(self): self.times = 0
    def __iter__(self):
        self.times += 1
        return iter(['a' if self.times == 1 else '{name}'])
class Text(str):
    def __eq__(self, other): return True
    def __hash__(self): return hash('a')
def told(values):
    return 'REACHED' if any('built-in method' in repr(v) for v in values) else 'nothing'
@dataclass
class Named:
    {field}: object = None
NAMED = fields(Named)[0]
def f():
    {way}
"""
CHANGES = [
    "s = S(); vars(s)['__dataclass_fields__'] = {{'a': NAMED}}\n"
    "    dataclass(init=False)(S); return told({reader}(s){values})",
    "x = field(default=None); A = type('A', (S,), {{'__annotations__': {{'a': int}}, 'a': x}})\n"
    "    A = dataclass(init=False)(A); n = {{'{name}': int}}\n"
    "    B = dataclass(type('B', (), {{'__annotations__': n, '{name}': x}}))\n"
    "    return told({reader}(A()){values})",
    "n = {{'a': int}}; A = type('A', (S,), {{'__annotations__': n, 'a': 1}}); n['{name}'] = int\n"
    "    return told({reader}(dataclass(init=False)(A)()){values})",
    "A = type('A', (S,), {{'__annotations__': {{Text('{name}'): int}}, 'a': 1}})\n"
    "    return told({reader}(dataclass(init=False)(A)()){values})",
    "class Base:\n        def __init_subclass__(cls, **k): pass\n"
    "    class F(Base, type(field())): name = property(lambda self: '{name}')\n    return 'REACHED'",
]
READERS = {"astuple": "", "asdict": ".values()", "replace": ".got"}


def test_a_dataclasss_fields_are_those_that_were_checked(sandbox: Sandbox) -> None:
    programs = []
    for name, way, (reader, values) in itertools.product(sorted(GUARDED_NAMES - {"obj"}), CHANGES, READERS.items()):
        step = way.format(name=name, reader=reader, values=values)
        programs.append(CHANGED.format(name=name, field=name, way=step))
    _outcomes(sandbox, programs)


NAMES_GIVEN = [
    "collections.namedtuple('N', First())._fields",
    "collections.namedtuple('N', [Text('{name}')])._fields",
    "enum.Enum('E', First()).__members__",
    "enum.Enum('E', [Text('{name}')]).__members__",
    "type('A', (), {{'__match_args__': ['{name}']}})",
    "type('A', (), {{Text('{name}'): 1}})",
    "type('A', (), {{'__match_args__': (Text('{name}'),)}})",
    "type('A', (), {{'__slots__': (Text('{name}'),)}})",
    "abc.ABCMeta('A', (), {{Text('{name}'): 1}})",
]


def test_names_are_copied_before_they_are_checked(sandbox: Sandbox) -> None:
    refused = ["gi_frame", "f_globals", "__class__", "__globals__"]
    ways = [f"return 'REACHED' if '{{name}}' in {way} else 'nothing'" for way in NAMES_GIVEN[:4]]
    ways += [f"return {way} and 'REACHED'" for way in NAMES_GIVEN[4:]]
    _outcomes(sandbox, [CHANGED.format(name=n, field="b", way=way.format(name=n)) for n in refused for way in ways])


COPIED = """
import array, copy, json
class Spy:
    def __init__(self): self.got = []
    def __deepcopy__(self, memo):
        self.got += memo.values() if type(memo) is dict else [memo]
        return self
class A(array.array):
    {hooks} = None
    def __getattr__(self, name):
        if name == '{asked}':
            return lambda *state: STATE.append(state) or {answer}
        raise AttributeError(name)
STATE = []
def raw(x): return 'fromfile' in dir(x) or (type(x) in (list, tuple) and any(map(raw, x))) \\
    or (type(x) is dict and any(map(raw, x.values())))
def f():
    a, spy = A('i', [1]), Spy()
    vars(a)['{asked}'] = lambda *state: STATE.append(state) or {answer}
    try:
        {made}
    except TypeError:
        pass
    return 'REACHED' if any(map(raw, spy.got)) or any(map(raw, STATE)) else 'nothing'
"""


def test_a_copy_hands_out_no_part_of_the_library(sandbox: Sandbox) -> None:
    asked = ["__setstate__", "__getstate__", "__reduce_ex__", "__reduce__", "__getnewargs__", "__getnewargs_ex__"]
    made = ["copy.copy(a)", "copy.deepcopy([a, spy])", "copy.deepcopy(a, {})", "copy.deepcopy([spy, a, spy])"]
    answers = ["None", "((), {})", "(A, ('i',), {'_items': 1})", "'x'"]
    hooks = ["__copy__ = __deepcopy__", "__hash__"]
    programs = itertools.product(asked, made, answers, hooks)
    _outcomes(sandbox, [COPIED.format(asked=a, made=m, answer=r, hooks=h) for a, m, r, h in programs])


# -- 3. no program holds a metaclass -----------------------------------------------------------------------------------

ALIASES = [
    "type", "type(int)", "int.__class__", "getattr(int, '__class__')", "type[int]", "typing.Type", "typing.Type[int]",
    "type(type)", "type(abc.ABC)", "type(enum.Enum)", "type(typing.Protocol)", "type(typing.NamedTuple)", "type(T)",
    "abc.ABCMeta", "type(abc.ABCMeta)", "operator.attrgetter('__class__')(int)", "copy.copy(type)", "type(type[int])",
    "copy.deepcopy(type)", "typing.get_origin(typing.Type[int])", "type.mro(type)[0]", "lacked('{0.__class__.x}')",
    "lacked('{0.__class__[0].x}')", "eval('type')", "eval('type(int)')", "kept(singledispatch(len))",
]  # fmt: skip
OPERATIONS = [
    "class M(X): pass\n    return 'REACHED' if issubclass(M, type) or isinstance(M('N', (), {}), type) else 'nothing'",
    "N = X('N', (), {'__instancecheck__': lambda c, o: True}); return 'REACHED' if isinstance(1, N) else 'nothing'",
    "M = X('M', (X,), {'__instancecheck__': lambda c, o: True}); N = M('N', (), {})\n"
    "    return 'REACHED' if isinstance(1, N) else 'nothing'",
    "class A(metaclass=X): a = 1\n"
    "    return 'REACHED' if issubclass(type(A), type) and type(A) is not type else 'nothing'",
    "class A(metaclass=lambda *a, **k: X): a = 1\n    return 'nothing'",
    "return 'REACHED' if isinstance(X, type) and X is not type and issubclass(X, type) else 'nothing'",
    "return 'REACHED' if any(issubclass(c, type) and c is not type for c in type.mro(X)) else 'nothing'",
    "return 'REACHED' if X.mro(int) else 'nothing'",
    "return 'REACHED' if X.__new__(X, 'N', (), {'__subclasshook__': 1}) else 'nothing'",
    "return 'REACHED' if X.__call__('N', (X,), {'__prepare__': 1}) else 'nothing'",
    "return 'REACHED' if len(X.__subclasses__(X)) else 'nothing'",
    "class A(X, a=1, _root=True): pass\n    return 'REACHED' if issubclass(A, type) else 'nothing'",
    "return 'REACHED' if X('N', (str,), {'a': 1}, _root=True) else 'nothing'",
]
ALIAS_PRELUDE = """
import abc, copy, enum, operator, typing
from functools import singledispatch
class T: pass
def lacked(template):
    try:
        template.format(int)
    except AttributeError as error:
        return error.obj
class Same:
    def __init__(self, number): self.number = number
    def __hash__(self): return self.number
    def __eq__(self, other): got.append(other)
got = []
def kept(g):
    t = T()
    vars(t).update(__mro__=tuple(Same(hash(int) + d) for d in range(-3000, 3000)), __bases__=(object,))
    g.dispatch(t)
    return got[-1]
"""


def test_no_alias_of_type_is_a_metaclass(sandbox: Sandbox) -> None:
    programs = [
        f"{ALIAS_PRELUDE}\ndef f():\n    X = {alias}\n    {operation}\n"
        for alias in ALIASES
        for operation in OPERATIONS
        if not (".mro(X)" in operation and alias == "type.mro(type)[0]")
    ]
    _outcomes(sandbox, programs)


UNGIVEN = [
    "typing.List[int]", "typing.List", "list[int]", "field()", "typing.Union[int, str]", "int | str", "type[int]",
    "functools.singledispatch(len)", "iter([])", "operator.attrgetter", "super(object, 1)", "refusal()",
    "contextlib.contextmanager(len)(())", "ExitStack().push", "typing.Literal", "f", "re", "typing.Callable",
]  # fmt: skip


def test_a_program_derives_only_from_what_it_is_given_by_name(sandbox: Sandbox) -> None:
    prelude = """
import contextlib, functools, operator, re, typing
from contextlib import ExitStack
from dataclasses import field
from typing import TypeVar
class Shadow:
    def __init_subclass__(cls, **k): pass
def refusal():
    try:
        vars()
    except Exception as error:
        return error
"""
    ways = ["class A(type(x)): pass", "class A(Shadow, type(x)): pass", "class A(type(x), _root=True): pass"]
    ways += ["A = type('A', (type(x),), {})", "A = type('A', (Shadow, type(x)), {}, _root=True)"]
    programs = [f"{prelude}\ndef f():\n    x = {x}\n    {way}\n    return 'REACHED'" for x in UNGIVEN for way in ways]
    _outcomes(sandbox, programs)


# -- 4. a name is judged alike wherever it is read ---------------------------------------------------------------------

CHANNELS = [
    "getattr(x, '{name}')",
    "operator.attrgetter('{name}')(x)",
    "operator.attrgetter('real.{name}')(x)",
    "operator.methodcaller('{name}')(x)",
    "'{{0.{name}.x}}'.format(x)",
    "'{{0.{name}}}'.format_map(x)",
    "str.format('{{0.{name}.a}}', x)",
    "astuple(made(x, '{name}'))[0]",
    "list(asdict(made(x, '{name}')).values())[0]",
    "matched(x, '{name}')",
    "eval('x.{name}', {{'x': x}})",
    "fielded(x, '{name}')",
]
READ = """
import operator, re, string
from dataclasses import asdict, astuple, dataclass, fields
from datetime import date, datetime
class S(str): pass
class D(datetime): pass
class Keeper:
    def __enter__(self): return self
    def __exit__(self, kind, error, trace):
        self.error, self.trace = error, trace
        return True
with Keeper() as keeper:
    1 .missing
def generator(): yield 1
class E: pass
def made(x, name):
    A = dataclass(init=False)(type('A', (type(x),), {{'__annotations__': {{name: int}}}}))
    return A(x) if type(x) is S else A(2020, 1, 2)
def matched(x, name):
    A = type('A', (type(x),), {{'__match_args__': (name,)}})
    match A(x) if type(x) is S else A(2020, 1, 2):
        case A(got): return got
def fielded(x, name):
    e = dataclass(type('F', (), {{'__annotations__': {{name: int}}, name: 1}}))
    y = dataclass(init=False)(type('A', (type(x),), {{}}))(x)
    vars(y)['__dataclass_fields__'] = {{'a': fields(e)[0]}}
    return astuple(y)[0]
def f():
    x = {subject}
    got = {channel}
    return 'REACHED' if got.__name__ in ('{name}', 'frame', 'code', 'type', 'module') else 'nothing'
"""
SOURCE = """
def f():
    x = {subject}
    {source}
    return 'nothing'
"""
SOURCES = ["x.{name} += 1", "x.{name} = 1", "del x.{name}", "match x:\n        case str({name}=got): return 'REACHED'"]
SUBJECTS = [
    "S('{0.a}')",
    "D(2020, 1, 2)",
    "D",
    "keeper.error",
    "keeper.trace",
    "generator()",
    "f",
    "re.compile('(?P<a>x)')",
]


def test_no_channel_reads_what_source_may_not(sandbox: Sandbox) -> None:
    names = sorted(INTERPRETER_NAMES)[::9] + sorted(GUARDED_NAMES) + ["__globals__", "__code__", "__self__", "__mro__"]
    holders = {
        "format": 0,
        "format_map": 0,
        "now": 1,
        "utcnow": 1,
        "today": 1,
        "obj": 3,
        "__globals__": 6,
        "__code__": 6,
    }
    programs = []
    for name, channel in itertools.product(names, CHANNELS):
        subject = SUBJECTS[holders.get(name, 4 if name.startswith("tb") else 5)]
        programs.append(READ.format(subject=subject, name=name, channel=channel.format(name=name)))
    _outcomes(sandbox, programs)


def test_the_interpreters_names_are_refused_wherever_they_stand_in_source(sandbox: Sandbox) -> None:
    names = [*sorted(INTERPRETER_NAMES)[::7], "__globals__", "__class__", "__match_args__"]
    programs = [SOURCE.format(subject="''", source=s.format(name=name)) for s in SOURCES for name in names]
    assert _refused(_outcomes(sandbox, programs))
    guarded = [SOURCE.format(subject="''", source=SOURCES[-1].format(name=name)) for name in GUARDED_NAMES | VIEW_NAMES]
    assert _refused(_outcomes(sandbox, guarded))


# -- 5. a view of a dict is no way to the dict -------------------------------------------------------------------------

VIEWS = {
    "E.__members__": "E.__members__",
    "getattr(E, '__members__')": "E.__members__",
    "operator.attrgetter('__members__')(E)": "E.__members__",
    "re.RegexFlag.__members__": "re.RegexFlag.__members__",
    "string.Template.pattern.groupindex": "string.Template.pattern.groupindex",
    "getattr(re.compile('(?P<a>x)'), 'groupindex')": "re.compile('(?P<a>x)').groupindex",
    "operator.attrgetter('pattern.groupindex')(string.Template)": "string.Template.pattern.groupindex",
    "E.__dict__": "E.__dict__",
    "vars(E)": "dir(E)",
    "vars(string.Template)": "dir(string.Template)",
    "vars(string)": "dir(string)",
    "vars(string.capwords)": "dir(string.capwords)",
    "getattr(Fraction, '__dict__')": "dir(Fraction)",
    "Fraction(1, 2).__dict__": "dir(Fraction)",
}
OPENERS = [
    "view == spy", "view != spy", "spy == view", "view | spy", "spy | view", "view in [spy]", "[view].index(spy)",
    "operator.eq(view, spy)", "operator.or_(view, spy)", "sorted([view, spy])", "view < spy", "copy.copy(view)",
    "spy.keep(view)", "{**view} and spy.keep(view)",
]  # fmt: skip
OPENED = """
import copy, enum, operator, re, string
from fractions import Fraction
class E(enum.Enum):
    A = 1
class Spy:
    got = None
    def keep(self, other):
        self.got = other
        return True
    __eq__ = __ne__ = __or__ = __ror__ = __lt__ = __gt__ = __contains__ = keep
def f():
    view, spy = {view}, Spy()
    try:
        {opener}
    except TypeError:
        pass
    try:
        operator.setitem(spy.got, 'note', 1)
    except TypeError:
        pass
    return 'REACHED' if 'note' in {again} else 'nothing'
"""


def test_no_operation_on_a_view_hands_out_its_dict(sandbox: Sandbox) -> None:
    programs = itertools.product(VIEWS.items(), OPENERS)
    _outcomes(sandbox, [OPENED.format(view=view, again=again, opener=opener) for (view, again), opener in programs])
