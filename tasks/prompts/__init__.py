"""Prompt styles: folders of templates. The wording is in the text files, this module only fills them in.

A style is a folder with `style.toml` and one text file a template. The settings in style.toml:

    grammar    "tags" or "doctest": how answers are read (tasks/grammar)
    chat       whether prompts are meant as a user's message in the tokenizer's chat template
    examples   how many of examples.txt a proposal's prompt shows
    [stop]     template name -> strings that end a response

A template's `$name` is replaced (see TEMPLATES for the names each may use). The text from `$answer` on is both the
end of the prompt and the beginning of the answer. Optional files: hints.txt, a line each, one of which is drawn for
$hint; examples.txt, functions to show in place of $examples, set apart by lines of "---", of those with the hint's
parameters where there are enough; plain.txt, a frame around a prompt for models without a chat template.
"""

import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from tasks.grammar import GRAMMARS, Grammar
from tasks.triplet import Prompt, Triplet

_FOLDER = Path(__file__).parent
_ANSWER = re.compile(r"\$answer\b|\$\{answer\}")

TEMPLATES: dict[str, frozenset[str]] = {
    "propose_deduction": frozenset({"examples", "references", "hint", "answer"}),
    "propose_abduction": frozenset({"examples", "references", "hint", "answer"}),
    "propose_induction": frozenset({"examples", "program", "input", "count", "hint", "answer"}),
    "solve_deduction": frozenset({"program", "input", "answer"}),
    "solve_abduction": frozenset({"program", "output", "answer"}),
    "solve_induction": frozenset({"pairs", "message", "answer"}),
    "reference": frozenset({"program", "input", "output"}),
    "pair": frozenset({"input", "output"}),
}
_OPTIONAL: dict[str, frozenset[str]] = {"plain": frozenset({"question", "answer"})}


class StyleError(ValueError):
    """A style that can't be used, and why, in one line."""


@dataclass(frozen=True)
class Style:
    """A loaded style. Immutable; one is enough for a whole run."""

    name: str
    chat: bool
    grammar: Grammar
    templates: Mapping[str, str]
    stop: Mapping[str, tuple[str, ...]]
    examples: tuple[str, ...] = ()
    examples_shown: int = 0
    hints: tuple[str, ...] = ()

    def prompt(self, template: str, **values: object) -> Prompt:
        """The filled-in template, split at `$answer`."""
        question, *answer = _ANSWER.split(self.templates[template], maxsplit=1)
        prefix = Template("".join(answer)).substitute(values)
        return Prompt(Template(question).substitute(values) + prefix, self.stop.get(template, ()), prefix)

    def reference(self, triplet: Triplet) -> str:
        """A past task as a proposal's prompt shows it."""
        return Template(self.templates["reference"]).substitute(
            program=triplet.program, input=triplet.input, output=triplet.output
        )

    def pairs(self, pairs: tuple[tuple[str, str], ...]) -> str:
        """Input/output pairs as an induction prompt shows them."""
        pair = Template(self.templates["pair"])
        return "\n".join(pair.substitute(input=given, output=result) for given, result in pairs)

    def variety(self, rng: random.Random) -> dict[str, str]:
        """`examples` and `hint` for one proposal's prompt, drawn so that prompts differ and so do the proposals.

        The examples have the hint's parameters where there are enough of those: a small model calls `f` as it last saw.
        """
        hint = rng.choice(self.hints) if self.hints else ""
        signature = f"def f({hint.partition(')')[0]})"
        alike = [example for example in self.examples if example.startswith(signature)]
        drawn = alike if len(alike) >= self.examples_shown else self.examples
        return {"examples": "\n\n".join(rng.sample(drawn, self.examples_shown)), "hint": hint}

    def plain(self, prompt: Prompt) -> Prompt:
        """The prompt for a model without a chat template: in the style's frame if it has one, else as it is."""
        if "plain" not in self.templates:
            return prompt
        framed = self.prompt("plain", question=prompt.text)
        return Prompt(framed.text, prompt.stop + framed.stop, framed.answer_prefix + prompt.answer_prefix)


def load_style(name_or_path: str | Path) -> Style:
    """The style of that name among ours, or the one in the folder of that path.

    Raises StyleError where there is no such folder, a template is missing or uses an unknown `$name`, or style.toml
    can't be read.
    """
    folder = _FOLDER / name_or_path if (_FOLDER / name_or_path).is_dir() else Path(name_or_path)
    if not folder.is_dir():
        ours = ", ".join(sorted(path.name for path in _FOLDER.iterdir() if (path / "style.toml").is_file()))
        raise StyleError(f"no prompt style {str(name_or_path)!r}: give a folder, or one of {ours}")
    settings = _settings(folder / "style.toml")
    templates = {name: _template(folder / f"{name}.txt", names) for name, names in TEMPLATES.items()}
    templates |= {
        name: _template(folder / f"{name}.txt", names)
        for name, names in _OPTIONAL.items()
        if (folder / f"{name}.txt").is_file()
    }
    blocks = re.split(r"(?m)^---$", _optional(folder / "examples.txt"))
    examples = tuple(block.strip("\n") for block in blocks if block.strip())
    if not 0 <= settings["examples"] <= len(examples):
        raise StyleError(f"{folder}: examples = {settings['examples']}, but examples.txt has {len(examples)}")
    return Style(
        name=folder.name,
        chat=settings["chat"],
        grammar=GRAMMARS[settings["grammar"]],
        templates=templates,
        stop={name: tuple(strings) for name, strings in settings["stop"].items()},
        examples=examples,
        examples_shown=settings["examples"],
        hints=tuple(line.replace(r"\n", "\n") for line in _optional(folder / "hints.txt").splitlines()),
    )


def _settings(path: Path) -> dict[str, Any]:
    """style.toml, with every setting there and of the right type."""
    try:
        settings: dict[str, Any] = {"examples": 0, "stop": {}} | tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StyleError(f"{path}: {error}") from error
    if settings.get("grammar") not in GRAMMARS or not isinstance(settings.get("chat"), bool):
        raise StyleError(f"{path}: needs grammar (one of {', '.join(GRAMMARS)}) and chat (true or false)")
    if type(settings["examples"]) is not int:
        raise StyleError(f"{path}: examples is a number")
    if unknown := settings.keys() - {"grammar", "chat", "examples", "stop"}:
        raise StyleError(f"{path}: {min(unknown)} is no setting of a style")
    if not isinstance(settings["stop"], dict):
        raise StyleError(f"{path}: [stop] is a table")
    for name, strings in settings["stop"].items():
        if name not in TEMPLATES.keys() | _OPTIONAL.keys():
            raise StyleError(f"{path}: [stop] names {name}, which is no template")
        if not isinstance(strings, list) or not all(isinstance(string, str) and string for string in strings):
            raise StyleError(f"{path}: [stop] {name} is a list of strings, none of them empty")
    return settings


def _template(path: Path, names: frozenset[str]) -> str:
    """The text without its last line end, so that `$answer` can stand on a line of its own."""
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StyleError(f"{path}: {error}") from error
    if not Template(text).is_valid():
        raise StyleError(f"{path}: a $ that is not part of a name; write $$ for a dollar sign")
    if unknown := set(Template(text).get_identifiers()) - names:
        raise StyleError(f"{path}: ${min(unknown)} is unknown here; known: {', '.join(sorted(names))}")
    return text


def _optional(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
