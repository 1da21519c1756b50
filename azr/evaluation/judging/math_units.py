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
