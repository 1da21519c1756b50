"""The units that azr knows, each under one name."""

import re

# A unit that is not here says nothing: the value alone then decides.
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
        ("km/h", "kph"),
        ("mile/h", "mph"),
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
        ("C", "coulomb", "coulombs"),
        ("L", "liter", "liters", "litre", "litres"),
        ("mL", "milliliter", "milliliters"),
        ("amu",),
        ("dollar", "dollars", "USD"),
        ("cent", "cents"),
        ("euro", "euros"),
        ("degree", "degrees"),
        ("radian", "radians", "rad"),
        ("arcsec", "arcsecs", "arcsecond", "arcseconds"),
    )
    for name in names
}


def known_unit(text: str) -> str | None:
    r"""Our name of the unit that `text` consists of, LaTeX dress (\mathrm{~cm}) taken off; None if it is none.

    Powers and quotients of known units are known: square inches and in^2 are inch^2, m s^{-1} and "meters per second"
    are m/s.
    """
    bare = re.sub(r"\\(?:text|mathrm|textrm|operatorname|mbox|rm|quad|,|;|!| )|[~{}\s.$]", " ", text)
    bare = re.sub(r"\\mu(?![A-Za-z])\s*", "u", bare).replace("\\AA", "Å")
    return _named(re.sub(r"\s*([/^])\s*", r"\1", " ".join(bare.split())))


def _named(bare: str) -> str | None:
    joined = bare.replace(" ", "")
    if name := _UNITS.get(bare) or _UNITS.get(joined) or (_UNITS.get(bare.lower()) if len(bare) > 3 else None):
        return name
    if inverse := re.fullmatch(r"([A-Za-z]+)\^-1|/([A-Za-z]+)", bare):
        below = _named(inverse[1] or inverse[2])
        return below and f"1/{below}"
    if power := re.fullmatch(r"(square|sq|cubic|cu) (.+)|(.+?)\^([23])|(.+) (squared|cubed)", bare):
        base = _named(power[2] or power[3] or power[5])
        exponent = 2 if (power[1] or power[4] or power[6]) in ("square", "sq", "2", "squared") else 3
        return base and f"{base}^{exponent}"
    if quotient := re.fullmatch(r"([^/]+)(?:/| per )([^/]+)|([^/ ]+) ([A-Za-z]+)\^-1|([^/ ]+) ([A-Za-z]+)\^-2", bare):
        above, below = (_named(part) for part in (group for group in quotient.groups() if group))
        power_below = "^2" if bare.endswith("^-2") else ""
        return f"{above}/{below}{power_below}" if above and below else None
    return None


def unit_behind(tail: str) -> str | None:
    """The unit that follows a boxed number in a written solution, None where what follows is no unit known here."""
    return known_unit(re.split(r"[,=\n$]|\\\\(?![A-Za-z])|\\(?:end|\])", tail.lstrip().removeprefix("$"))[0])
