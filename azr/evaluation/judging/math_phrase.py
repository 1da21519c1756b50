"""Reading an answer from a sentence: "The answer is **18**.", "18 because ...", "$12 and pays $7, so $5 is left"."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from azr.evaluation.judging.math_units import known_unit

_LONGEST_FORMULA = 300  # characters, of one without delimiters
_MARKS = "*_`'\"“”‘’"
_OPENING = re.compile(r"\$\$|\\\[|\\\(|(?<!\\)\$")
_CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
_SENTENCE_END = re.compile(rf"\n|(?<!\\)(?<!i\.e)(?<!e\.g)[.!?](?=[{_MARKS})\]]*(?:\s|$))|(?<!\\);\s")
_UNSIGNED = r"(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\d.])\.\d+)"
_POWER_OF_TEN = r"(?:[eE][-+]?\d+(?![A-Za-z])|\s*(?:\\times|\\cdot|×|·|\*|x)\s*10\s*\^\s*\{?[-−]?\d+\}?)"
_NUMBER = re.compile(
    r"(?:(?<![\w)\]%.])[-−])?(?:\\?[$€£¥]\s?[-−]?)?(?<![\w.])"
    rf"(?:(?<=[$€£¥])\d{{1,3}}(?: \d{{3}})+(?!\d)|\d+(?::\d+)+|\d+\s+\d+/\d+|{_UNSIGNED}(?:/\d[\d,]*)*)"
    rf"{_POWER_OF_TEN}?(?:\s?\\?%)?"
)
_FILLER = re.compile(
    r"(?:(?:therefore|thus|hence|then|so|simply|just|clearly|indeed|obviously|exactly|precisely|actually|equal to|"
    r"equals|found to be|given by|about|approximately|roughly|around|only|also|now|in total|a total of|is|be|that|"
    r"option|choice|i get|turns out to be|comes out to)(?![A-Za-z])[\s,:]*|(?:[=:≈→⇒]|[-=]>)\s*|"
    r"\\(?:approx|to|implies|Rightarrow|rightarrow)(?![A-Za-z])\s*)+",
    re.IGNORECASE,
)
# What makes a number behind it another one, or none.
_UNFIT_BEFORE = re.compile(
    r"(?:\b(?:between\s+\S+\s+and|not|least|most|than|between|over|under|above|below|up to|mod|modulo|base|no)|n't|"
    r"[≠≥≤]|(?<![-=])>|(?<!<)<)"
    rf"(?:\s+(?:equal to|be|a|the))?[\s{_MARKS}$(]*\Z"
)
# What makes a number before it another one: "5 million", "5 to 3", "5 out of 8".
_GOES_ON = re.compile(
    r"\s*[-(]?\s*(?:(?:to|out of|of|over|mod|modulo|times|plus|minus|divided by|or)(?=\s+[\\$]{0,2}\d)|"
    r"(?:million|thousand|billion|trillion|hundred|squared|cubed|percent|factorial|and a half|or more|or less|or fewer|"
    r"(?:in )?base \w+)(?![A-Za-z])|\.\.\.|…)"
)
_CLAUSE = re.compile(
    r"[,;:]?\s+(?:because|since|as|which|so|where|when|in total|altogether|respectively|per|each|"
    r"and (?:so|that|this|it|nothing|no)|(?:and )?not|but|rather than|instead of|for|with|is|are)\b|"
    r",?\s+\(?(?:i\.e|e\.g|viz)\.|\s\((?!(?:in )?base)(?=[^()]*(?<![\\A-Za-z])[A-Za-z]{3})|"
    r"\s[–—-]\s+(?=[A-Za-z]{2})|,\s+(?!and\b|or\b)(?=[A-Za-z]{2})"
)
_REASON = re.compile(r",?\s+(?:because|since|as|who|which|so)\b")  # ends an answer in words
_TALK = re.compile(r"[^\w\\^*/+=<>%-]*")  # no word and no sign of a formula
_NEGATIVE = re.compile(r"(?:minus|negative)\s+(?=[\d$\\])", re.IGNORECASE)
_BULLET = re.compile(r"[ \t]*(?:\r?\n\s*)+[-•+*][ \t]+")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_FUNCTIONS = frozenset(
    ("sqrt", "sin", "cos", "tan", "log", "exp", "and", "pi", "arcsin", "arccos", "arctan", "infinity")
)
_BOLD_NUMBER = re.compile(rf"\*\*([$€£¥]?\s?-?{_UNSIGNED}%?(?: [a-z]+){{0,3}})\*\*")
_TUPLE = re.compile(r"(?<!\w)[(\[][^()\[\]\n,A-Za-z]{1,40}(?:,[^()\[\]\n,A-Za-z]{1,40})+[)\]]")
# A calculation in brackets behind what it gives: $9 ($4 + $5).
_ASIDE = re.compile(r"(?<=[\d*]) \([^()\n]{0,100}[-+*/×=][^()\n]{0,100}\)(?=[.\s]*\Z)")
_CIRCUMSTANCE = re.compile(
    r"(?<![A-Za-z])(?:in|after|for|per|within|over|out of|from|to (?:make|clean|complete|fill))"
    r"(?: (?:the|these|all|those|a))?(?: (?:last|first|next|full))?\s*\Z"
)
_IN_FORMULA = re.compile(r"[\\{}^√π²³]|\d[ixyznk](?![A-Za-z])")  # a token that is more than a number
_LISTED = re.compile(r"\s*(?:,\s*and|,\s*or|,|and|or)\s*(?=\$|\\[(\[])")
_UNIT_BEHIND = re.compile(r"[ \t]*(?!in\s+[A-Za-z])(\\?%|°|[A-Za-z]{1,12}(?:/[a-z]+)?(?:\^?\d)?)(?=[\s.,;*)]|$)")


@dataclass(frozen=True, slots=True)
class _Formula:
    content: str
    start: int
    end: int


def read_phrase(text: str) -> str | None:
    """The answer that `text`, which stands behind "the answer is", begins with; None where its sentence has none.

    That is the formulas or the number it begins with, else the last ones of its sentence, else the sentence, if it is
    a formula without delimiters or a few words.
    """
    if bullet := _BULLET.match(text):
        text = text[bullet.end() :]
    text = text.lstrip(" \t\r\n#>:" + _MARKS)
    if filler := _FILLER.match(text):
        text = text[filler.end() :].lstrip(" \t\r\n" + _MARKS)
    text = _NEGATIVE.sub("-", text, count=1) if _NEGATIVE.match(text) else text
    if formulas := _leading_formulas(text):
        return formulas
    if choice := re.match(r"\(?([A-J])\)(?=[\s.:*]|$)", text):
        return f"({choice[1]})"
    ending = _SENTENCE_END.search(text)
    sentence = bare(text[: ending.start()] if ending else text)
    clause = bare(sentence[: cut.start()] if (cut := _CLAUSE.search(sentence)) else sentence)
    if "=" in clause and " " in clause and not _is_formula_text(clause):  # 90 minutes / 450 minutes * 100% = 20%
        return read_phrase(clause.rpartition("=")[2])
    number = _NUMBER.match(sentence)
    if number is None and (_is_formula_text(clause) or (clause == sentence and not _NUMBER.search(sentence))):
        return _words(clause)
    if number and _ends_behind(sentence, number):
        return _with_unit(number[0], sentence[number.end() :])
    if number:
        return clause or None
    if _NUMBER.search(sentence) or _OPENING.search(sentence):
        return last_formula_or_number(sentence)
    return _words(bare(_REASON.split(sentence, maxsplit=1)[0]))


def last_formula_or_number(text: str) -> str | None:
    """The last of the formulas and numbers in a text; None where there is none, or it is said not to be so."""
    text = _ASIDE.sub("", text)
    formulas = list(_formulas(text))
    numbers = list(_NUMBER.finditer(text))
    if formulas and (not numbers or numbers[-1].start() < formulas[-1].end):
        return formulas[-1].content if _is_said(text, formulas[-1].start) else None
    while numbers and (not _is_said(text, numbers[-1].start()) or _is_circumstance(text, numbers)):
        numbers.pop()
    if not numbers:
        return None
    if bold := _bold_before(text, numbers[-1]):
        return bold
    if formula := _enclosing_tuple(text, numbers[-1]) or _bare_formula(text, numbers[-1]):
        return formula
    going_on = _GOES_ON.match(text, numbers[-1].end())
    return numbers[-1][0].strip() + (going_on[0] if going_on and not going_on[0].strip().startswith("or") else "")


def last_words(text: str) -> str | None:
    """The last words in bold, else the last choice, (D), or the text if it is one word; None where there are none."""
    bold = re.findall(r"\*\*([^*\n]{1,100})\*\*", text)
    word = re.fullmatch(r"([^\s.]{1,100})\.?", text.strip())
    choices = re.findall(r"(?<!\w)\([A-J]\)", text)
    return _words(bare(bold[-1] if bold else word[1] if word else "".join(choices[-1:])))


def _words(text: str) -> str | None:
    """A formula or a few words; None where they are too many for an answer, or deny one."""
    if not text or _is_formula_text(text):
        return text or None
    denied = _UNFIT_BEFORE.search(text) or re.match(r"(?:not|unknown|unclear|obvious)\b", text, re.IGNORECASE)
    return None if denied or len(text.split()) > 8 or not re.search(r"\w", text) else text


def _bold_before(text: str, number: re.Match[str]) -> str | None:
    """The one number in bold in a line that ends in plain ones: he has **$22** after 2 weeks."""
    start = max(text.rfind("\n", 0, number.start()), number.start() - _LONGEST_FORMULA) + 1
    bold = _BOLD_NUMBER.findall(text, start, number.end())
    return bold[0] if len(bold) == 1 and "=" not in text[start : number.end()] else None


def _enclosing_tuple(text: str, number: re.Match[str]) -> str | None:
    """The tuple or interval without delimiters that a number is part of, such as (1, 2)."""
    start = max(0, number.start() - _LONGEST_FORMULA)
    around = text[start : number.end() + _LONGEST_FORMULA]
    return next((f[0] for f in _TUPLE.finditer(around) if f.start() < number.end() - start <= f.end()), None)


def _bare_formula(text: str, number: re.Match[str]) -> str | None:
    r"""The LaTeX without delimiters that a number is part of, such as \frac{3}{56}; None where it is in none."""
    start = max(text.rfind("\n", 0, number.start()), number.start() - _LONGEST_FORMULA) + 1
    line_end = text.find("\n", number.end())
    line = text[start : line_end if line_end >= 0 else len(text)][: 2 * _LONGEST_FORMULA]
    tokens = list(re.finditer(r"\S+", line))
    own = next((at for at, token in enumerate(tokens) if token.end() > number.start() - start), 0)
    if not tokens or not _IN_FORMULA.search(tokens[own][0]):
        return None
    first = last = own
    while first > 0 and _is_mathematical(tokens[first - 1][0]):
        first -= 1
    while last + 1 < len(tokens) and _is_mathematical(tokens[last + 1][0]):
        last += 1
    return bare(line[tokens[first].start() : tokens[last].end()]) or None


def _is_mathematical(token: str) -> bool:
    return "\\" in token or not re.search(r"[A-Za-z]{2}|[:;]$", token)


def bare(text: str) -> str:
    """Without marks of Markdown and the full stop."""
    return text.strip().strip(_MARKS).strip().rstrip(".,").strip(_MARKS + " \t")


def _ends_behind(sentence: str, number: re.Match[str]) -> bool:
    """Whether the number that a sentence begins with is an answer by itself, and what follows is but talk."""
    rest = sentence[number.end() :].lstrip(_MARKS + ")]")
    if _TALK.fullmatch(rest):
        return True
    if _GOES_ON.match(rest):
        return False
    if _CLAUSE.match(rest):
        return True
    word = re.match(r"(\s*[(-]?\s*)([A-Za-z°]+)", rest)
    if word is None or word[2] in _FUNCTIONS:
        return False
    return known_unit(word[2]) is not None or len(word[2]) > (1 if word[1] else 2)


def _with_unit(number: str, rest: str) -> str:
    unit = _UNIT_BEHIND.match(rest)
    return f"{number.strip()} \\text{{{unit[1]}}}" if unit and known_unit(unit[1]) else number.strip()


def _is_formula_text(clause: str) -> bool:
    """Whether a text without delimiters is a formula: every word of it is a function's name."""
    has_sign = re.search(r"[=+*/^(\\]|\d", clause) is not None
    return (
        bool(clause)
        and has_sign
        and all(word in _FUNCTIONS for word in _WORD.findall(re.sub(r"\{[^}]*\}", "", clause)))
    )


def _leading_formulas(text: str) -> str | None:
    r"""The formulas that a text begins with ("$2$ and $3$", "\(5\) cm") as one, with the unit behind them."""
    found: list[str] = []
    position, formulas = 0, _formulas(text)
    for formula in formulas:
        if formula.start != position:
            break
        found.append(formula.content)
        position = formula.end
        if not (listed := _LISTED.match(text, position)):
            break
        position = listed.end()
    if len(found) != 1:
        return ", ".join(found) or None
    unit = _UNIT_BEHIND.match(text[position:])
    return f"{found[0]} \\text{{{unit[1]}}}" if unit and known_unit(unit[1]) else found[0]


def _formulas(text: str) -> Iterator[_Formula]:
    r"""What stands in $...$, $$...$$, \(...\) and \[...\]; two dollar signs may as well be two sums of money."""
    position = 0
    missing: set[str] = set()
    while opening := _OPENING.search(text, position):
        position = opening.end()
        if opening[0] in missing:
            continue
        end = text.find(_CLOSING[opening[0]], position)
        if end < 0:
            missing.add(opening[0])
        elif opening[0] != "$" or _is_formula(text, position, end):
            if text[position:end].strip():
                yield _Formula(text[position:end].strip(), opening.start(), end + len(opening[0]))
            position = end + len(opening[0])


def _is_formula(text: str, start: int, end: int) -> bool:
    """Pandoc's rule for $...$: no space inside its ends, no digit behind it; and no prose or end of line within."""
    content = text[start:end]
    if not content or "\n" in content or text[end + 1 : end + 2].isdigit():
        return False
    if content[0].isdigit() and content[-1].isspace():
        return False
    outside = re.sub(r"\\(?:text|mathrm|mbox|operatorname)\s*\{[^}]*\}", "", content)
    return not re.search(r"(?<![\\A-Za-z])[A-Za-z]{3,}\s+[A-Za-z]{2,}", outside)


def _is_circumstance(text: str, numbers: list[re.Match[str]]) -> bool:
    """Whether the last number but dates the result before it: 5 + 3 = 8 in the 15 days."""
    if len(numbers) < 2:
        return False
    between = text[numbers[-2].end() : numbers[-1].start()][-_LONGEST_FORMULA:]
    before = text[max(0, numbers[-2].start() - 10) : numbers[-2].start()]
    is_result = before.rstrip(" *$\\").endswith("=")
    return is_result and "\n" not in between and _CIRCUMSTANCE.search(between) is not None


def _is_said(text: str, position: int) -> bool:
    """Whether what stands at `position` is said to be so: no "not", "at least" or "more than" goes before it."""
    return not _UNFIT_BEFORE.search(text[max(0, position - 30) : position])
