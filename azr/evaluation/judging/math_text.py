"""Reading a mathematical answer from text: the box, the unit, the plain number. No algebra here (see math_equal.py)."""

import re
from dataclasses import dataclass

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*\{")
_SAID = re.compile(r"(?:final\s+)?answer\s*(?:is|:|=)\s*[:=]?\s*(.+)", re.IGNORECASE)
_HASHES = re.compile(r"####\s*(.+)")
_MATH = re.compile(r"\$([^$\n]+)\$")
_NUMBER_IN_TEXT = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?(?:[eE][-+]?\d+)?")
_PLAIN_NUMBER = re.compile(r"([-+]?)(\d+(?:,\d{3})*|\d*)(\.\d*)?(?:(?:[eE]|\\times10\^)\{?([-+]?\d+)\}?)?")
_UNIT_DRESS = r"\\(?:text|mathrm|textrm|mbox|operatorname|rm|quad|mu|AA|,|;|!| )"
_UNIT_START = re.compile(rf"[\d}})\]](?=[\s~]*(?:{_UNIT_DRESS}|[A-Za-zÅµ]))")

# Each unit under one name. A unit that is not here says nothing: the value alone then decides.
_UNITS = {
    name: names[0]
    for names in (
        ("m", "meter", "meters", "metre", "metres"),
        ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
        ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
        ("km", "kilometer", "kilometers", "kilometre", "kilometres"),
        ("nm", "nanometer", "nanometers"),
        ("um", "micrometer", "micrometers", "micron", "microns", "µm"),
        ("angstrom", "angstroms", "Å"),
        ("inch", "inches", "in"),
        ("foot", "feet", "ft"),
        ("yard", "yards", "yd"),
        ("mile", "miles", "mi"),
        ("kg", "kilogram", "kilograms"),
        ("g", "gram", "grams"),
        ("mg", "milligram", "milligrams"),
        ("pound", "pounds", "lb", "lbs"),
        ("ounce", "ounces", "oz"),
        ("s", "sec", "second", "seconds", "secs"),
        ("ms", "millisecond", "milliseconds"),
        ("min", "minute", "minutes", "mins"),
        ("h", "hour", "hours", "hr", "hrs"),
        ("day", "days"),
        ("week", "weeks"),
        ("month", "months"),
        ("year", "years", "yr", "yrs"),
        ("m/s",),
        ("cm/s", "cm/sec"),
        ("km/h", "kph"),
        ("mph",),
        ("km/s",),
        ("N", "newton", "newtons"),
        ("J", "joule", "joules"),
        ("kJ", "kilojoule", "kilojoules"),
        ("eV",),
        ("keV",),
        ("MeV",),
        ("erg", "ergs"),
        ("W", "watt", "watts"),
        ("K", "kelvin", "kelvins"),
        ("Hz", "hertz"),
        ("kHz",),
        ("MHz",),
        ("V", "volt", "volts"),
        ("A", "ampere", "amperes", "amps"),
        ("Pa", "pascal", "pascals"),
        ("kPa",),
        ("MPa",),
        ("GPa",),
        ("mol", "mole", "moles"),
        ("L", "liter", "liters", "litre", "litres"),
        ("mL", "milliliter", "milliliters"),
        ("amu",),
        ("dollar", "dollars", "USD"),
        ("cent", "cents"),
        ("euro", "euros"),
        ("degree", "degrees"),
        ("radian", "radians", "rad"),
        ("arcsec", "arcsecs", "arcsecond", "arcseconds"),
        ("cm^2", "square centimeters"),
        ("m^2", "square meters"),
        ("cm^3", "cubic centimeters"),
        ("m^3", "cubic meters"),
    )
    for name in names
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """An answer's value as text, and its unit under our name, None where there is none that we know.

    `certain` is False where the unit may as well be a variable: a bare m or mg.
    """

    value: str
    unit: str | None
    certain: bool = True


def extract_answer(text: str) -> str | None:
    """The answer that a response ends with: its last box, else what it says, else its last formula or number.

    None where there is none of these. What stands in thinking marks does not count.
    """
    text = text.rsplit("</think>", 1)[-1]
    if (box := last_box(text)) is not None:
        return box[0].strip() or None
    for pattern in (_HASHES, _SAID):
        if found := pattern.findall(text):
            return _trimmed(found[-1])
    for pattern in (_MATH, _NUMBER_IN_TEXT):
        if found := pattern.findall(text):
            return _trimmed(found[-1])
    return None


def last_box(text: str) -> tuple[str, str] | None:
    r"""What stands in the last closed \boxed{...}, and the text behind it; None where no box closes."""
    for opening in reversed(list(_BOX.finditer(text))):
        depth = 1
        for position in range(opening.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[position], 0)
            if depth == 0:
                return text[opening.end() : position], text[position + 1 :]
    return None


def split_unit(answer: str) -> Quantity:
    """The answer without its unit, and the unit; a word that is no unit known here stays in the value."""
    text = plain(answer)
    if text.startswith(("$", "\\$")):
        return Quantity(text.lstrip("\\$"), "dollar")
    if found := re.search(r"(?:\^\{?\s*\\circ\s*\}?|°)$", text):
        return Quantity(text[: found.start()], "degree")
    for start in _unit_starts(text):
        if unit := known_unit(text[start:]):
            dressed = "\\" in text[start:] or len(text[start:].strip()) > 2
            return Quantity(text[:start].strip(), unit, certain=dressed)
    return Quantity(text, None)


def known_unit(text: str) -> str | None:
    r"""Our name of the unit that `text` consists of, LaTeX dress (\mathrm{~cm}) taken off; None if it is none."""
    bare = re.sub(r"\\(?:text|mathrm|textrm|operatorname|mbox|rm|quad|,|;|!| )|[~{}\s.$]", " ", text)
    bare = re.sub(r"\\mu\b", "u", bare).replace("\\AA", "Å")
    bare = re.sub(r"\s*([/^])\s*", r"\1", " ".join(bare.split()))
    joined = bare.replace(" ", "")
    return _UNITS.get(bare) or _UNITS.get(joined) or (_UNITS.get(bare.lower()) if len(bare) > 3 else None)


def unit_behind(tail: str) -> str | None:
    """The unit that follows a boxed number in a written solution, None where what follows is no unit known here."""
    return known_unit(re.split(r"[,=\n$]|\\\\(?![A-Za-z])|\\(?:end|\])", tail.lstrip().removeprefix("$"))[0])


def plain_number(text: str) -> float | int | None:
    """The number that `text` spells out (1,000 / -3.5 / 4.5e33 / 4.5 \\times 10^{33}), None if it is anything else."""
    squeezed = re.sub(r"\s|\\[,;! ]|\{,\}", lambda m: "," if m.group() == "{,}" else "", text)
    squeezed = squeezed.replace("\\cdot10", "\\times10")
    found = _PLAIN_NUMBER.fullmatch(squeezed)
    if not found or not (found[2] or (found[3] or "").strip(".")):
        return None
    sign, whole, decimals, exponent = found.groups()
    digits = f"{sign}{whole.replace(',', '') or '0'}"
    if len(digits) > 400 or (exponent and abs(int(exponent)) > 400):
        return None
    if decimals is None and exponent is None:
        return int(digits)
    value = float(f"{digits}{decimals or ''}e{exponent or 0}")
    return int(value) if decimals and not decimals.strip(".0") and exponent is None else value


def plain(answer: str) -> str:
    """The answer without what never changes its meaning: dollar signs around it, sizes of brackets, a full stop."""
    text = answer.strip().rstrip(".").strip()
    if text.startswith("$") and text.endswith("$") and len(text) > 2:
        text = text.strip("$")
    text = re.sub(r"\\left(?![a-z])|\\right(?![a-z])|\\displaystyle", "", text)
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    return text.strip().rstrip(".").strip()


def squeezed(answer: str) -> str:
    """`plain` without white space and text marks, in lower case where it is a word: for comparing as strings."""
    text = re.sub(r"\\(?:text|mathrm|textrm|mbox|textbf)\s*\{([^{}]*)\}", r"\1", plain(answer))
    text = re.sub(r"\s|\\[,;! ]|~", "", text)
    return text.lower() if text.isalpha() else text


def _trimmed(text: str) -> str | None:
    text = text.strip().strip("*").strip()
    if found := _MATH.search(text):
        text = found[1]
    return text.rstrip(".").strip() or None


def _unit_starts(text: str) -> list[int]:
    """Places where a unit may begin: behind a digit or bracket, before unit dress or a letter."""
    return [found.end() for found in _UNIT_START.finditer(text)]
