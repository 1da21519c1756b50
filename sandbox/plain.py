"""Source that the policy would pass as it stands, told apart without a syntax tree.

Most programs use nothing that needs a guard, and the transformer (sandbox/policy.py) gives their tree back unchanged.
Making that tree, visiting it and compiling it touches a third of all the memory that a forked child touches, so source
that is plain beyond doubt is compiled directly. What is not gets None here, and the transformer judges it: a doubt
costs time and never a verdict. Tests hold both to the same instructions for everything that is plain, but for what is
never run: statements that nothing reaches, and annotations of attributes.
"""

import opcode
import re
from types import CodeType

from sandbox.names import (
    GUARDED_NAMES,
    INTERPRETER_NAMES,
    PROGRAM,
    REFUSED_BUILTINS,
    UNORDERED_NAMES,
    VIEW_NAMES,
    VIEWS,
    words,
)
from sandbox.order import FUNCTION_AS_VALUE, may_write_iterator

Compiled = tuple[CodeType, bool]  # the code, and whether its values may depend on the order of sets or on addresses

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STRING = re.compile(r"'(?:\\.|[^'\\\n])*'|" r'"(?:\\.|[^"\\\n])*"')
_STRING_OR_COMMENT = re.compile(_STRING.pattern + r"|#[^\n]*")
# Words that say that a name or a statement has to be looked at.
_GATED = frozenset({"import", "class", "async", "await", "match"} | REFUSED_BUILTINS.keys()) | (
    (GUARDED_NAMES - {"obj"}) | INTERPRETER_NAMES | VIEW_NAMES
)
_GATED_ATTRIBUTES = frozenset({"_", "obj"})  # words that are harmless as names of variables
_SET_OPERATORS = re.compile(r"[-&|^]")

# A call's text that can be nothing but literals: these characters, no other words, no operator but a number's sign,
# and no bracket that follows a value.
_LITERAL = re.compile(r"[\s\w.,:()\[\]{}\"-]*", re.ASCII)
_OPERATOR = re.compile(r"[^\s,(\[{:]\s*-|-(?![0-9.])|[\w.)\]}\"]\s*[(\[{]")
_BRACKET = re.compile(r"[()\[\]{}]")
_LITERAL_WORDS = frozenset({"True", "False", "None"})

# Everything that the compiler makes of an accepted tree without stores to attributes, imports, classes, match or async.
_ALLOWED = words(
    "CACHE EXTENDED_ARG NOP RESUME PUSH_NULL PRECALL CALL CALL_KW KW_NAMES CALL_FUNCTION_EX "
    "POP_TOP COPY SWAP LOAD_CONST LOAD_FAST LOAD_FAST_CHECK LOAD_FAST_AND_CLEAR LOAD_FAST_LOAD_FAST LOAD_GLOBAL "
    "LOAD_NAME LOAD_DEREF LOAD_CLOSURE LOAD_ATTR LOAD_METHOD STORE_FAST STORE_FAST_LOAD_FAST STORE_FAST_STORE_FAST "
    "STORE_GLOBAL STORE_NAME STORE_DEREF DELETE_FAST DELETE_GLOBAL DELETE_NAME DELETE_DEREF MAKE_CELL COPY_FREE_VARS "
    "MAKE_FUNCTION SET_FUNCTION_ATTRIBUTE RETURN_VALUE RETURN_CONST RETURN_GENERATOR YIELD_VALUE SEND END_SEND "
    "GET_ITER GET_YIELD_FROM_ITER FOR_ITER END_FOR BINARY_OP BINARY_SUBSCR BINARY_SLICE STORE_SUBSCR STORE_SLICE "
    "DELETE_SUBSCR UNARY_INVERT UNARY_NEGATIVE UNARY_NOT UNARY_POSITIVE COMPARE_OP CONTAINS_OP IS_OP TO_BOOL "
    "BUILD_CONST_KEY_MAP BUILD_LIST BUILD_MAP BUILD_SLICE BUILD_STRING BUILD_TUPLE LIST_APPEND LIST_EXTEND "
    "LIST_TO_TUPLE MAP_ADD DICT_MERGE DICT_UPDATE UNPACK_EX UNPACK_SEQUENCE FORMAT_VALUE FORMAT_SIMPLE "
    "FORMAT_WITH_SPEC CONVERT_VALUE JUMP_FORWARD JUMP_BACKWARD JUMP_BACKWARD_NO_INTERRUPT JUMP_IF_FALSE_OR_POP "
    "JUMP_IF_TRUE_OR_POP POP_JUMP_BACKWARD_IF_FALSE POP_JUMP_BACKWARD_IF_NONE POP_JUMP_BACKWARD_IF_NOT_NONE "
    "POP_JUMP_BACKWARD_IF_TRUE POP_JUMP_FORWARD_IF_FALSE POP_JUMP_FORWARD_IF_NONE POP_JUMP_FORWARD_IF_NOT_NONE "
    "POP_JUMP_FORWARD_IF_TRUE POP_JUMP_IF_FALSE POP_JUMP_IF_TRUE POP_JUMP_IF_NONE POP_JUMP_IF_NOT_NONE "
    "LOAD_ASSERTION_ERROR RAISE_VARARGS RERAISE PUSH_EXC_INFO POP_EXCEPT CHECK_EXC_MATCH BEFORE_WITH WITH_EXCEPT_START"
)
_SETS = words("BUILD_SET SET_ADD SET_UPDATE")


def _numbers(names: list[str]) -> bytes:
    return bytes(opcode.opmap[name] for name in names if name in opcode.opmap)


_ALLOWED_CODES, _SET_CODES = _numbers(_ALLOWED), _numbers(_SETS)


def plain_program(source: str, nesting: int) -> Compiled | None:
    """Code for a module, equal to what the transformer's tree compiles to; None where that is not beyond doubt."""
    if not source.isascii():
        return None
    names = set(_WORD.findall(source))
    if not names.isdisjoint(_GATED) or any(name[0] == "_" for name in names if name != "_"):
        return None
    if not names.isdisjoint(VIEWS) and _SET_OPERATORS.search(source):
        return None
    if not _is_shallow(source, nesting):
        return None
    order_sensitive = not names.isdisjoint(UNORDERED_NAMES) or FUNCTION_AS_VALUE.search(source) is not None
    order_sensitive |= may_write_iterator(_STRING.sub('""', source), source)
    return _compiled(source, "exec", order_sensitive)


def plain_call(arguments: str, nesting: int, function: str) -> Compiled | None:
    """Code for function(<arguments>) where the arguments are literals, equal as above; None where they may not be."""
    if "'''" in arguments or '"""' in arguments:
        return None
    bare = _STRING.sub('""', arguments)
    if not _LITERAL.fullmatch(bare):
        return None
    if not _LITERAL_WORDS.issuperset(_WORD.findall(bare)) or _OPERATOR.search(bare):
        return None
    deepest = depth = 0
    for bracket in _BRACKET.findall(bare):
        depth += 1 if bracket in "([{" else -1
        deepest = max(deepest, depth)
        if depth < 0:  # the text would end the call and go on
            return None
    if depth or deepest + 5 > nesting:
        return None
    return _compiled(f"{function}({arguments}\n)", "eval", False)


def _is_shallow(source: str, nesting: int) -> bool:
    """Whether the syntax tree has surely no more levels than `nesting`.

    In a statement that begins and ends on one line each level takes at least a character. A level of indentation stands
    for two at most (try and except), each elif for one. That every line closes the brackets that it opens is checked
    with the strings taken out, so no string may go over a line's end.
    """
    if "'''" in source or '"""' in source or "\\\n" in source or "\r" in source:  # which ends lines and comments too
        return False
    longest = deepest = 0
    for line in source.split("\n"):
        rest = line.lstrip()
        longest = max(longest, len(rest))
        deepest = max(deepest, len(line) - len(rest))
    if longest + 2 * deepest + source.count("elif") + 5 > nesting:
        return False
    for line in _STRING_OR_COMMENT.sub('""', source).split("\n"):
        if (
            line.count("(") != line.count(")")
            or line.count("[") != line.count("]")
            or line.count("{") != line.count("}")
        ):
            return False
    return True


def _compiled(source: str, mode: str, order_sensitive: bool) -> Compiled | None:
    try:
        code = compile(source, PROGRAM, mode, dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return None
    pending = [code]
    while pending:
        part = pending.pop()
        rest = part.co_code[::2].translate(None, _ALLOWED_CODES)
        if rest:
            if rest.translate(None, _SET_CODES):
                return None
            order_sensitive = True
        order_sensitive |= _reads_attribute(part)
        if not _GATED_ATTRIBUTES.isdisjoint(part.co_names):  # globals too
            return None
        for constant in part.co_consts:
            kind = type(constant)
            if kind is CodeType:
                pending.append(constant)
            elif kind is frozenset:  # a set display of constants
                order_sensitive = True
    return code, order_sensitive


_LOAD_ATTRIBUTE = opcode.opmap["LOAD_ATTR"]
_METHODS_TOO = "LOAD_METHOD" not in opcode.opmap  # from 3.12 on, where the argument's last bit says that it is called


def _reads_attribute(part: CodeType) -> bool:
    """Whether an attribute is read for anything but to be called at once: the repr of a method shows an address."""
    code = part.co_code
    if not _METHODS_TOO:
        return _LOAD_ATTRIBUTE in code[::2]
    pairs = zip(code[::2], code[1::2], strict=True)
    return any(operation == _LOAD_ATTRIBUTE and not argument & 1 for operation, argument in pairs)
