"""Which identifiers hostile source may use: asked by the policy at compile time and by the guards at run time."""

from enum import Enum

from RestrictedPython.transformer import INSPECT_ATTRIBUTES

PROGRAM = "<program>"  # the file name of code that the policy has compiled


class NameKind(Enum):
    """How an attribute of that name is reached."""

    PLAIN = "plain"  # directly
    GUARDED = "guarded"  # through guards.get_guarded: harmless on most objects, not on all
    PRIVATE = "private"  # through guards.get_private: only what the program itself defined
    CLASS = "class"  # __class__, through guards.type_of
    DICT = "dict"  # __dict__, through guards.variables
    SETATTR = "setattr"  # __setattr__, through guards.attribute_setter
    VIEW = "view"  # through guards.view: a view of a dict that is the library's
    REFUSED = "refused"


# Frames, code objects and tracebacks lead to the interpreter; RestrictedPython lists most of the attributes that do.
# A buffer of BytesIO is raw memory.
INTERPRETER_NAMES = INSPECT_ATTRIBUTES | {
    "f_trace_lines",
    "f_trace_opcodes",
    "gi_suspended",
    "ag_running",
    "cr_running",
    "getbuffer",
}

# str.format walks attributes of its arguments; an AttributeError's obj is whatever lacked the attribute, in the library
# too; the others read the clock when their owner is a date or datetime.
GUARDED_NAMES = frozenset({"format", "format_map", "obj", "now", "utcnow", "today"})

# A mapping proxy hands its dict to the other side of an == or an |. These are views of dicts that outlive a call.
VIEW_NAMES = frozenset({"__members__", "groupindex"})

# Built-ins that programs never get: using one is refused when it is reached. A program may use the name for its own.
REFUSED_BUILTINS = {
    "open": "reaches the file system",
    "exec": "runs text as code",
    "compile": "runs text as code",
    "globals": "reaches the interpreter",
    "locals": "reaches the interpreter",
    "breakpoint": "reaches the interpreter",
    "help": "reaches the interpreter",
    "memoryview": "reaches raw memory",
}
# Functions whose results may depend on hashes or addresses, and attributes that lead to such.
UNORDERED_NAMES = frozenset({"set", "frozenset", "hash", "id", "eval", "literal_eval", "getattr"})
UNORDERED_ATTRIBUTES = frozenset({"__hash__", "literal_eval"})
VIEWS = frozenset({"keys", "items"})  # of a dict; they have set operations


def words(text: str) -> list[str]:
    """The words of a list that reads better without quotes and commas."""
    return text.split()


_OPERATORS = words(
    "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or neg pos abs invert "
    "lt le eq ne gt ge len getitem setitem delitem contains iter next reversed missing call hash bool int float "
    "complex round trunc floor ceil str repr bytes format enter exit length_hint"
)
_AUGMENTED = words("add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or")

# Special methods and class attributes that a program may define. Not __index__: CPython 3.11 asks it for a value after
# it has found a place in a bytearray and before writing to it, and does not see what it does in between.
SPECIAL_METHODS = frozenset(
    [f"__{name}__" for name in _OPERATORS]
    + [f"__r{name}__" for name in _AUGMENTED]
    + [f"__i{name}__" for name in _AUGMENTED]
    + [
        f"__{name}__"
        for name in ("init", "new", "post_init", "getattr", "setattr", "delattr", "dir", "copy", "deepcopy")
    ]
    + [f"__{name}__" for name in ("class_getitem", "init_subclass", "set_name", "get", "set", "delete", "sizeof")]
)
# Class variables that must be literal tuples of harmless names: they make the interpreter look attributes up.
NAME_LISTS = frozenset({"__slots__", "__match_args__"})
_READABLE = (SPECIAL_METHODS - {"__setattr__", "__delattr__", "__getattr__", "__get__", "__set__", "__delete__"}) | {
    "__name__",
    "__qualname__",
    "__doc__",
    "__index__",
    "__func__",
    "__wrapped__",
    "__version__",
}
_READABLE -= {"__func__", "__init__", "__init_subclass__"}
_WRITABLE = frozenset({"__name__", "__qualname__", "__doc__"})
_SUNDER_HOOKS = frozenset({"_missing_", "_generate_next_value_", "_order_", "_ignore_"})  # what an Enum may define


def attribute_kind(name: str) -> NameKind:
    """How the attribute `name` may be read. `name` must be an exact str."""
    if not name.startswith("_"):
        if name in GUARDED_NAMES:
            return NameKind.GUARDED
        if name in VIEW_NAMES:
            return NameKind.VIEW
        return NameKind.REFUSED if name in INTERPRETER_NAMES else NameKind.PLAIN
    if name.startswith("__") and name.endswith("__") and len(name) > 4:
        if name in _READABLE:
            return NameKind.PLAIN
        return _SPECIAL_READS.get(name, NameKind.REFUSED)
    return NameKind.PRIVATE


_SPECIAL_READS = {
    "__init__": NameKind.GUARDED,  # makes an object of the library anew, and
    "__init_subclass__": NameKind.GUARDED,  # a class of the library
    "__class__": NameKind.CLASS,
    "__dict__": NameKind.DICT,
    "__setattr__": NameKind.SETATTR,
    "__members__": NameKind.VIEW,
}


def store_kind(name: str) -> NameKind:
    """How the attribute `name` may be set or deleted: PLAIN, PRIVATE or REFUSED."""
    if name.startswith("__") and name.endswith("__") and len(name) > 4:
        return NameKind.PLAIN if name in _WRITABLE else NameKind.REFUSED
    if name.startswith("_"):
        return NameKind.PRIVATE
    return NameKind.REFUSED if name in INTERPRETER_NAMES else NameKind.PLAIN


def is_variable(name: str) -> bool:
    """Whether a program may call a variable, argument, function or class so.

    The guards' own names begin and end with one underscore, so no such name is left to programs.
    """
    if not name.startswith("_"):
        return name not in INTERPRETER_NAMES
    if len(name) > 2 and name.endswith("_"):
        return name in SPECIAL_METHODS or name in _SUNDER_HOOKS or name in ("__name__", "__doc__")
    return True


def is_field(name: str) -> bool:
    """Whether `name` may stand in a class's __slots__, or be a field of a class that is generated."""
    return name not in INTERPRETER_NAMES and not (name.startswith("__") and name.endswith("__"))


def is_matchable(name: str) -> bool:
    """Whether a class pattern may read the attribute `name`, by keyword or by place, of an object of any class."""
    return attribute_kind(name) is NameKind.PLAIN and not name.startswith("_")
