"""The modules that programs may import: copies that hold only what is pure, deterministic and leads nowhere else.

A copy has no underscore names and no foreign modules, so `collections._sys` or `typing.sys` do not exist in it. Where a
library function would look up attributes by strings, create classes from strings or evaluate strings, a checked one
stands in its place (sandbox/library.py).

A process loads the common modules alone or all of them. Every fork pays for what its parent has loaded, and few
programs need more than the common ones: such a one ends as soon as that shows (`missing`) and is run again where
everything is there.
"""

import builtins
import codecs
import encodings
import importlib
import keyword
import pkgutil
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from sandbox import library, standins
from sandbox.classes import world
from sandbox.names import words
from sandbox.refused import Refused

# "*" stands for every public name that is not a module; names behind "-" are left out.
_EXPORTS = {
    "__future__": "annotations division absolute_import generator_stop print_function unicode_literals",
    "abc": "ABC abstractmethod",
    "array": "array",
    "ast": "literal_eval",
    "base64": "b16decode b16encode b32decode b32encode b64decode b64encode urlsafe_b64decode urlsafe_b64encode",
    "binascii": "*",
    "bisect": "*",
    "calendar": "isleap leapdays monthrange weekday monthcalendar month_name month_abbr day_name day_abbr timegm "
    "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY",
    "cmath": "*",
    "collections": "ChainMap Counter OrderedDict UserDict UserList defaultdict deque",
    "collections.abc": "*",
    "contextlib": "AbstractContextManager ContextDecorator ExitStack closing contextmanager nullcontext suppress",
    "copy": "copy Error",
    "csv": "DictReader DictWriter Error QUOTE_ALL QUOTE_MINIMAL QUOTE_NONE QUOTE_NONNUMERIC reader writer",
    "dataclasses": "FrozenInstanceError InitVar KW_ONLY MISSING asdict astuple field fields is_dataclass replace",
    "datetime": "MAXYEAR MINYEAR UTC date datetime time timedelta timezone tzinfo",
    "decimal": "* -DefaultContext -BasicContext -ExtendedContext",
    "difflib": "SequenceMatcher get_close_matches ndiff unified_diff",
    "enum": "Enum Flag IntEnum IntFlag StrEnum auto unique",
    "fractions": "Fraction",
    "functools": "cache cached_property cmp_to_key lru_cache partial partialmethod reduce singledispatch "
    "total_ordering",
    "hashlib": "blake2b blake2s md5 sha1 sha224 sha256 sha384 sha3_224 sha3_256 sha3_384 sha3_512 sha512",
    "heapq": "*",
    "io": "BytesIO StringIO",
    "itertools": "*",
    "json": "JSONDecodeError JSONDecoder JSONEncoder dumps loads",
    "keyword": "iskeyword kwlist",
    "math": "*",
    "numbers": "Complex Integral Number Rational Real",
    "operator": "* -attrgetter -methodcaller",
    "pprint": "pformat",
    "queue": "Empty Full",
    "re": "A ASCII DOTALL I IGNORECASE M MULTILINE Match NOFLAG Pattern RegexFlag S U UNICODE VERBOSE X "
    "compile error escape findall finditer fullmatch match search split sub subn",
    "statistics": "* -NormalDist",
    "string": "* -Formatter",
    "struct": "calcsize error iter_unpack pack unpack unpack_from",
    "sys": "byteorder exit float_info getrecursionlimit getsizeof int_info intern maxsize maxunicode version_info",
    "textwrap": "TextWrapper dedent fill indent shorten wrap",
    "types": "MappingProxyType SimpleNamespace",
    "typing": "AbstractSet Annotated Any AnyStr ByteString Callable ChainMap ClassVar Collection Concatenate Container "
    "Counter DefaultDict Deque Dict Final FrozenSet Generator Generic Hashable ItemsView Iterable Iterator KeysView "
    "List Literal LiteralString Mapping MappingView MutableMapping MutableSequence MutableSet NamedTuple Never NewType "
    "NoReturn NotRequired Optional OrderedDict ParamSpec Protocol Required Reversible Self Sequence Set Sized "
    "SupportsAbs SupportsFloat SupportsIndex SupportsInt SupportsRound Text Tuple TypeAlias TypeGuard TypeVar "
    "TypedDict Union Unpack ValuesView assert_never cast final overload runtime_checkable",
    "unicodedata": "*",
    "zlib": "adler32 compress crc32 decompress",
}
# What the common library lacks, apart from encodings.
_RARE = frozenset(words("array base64 binascii calendar cmath csv difflib hashlib pprint queue statistics zlib"))
# Modules that programs import and rarely reach; any use of what is in them is refused, for the reason given.
_SYSTEM, _FILES, _RANDOM, _CLOCK = (
    "reaches the operating system",
    "reaches the file system",
    "reads randomness",
    "reads the clock",
)
_LACKING = "is not in the sandbox"
USELESS_MODULES = {
    **dict.fromkeys(
        words("os argparse getopt getpass platform signal subprocess optparse resource readline cmd"), _SYSTEM
    ),
    **dict.fromkeys(
        words("os.path pathlib shutil tempfile glob fnmatch fileinput zipfile tarfile gzip bz2 lzma"), _FILES
    ),
    **dict.fromkeys(words("pickle shelve sqlite3 configparser"), _FILES),
    **dict.fromkeys(words("random secrets uuid"), _RANDOM),
    **dict.fromkeys(words("time timeit sched cProfile profile pstats zoneinfo locale"), _CLOCK),
    **dict.fromkeys(words("asyncio concurrent concurrent.futures multiprocessing"), _LACKING),
    **dict.fromkeys(words("inspect atexit weakref tracemalloc pdb reprlib html html.parser xml"), _LACKING),
    **dict.fromkeys(words("xml.etree xml.etree.ElementTree email urllib urllib.parse urllib.request http"), _LACKING),
    **dict.fromkeys(
        words("colorsys graphlib ipaddress shlex contextvars gettext hmac selectors stat tkinter turtle"), _LACKING
    ),
}
# Of these, what is not part of Python: a program that asks whether they are there is told that they are not.
THIRD_PARTY = dict.fromkeys(
    words(
        "numpy numpy.linalg numpy.typing pandas sympy sympy.ntheory scipy scipy.stats scipy.special scipy.optimize "
        "matplotlib matplotlib.pyplot seaborn torch torch.nn torch.nn.functional tensorflow keras jax sklearn networkx "
        "nltk requests bs4 tqdm pytest hypothesis typing_extensions pydantic attr attrs sortedcontainers "
        "more_itertools numba gmpy2 mpmath regex yaml PIL cv2 rich click loguru dateutil psutil termcolor colorama"
    ),
    _LACKING,
)
REFUSED_MODULES = {**USELESS_MODULES, **THIRD_PARTY}


def _public(module: ModuleType, spec: str) -> list[str]:
    words = spec.split()
    excluded = {word[1:] for word in words if word.startswith("-")}
    names = [word for word in words if word[0] not in "-*"]
    if "*" in words:
        names += getattr(module, "__all__", dir(module))
    return [n for n in names if n not in excluded and not n.startswith("_") and hasattr(module, n)]


def _copy(name: str, spec: str) -> ModuleType:
    module = sys.modules[name]
    copy = ModuleType(name)
    for attribute in _public(module, spec):
        value: Any = getattr(module, attribute)
        if not isinstance(value, ModuleType):
            setattr(copy, attribute, value)
    for attribute, value in library.REPLACEMENTS.get(name, {}).items():
        setattr(copy, attribute, value)
    return copy


_INTERNAL = "_strptime"  # imported by datetime.strptime, in C, in the program's name; no import statement may say so
# What programs can import in this process. Empty until `load`.
MODULES: dict[str, ModuleType] = {}
# Modules that programs may import, but not in this process.
ABSENT: set[str] = set()
# What programs have imported in this process.
imported: set[str] = set()


class _Missing:
    """What happens when something is looked for that is not in this process, though the whole library may have it."""

    def __init__(self) -> None:
        self.then: Callable[[str], None] | None = None

    def report(self, name: str) -> None:
        """Tell whoever wants to know; a child ends here."""
        if self.then is not None:
            self.then(name)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """As the last of the import system's finders: no one has the module, whoever imports it."""
        self.report(name)


missing = _Missing()


def load(*, whole: bool) -> None:
    """Fill MODULES, with all or with the common ones, and make this process's library safe to hand out (harden)."""
    sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]  # OpenSSL would double the zygote's memory
    names = [name for name in _EXPORTS if whole or name not in _RARE]
    for name in names:
        importlib.import_module(name)
    if whole:
        importlib.import_module(_INTERNAL)
        library.REPLACEMENTS["array"] = {"array": importlib.import_module("sandbox.arrays").Array}
        _load_encodings()
    else:
        ABSENT.update(_RARE)
        sys.meta_path.append(missing)
    library.harden()
    for name in names:
        library.watch(sys.modules[name])
    MODULES.update((name, _copy(name, _EXPORTS[name])) for name in names)
    MODULES["collections"].abc = MODULES["collections.abc"]  # type: ignore[attr-defined]
    MODULES["typing"].TYPE_CHECKING = False  # type: ignore[attr-defined]
    if whole:
        from sandbox import queues  # it loads threading, which no common program needs

        for name in ("Queue", "PriorityQueue", "LifoQueue"):
            setattr(MODULES["queue"], name, getattr(queues, name))
    for module in (*MODULES.values(), *map(standins.make, standins.NAMES), builtins):
        world.give(vars(module).values())
    world.give(library.BASES)
    for cls in {base for given in world.given for base in type.mro(given)}:
        hasattr(cls, "__annotations__")  # looking makes them, and dir() would tell the next call that one looked


def _load_encodings() -> None:
    """The text encodings that str.encode and bytes.decode know: modules too, of which none can be loaded later."""
    for module in pkgutil.iter_modules(encodings.__path__):
        with suppress(LookupError):  # aliases are none, and some are Windows' own
            codecs.lookup(module.name)


def import_module(
    name: str, globals: object = None, locals: object = None, fromlist: tuple[str, ...] = (), level: int = 0
) -> Any:
    """What an import statement calls. The policy has seen the statement and knows the module."""
    imported.add(name)
    if name == _INTERNAL and name in sys.modules:
        return sys.modules[name]
    module: Any = MODULES.get(name)
    if module is not None:
        if name == "keyword":
            module.kwlist = list(keyword.kwlist)  # the one list among what is handed out
        return module if fromlist else MODULES[name.partition(".")[0]]
    if level or not (name in REFUSED_MODULES or name in standins.NAMES):
        missing.report(name)
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    whole = name if fromlist else name.partition(".")[0]
    return standins.make(whole) if whole in standins.NAMES else Refused(whole, REFUSED_MODULES.get(whole, _LACKING))
