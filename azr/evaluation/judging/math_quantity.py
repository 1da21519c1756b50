r"""What stands around a number: labels before it, a currency, a unit or a noun behind it, words that change it."""

import re
from dataclasses import dataclass

from azr.evaluation.judging.math_dress import plain
from azr.evaluation.judging.math_units import known_unit

_DRESS = r"\\text|\\mu(?![A-Za-z])|\\AA(?![A-Za-z])"
_UNIT_START = re.compile(rf"(?:[\d}})\]]|\\pi(?![A-Za-z]))(?=\s*(?:(?:/\s*)?(?:{_DRESS})|[A-Za-zÅµ(]))")
_CURRENCIES = {
    "\\$": "dollar", "USD": "dollar", "€": "euro", "EUR": "euro", "£": "pound sterling", "GBP": "pound sterling",
    "¥": "yen", "¢": "cent", "₹": "rupee", "Rs": "rupee",
}  # fmt: skip
_CURRENCY = re.compile(
    r"^([-+]? ?)(?:\\text\s*\{\s*)?(?:US|CA|A)?(\\\$|[€£¥₹]|(?:USD|EUR|GBP|Rs)(?![A-Za-z]))\.?\s*\}?\s*(?=[-+\d.\\(])"
)
_CURRENCY_BEHIND = re.compile(r"(?<=\d)\s*(\\\$|[€£¥¢₹])$")
_QUOTIENT_OF_UNITS = re.compile(r"\\frac\s*\{\s*\\text\s*\{([^{}]*)\}\s*\}\s*\{\s*\\text\s*\{([^{}]*)\}\s*\}")
_SCALES = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}  # powers of ten
_SCALE = re.compile(rf"^(.*\d[\d}}]*)\s*(?:\\text\s*\{{)?\s*({'|'.join(_SCALES)})s?\b\s*([A-Za-z .]*)\}}?$")
_SIGN_BEFORE = re.compile(r"^(?:\\approx|\\simeq|\\sim|=|:|\\implies|\\Rightarrow|\\therefore)\s*")
_LABEL = re.compile(r"^(?:\\text\s*\{\s*([^{}]*?)\s*[:=]\s*\}|([A-Za-z][A-Za-z ]+):)\s*[:=]?\s*(?=\S)")
_HEDGES = "about|approximately|approx|exactly|roughly|around|only|just|nearly"
_HARMLESS = (
    f"{_HEDGES}|total|in|is|the|a|an|answer|final|result|value|sum|equals|equal|to|therefore|thus|so|hence|option|choice|"
    "of|it|are|be"
)
_HARMLESS_BEFORE = re.compile(
    rf"^(?:\\text\s*\{{\s*(?:(?:{_HARMLESS})\b[\s,.:]*)+\}}|(?:(?:{_HEDGES})\s+)+)\s*:?\s*(?=\S)",
    re.IGNORECASE,
)
# Behind a number, these make it another one, or a condition.
_CHANGING = re.compile(
    r"\b(?:not|no|or|and|to|least|most|more|less|greater|fewer|than|between|over|under|above|below|base|mod|modulo|"
    r"squared|cubed|root|roots|times|plus|minus|half|halves|thirds|quarters|out|if|for|when|where|otherwise|factorial|"
    r"remainder|hundred|thousand|million|billion|trillion|percent|except|negative|only if)\b"
)
_NOUN = re.compile(r"\(?(?:/ |-)?[A-Za-z](?:[A-Za-z .,'/()-]|\^-?\d)*")
_TEXT_OR_SIGN = re.compile(r"\\text\s*\{(?:[^{}]|\{[^{}]*\})*\}|\\(?:cdot|mu|AA|times)(?![A-Za-z])")
_BEHIND_NUMBER = re.compile(r"(?:[\d})]|\\cdot|/)$")  # or behind another unit
_ORDINAL = re.compile(r"(?<=\d)\s*(?:\^\s*\{?)?\s*(?:\\text\s*\{\s*(?:st|nd|rd|th)\s*\}|(?:st|nd|rd|th)\b)\s*\}?$")
_DEGREES = re.compile(r"\^\{\\circ\}\s*(?:\\text\s*\{)?\s*([CF]?)\s*\}?$")
_ANGLE_OF = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])|\\text\s*\{\s*cis\s*\}")
_NAMES = frozenset(("sin", "cos", "tan", "log", "exp", "sqrt", "mod", "gcd", "lcm", "max", "min", "inf"))


@dataclass(frozen=True, slots=True)
class Quantity:
    """An answer's value as text, and its unit under our name, None where there is none that we know.

    `certain` is False where the unit may as well be a variable, as a bare m or mg; it is `likely` one where it has two
    letters or stands apart.
    """

    value: str
    unit: str | None
    certain: bool = True
    likely: bool = True


def split_unit(answer: str) -> Quantity:
    """The answer without its unit, and the unit; a word that is no unit known here stays in the value."""
    text = without_label(plain(answer))
    if currency := _CURRENCY.match(text):
        rest = split_unit(currency[1] + text[currency.end() :])
        return Quantity(rest.value, _CURRENCIES[currency[2]])
    if behind := _CURRENCY_BEHIND.search(text):
        return Quantity(text[: behind.start()], _CURRENCIES[behind[1]])
    if (found := _DEGREES.search(text)) and not _ANGLE_OF.search(text):
        return Quantity(text[: found.start()].strip(), " ".join(filter(None, ("degree", found[1]))))
    if scaled := _SCALE.match(text):
        rest = split_unit(f"{scaled[1]} \\times 10^{{{_SCALES[scaled[2]]}}}")
        unit = known_unit(scaled[3])
        return Quantity(rest.value, unit or rest.unit)
    for start in _unit_starts(text):
        if unit := known_unit(text[start:]):
            tail = text[start:]
            certain = "\\" in tail or re.search("[A-Za-z]{3}", tail) is not None
            return Quantity(
                text[:start].strip(), unit, certain, re.search(r"^\s|[A-Za-z]\W*[A-Za-z]", tail) is not None
            )
    return Quantity(text, None)


def without_noun(value: str, bare_words: bool) -> str:
    """A value without the words behind its number: 18 \\text{ apples}, and with `bare_words` 18 apples.

    Words that change the number ("or more", "million") stay.
    """
    value = re.sub(r"(?<=\d)\s*\\text\s*\{\s*percent(?:age)?\s*\}$|(?<=\d)\s*(?:percent|pct)$", "%", value)
    value = _ORDINAL.sub("", value)
    for start in _unit_starts(value):
        tail = value[start:]
        words = (
            " ".join(re.sub(r"\\text|\\cdot|\\mu|\\AA|[{}~]", " ", tail).split()).replace(" ^", "^").replace("^ ", "^")
        )
        if not _NOUN.fullmatch(words) or _CHANGING.search(words.lower()):
            continue
        in_text = "\\text" in tail and not re.search("[A-Za-z]", _TEXT_OR_SIGN.sub("", tail))
        if in_text or (bare_words and _are_words(tail)):
            return value[:start].strip()
    return value


def without_label(text: str) -> str:
    r"""A plain answer without what announces it: \text{Total: }, "Answer:", \approx, =, "about"."""
    while True:
        shorter = _SIGN_BEFORE.sub("", text)
        if label := _LABEL.match(shorter):
            named = (label[1] or label[2] or "").lower()
            shorter = shorter if _CHANGING.search(named) else shorter[label.end() :]
        if re.search(r"\d", shorter):
            shorter = _HARMLESS_BEFORE.sub("", shorter)
        if shorter == text:
            return text
        text = shorter


def unwrapped_text(text: str) -> str:
    r"""\text{...} that is no words is taken off (\text{13}, \text{(C)}, \mathrm{e}); "18 dollars" in it is split."""

    def replace(found: re.Match[str]) -> str:
        content = found[1].strip()
        before = text[: found.start()].rstrip()
        if before.endswith(("_", "^")) or (known_unit(content) and _BEHIND_NUMBER.search(before)):
            return found[0]
        if re.fullmatch(r"[\d.,:/\s()+%-]*|\(?[A-Za-z]\)?", content):
            return f" {content} "
        if number := re.fullmatch(r"(.*?)\s*(-?\d[\d.,:/ ]*?%?)(\s*[A-Za-z(].*|[.,]?)", content):
            words = f"\\text{{{number[1]}}}" if number[1].strip() else ""
            behind = f"\\text{{{number[3]}}}" if number[3].strip(" .,") else ""
            return f"{words} {number[2].rstrip(',')} {behind}" if not re.search(r"\d", number[1]) else found[0]
        return found[0]

    text = _QUOTIENT_OF_UNITS.sub(r"\\text{\1/\2}", text)
    return re.sub(r"\\text\s*\{([^{}]*)\}", replace, text).strip()


def _are_words(tail: str) -> bool:
    """Whether what follows a number is words, not variables: each has three letters and a vowel, or is small."""
    words = re.findall(r"[A-Za-z]+", tail)
    return (
        tail.startswith((" ", "-", "("))
        and all(
            (len(word) > 2 and re.search("[aeiou]", word)) or word in ("of", "in", "per", "a", "an") for word in words
        )
        and any(len(word) > 2 for word in words)
        and not any(word in _NAMES for word in words)
        and "\\" not in tail
    )


def _unit_starts(text: str) -> list[int]:
    """Places where a unit may begin: behind a digit or bracket, before unit dress or a letter."""
    return [found.end() for found in _UNIT_START.finditer(text)]
