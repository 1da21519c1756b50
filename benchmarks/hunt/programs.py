"""Programs for the hunt, grown from benchmarks/hunt/grammar.txt: what has led out of sandboxes, mixed by chance.

A trial is the body of a function: a few steps, each of which makes something out of what the steps before it made, of
objects of the library, and of spies, objects whose special methods keep whatever the interpreter or the library hands
them. A step that fails is passed over. What a trial kept is then looked at, by the program itself as far as it can
(benchmarks/hunt/prelude.txt), and the texts come out as the call's value. Trials share a prelude and stand many to a
module, since compiling it costs more than a trial does.
"""

import random
import re
from collections.abc import Sequence
from pathlib import Path

from sandbox.names import GUARDED_NAMES, INTERPRETER_NAMES, REFUSED_BUILTINS, VIEW_NAMES, words

Trial = tuple[str, ...]  # its steps

_FOLDER = Path(__file__).parent
_SYMBOL = re.compile(r"<([A-Za-z_]+)>")
_LEVELS = 4  # of values within values; below that they are atoms
_MOST_STEPS = 6
_COMMON = words(
    "abc collections contextlib copy dataclasses datetime decimal enum fractions functools io itertools json math "
    "numbers operator re string struct textwrap types typing"
)
_RARE = words("array csv hashlib pprint queue statistics")


def _rules() -> dict[str, list[str]]:
    """The grammar: each symbol's alternatives."""
    rules: dict[str, list[str]] = {
        "GUARDED": sorted(GUARDED_NAMES | VIEW_NAMES),
        "INTERPRETER": sorted(INTERPRETER_NAMES),
        "REFUSED_BUILTIN": list(REFUSED_BUILTINS),
    }
    _, _, text = (_FOLDER / "grammar.txt").read_text().partition("\n\n")
    for rule in re.split(r"\n(?=\w+:)", text):
        name, _, body = rule.partition(":")
        if "\n  -" in body:
            alternatives = re.split(r"\n  -(?: |(?=\n)|$)", body.rstrip())[1:]
            rules[name.strip()] = [re.sub(r"\n    ", "\n", alternative) for alternative in alternatives]
        else:
            rules[name.strip()] = body.split()
    return rules


_RULES = _rules()
_KNOWN = frozenset(_RULES) | {"RARE"}


def module(trials: Sequence[Trial], *, rare: bool, file: str) -> str:
    """A program whose f(number, token) runs the trial of that number, or none.

    `rare` says whether it imports what needs the second library; `file` is the path of one that it may not read.
    """
    prelude = (_FOLDER / "prelude.txt").read_text()
    prelude = prelude.replace("ALL_MODULES", ", ".join([*(_RARE if rare else []), *_COMMON]))
    prelude = prelude.replace("REFUSED", repr(sorted(INTERPRETER_NAMES))).replace("PATH", repr(file))
    steps = [_indented("\n".join(trial), 4) for trial in trials]
    functions = [f"def trial_{number}(token, v):\n{body}\n" for number, body in enumerate(steps)]
    table = ", ".join(f"{number}: trial_{number}" for number in range(len(trials)))
    return f"{prelude}\n{''.join(functions)}\nTRIALS = {{{table}}}\n"


class Grammar:
    """Grows trials and the modules that they stand in. The same chance gives the same ones."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.fresh = 0
        self.rare = False

    def trials(self, count: int) -> list[Trial]:
        """New trials for one module."""
        self.rare = self.chance.random() < 0.1
        return [self._trial() for _ in range(count)]

    def _trial(self) -> Trial:
        return tuple(self._grown("step", _LEVELS) for _ in range(self.chance.randint(1, _MOST_STEPS)))

    def _grown(self, symbol: str, levels: int) -> str:
        if symbol == "value":
            levels -= 1
            symbol = "value" if levels > 0 else "atom"
        if symbol == "RARE":
            return self.chance.choice(["array.array", "queue.Queue", "csv.Error"]) if self.rare else "str"
        text = self.chance.choice(_RULES[symbol])
        if "<new>" in text:
            self.fresh += 1
            text = text.replace("<new>", f"C{self.fresh}")
        grown = []
        for line in text.split("\n"):
            indent = len(line) - len(line.lstrip())
            whole = _SYMBOL.sub(lambda found: self._grown(found[1], levels) if found[1] in _KNOWN else found[0], line)
            grown.append(_indented(whole, indent, first=False))
        return "\n".join(grown)


def _indented(text: str, indent: int, *, first: bool = True) -> str:
    """The lines moved to the right, the first one too or not."""
    lines = text.split("\n")
    return "\n".join(" " * indent + line if line and (first or i) else line for i, line in enumerate(lines))
