r"""An answer's text in one dress: Unicode as LaTeX, colours, fonts and sizes gone, every argument in braces.

"√2⁄3", "\textcolor{red}{\dfrac{\sqrt2}3}" and "$\frac{\sqrt{2}}{3}$" become the same. No meaning is read here.
"""

import re
import unicodedata

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ", "0123456789+-()nix", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙᵢₓ", "0123456789+-()nix", strict=True))
_SYMBOLS = {
    "×": "\\times ", "✕": "\\times ", "⋅": "\\cdot ", "·": "\\cdot ", "∙": "\\cdot ", "•": "\\cdot ", "∗": "*",
    "÷": "\\div ", "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "±": "\\pm ", "∓": "\\mp ", "⁄": "/", "∕": "/",
    "≤": "\\le ", "⩽": "\\le ", "≥": "\\ge ", "⩾": "\\ge ", "≠": "\\neq ", "≈": "\\approx ", "≡": "\\equiv ",
    "→": "\\to ", "⇒": "\\implies ", "∴": "\\therefore ", "∞": "\\infty ", "∅": "\\emptyset ", "Ø": "\\emptyset ",
    "∪": "\\cup ", "∩": "\\cap ", "∈": "\\in ", "∖": "\\setminus ", "°": "^{\\circ}", "º": "^{\\circ}",
    "˚": "^{\\circ}", "…": "\\ldots ", "⋯": "\\ldots ", "∑": "\\sum ", "∏": "\\prod ", "∫": "\\int ",
    "⌊": "\\lfloor ", "⌋": "\\rfloor ", "⌈": "\\lceil ", "⌉": "\\rceil ", "′": "'", "’": "'", "ℝ": "\\mathbb{R}",
    "ℤ": "\\mathbb{Z}", "ℕ": "\\mathbb{N}", "ℚ": "\\mathbb{Q}", "ℂ": "\\mathbb{C}", "∠": "\\angle ", "ℓ": "\\ell ",
    "ħ": "\\hbar ", "✓": "", "✔": "", "✅": "", "☑": "", "∎": "", "％": "%", "，": ",", "（": "(", "）": ")", "：": ":",
    "＝": "=", "＋": "+", "²": "^{2}", "\ufe0f": "",
}  # fmt: skip
_SMALL = (
    ("α", "alpha"), ("β", "beta"), ("γ", "gamma"), ("δ", "delta"), ("ε", "epsilon"), ("ζ", "zeta"), ("η", "eta"),
    ("θ", "theta"), ("ι", "iota"), ("κ", "kappa"), ("λ", "lambda"), ("μ", "mu"), ("ν", "nu"), ("ξ", "xi"), ("π", "pi"),
    ("ρ", "rho"), ("σ", "sigma"), ("τ", "tau"), ("υ", "upsilon"), ("φ", "phi"), ("χ", "chi"), ("ψ", "psi"),
    ("ω", "omega"),
)  # fmt: skip
_LARGE = (
    ("Γ", "Gamma"), ("Δ", "Delta"), ("Θ", "Theta"), ("Λ", "Lambda"), ("Ξ", "Xi"), ("Π", "Pi"), ("Σ", "Sigma"),
    ("Φ", "Phi"), ("Ψ", "Psi"), ("Ω", "Omega"),
)  # fmt: skip
_GREEK = {sign: f"\\{name} " for sign, name in (*_SMALL, *_LARGE)}
_ROOTS = {"√": "\\sqrt", "∛": "\\sqrt[3]", "∜": "\\sqrt[4]"}

# Commands that change how their last argument looks; the number is that of the arguments before it.
_STYLES = {
    "fcolorbox": 2,
    **dict.fromkeys(("textcolor", "colorbox", "cellcolor", "enclose"), 1),
    **dict.fromkeys(
        ("boxed", "fbox", "framebox", "bbox", "mathbf", "boldsymbol", "bm", "pmb", "underline", "underbrace", "mathit",
         "mathnormal", "ensuremath", "displaystyle", "bold", "mathsf", "mathtt", "cancelto", "smash", "mathstrut",
         "emph"), 0,
    ),
}  # fmt: skip
_TEXTS = (
    "text|textrm|textbf|textit|texttt|textsf|textnormal|textup|textsc|mbox|hbox|mathrm|operatorname\\*?|mathop|rm|"
    "unit|mathbfit"
)
_TEXT_COMMAND = re.compile(rf"\\(?:{_TEXTS})\s*(?=\{{)")
_STYLE_COMMAND = re.compile(rf"\\({'|'.join(_STYLES)})\s*(?:\[[^\[\]]*\]\s*)?(?=\{{)")
_SIZES = re.compile(
    r"\\(?:left|right|middle)\s*\.|\\(?:left|right|middle|[bB]ig{1,2}[lrm]?|displaystyle|textstyle|scriptstyle|limits|"
    r"nolimits|mathstrut|bf|it|tt|sf|rm(?!\s*\{)|normalsize|large|Large|LARGE|small|scriptsize|footnotesize|tiny|huge|Huge|centering|"
    r"math(?:bb|cal|frak)(?=\s*\{[\d.,]+\}))(?![A-Za-z])"
)
_GONE = re.compile(
    r"\\(?:color|tag\*?|label|phantom|hphantom|vphantom|hspace\*?|vspace\*?)\s*\{[^{}]*\}|"
    r"\\(?:checkmark|blacksquare|square|qed|hfill|nonumber|notag|therefore|because)(?![A-Za-z])"
)
_SPACES = re.compile(
    r"(?<!\\)\\(?:[ ,;:>!]|(?:quad|qquad|enspace|thinspace|medspace|thickspace|space|nobreakspace)(?![A-Za-z]))|~|\s+"
)
_SYNONYMS = (
    (re.compile(r"\\(?:[dtcs]|nice)frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\text\s*\{\s*infinity\s*\}", re.IGNORECASE), r"\\infty"),
    (re.compile(r"\\text\s*\{\s*(?:all )?real numbers\s*\}|\\Bbb\s*\{?R\}?|\\R(?![A-Za-z])"), r"\\mathbb{R}"),
    (re.compile(r"\\(?:pounds|textsterling)(?![A-Za-z])"), "£"),
    (re.compile(r"\\leqslant(?![A-Za-z])|\\leq(?![A-Za-z])"), r"\\le"),
    (re.compile(r"\\geqslant(?![A-Za-z])|\\geq(?![A-Za-z])"), r"\\ge"),
    (re.compile(r"\\ne(?![A-Za-z])|\\not\s*="), r"\\neq"),
    (re.compile(r"\\lt(?![A-Za-z])"), "<"),
    (re.compile(r"\\gt(?![A-Za-z])"), ">"),
    (re.compile(r"\\(?:dots[bcimo]?|cdots|hdots|vdots|ddots)(?![A-Za-z])|\.\.\.+"), r"\\ldots "),
    (
        re.compile(
            r"\\(?:varnothing|O)(?![A-Za-z])|\\\{\s*\\\}|\\lbrace\s*\\rbrace|\\text\s*\{\s*(?:the )?empty set\s*\}",
            re.IGNORECASE,
        ),
        r"\\emptyset",
    ),
    (re.compile(r"\\lbrace(?![A-Za-z])"), r"\\{"),
    (re.compile(r"\\rbrace(?![A-Za-z])"), r"\\}"),
    (re.compile(r"\\(?:lbrack)(?![A-Za-z])"), "["),
    (re.compile(r"\\(?:rbrack)(?![A-Za-z])"), "]"),
    (re.compile(r"\\(?:lvert|rvert|vert)(?![A-Za-z])"), "|"),
    (re.compile(r"\\(?:rightarrow|longrightarrow|mapsto)(?![A-Za-z])"), r"\\to"),
    (re.compile(r"\\(?:varepsilon)(?![A-Za-z])"), r"\\epsilon"),
    (re.compile(r"\\dot\s*\{?\s*\\imath\s*\}?|\\(?:imath|jmath)(?![A-Za-z])"), "i"),
    (re.compile(r"\\(?:degree|textdegree)(?![A-Za-z])|\^\s*\{?\s*(?:\\circ|\\text\s*\{\s*o\s*\})\s*\}?"), r"^{\\circ}"),
    (re.compile(r"\\%"), "%"),
    (re.compile(r"\\&"), "&"),
    (re.compile(r"\\(?:smallsetminus|backslash)(?![A-Za-z])"), r"\\setminus"),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?:np|math|sp|sympy)\.(?=[a-z])"), ""),
)
_NAMES = "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|pi|theta|alpha|beta|infinity"
_BARE_NAME = re.compile(rf"(?<![\\A-Za-z{{])({_NAMES}|inf|oo)(?![A-Za-z])")


def plain(answer: str) -> str:
    """The answer in one dress. Text stays in \\text{...}; what enclosed it and the full stop behind it are gone."""
    text = _delimited(_from_unicode(answer.strip().strip("*`").strip()))
    text = re.sub(r"\\(?=\\(?:frac|sqrt|text|boxed|pi|cdot|times)\b)", "", text)  # JSON's doubled backslashes
    text = _SIZES.sub(" ", text)
    text = _GONE.sub("", text)
    text = _unstyled(text)
    text = re.sub(r"(\d),(?:\\!|\{\}|\\,)\s*(?=\d{3})|(\d)\{,\}(?=\d)", lambda m: f"{m[1] or m[2]},", text)
    text = _SPACES.sub(" ", text)
    text = _TEXT_COMMAND.sub(r"\\text", text)
    for pattern, name in _SYNONYMS:
        text = pattern.sub(name, text)
    return _trimmed(text)


def braced(text: str) -> str:
    r"""`plain` text with every argument in braces and calls in brackets: \frac12, x^10, sqrt(2), 2**(n+1)."""
    text = _BARE_NAME.sub(
        lambda m: {"inf": "\\infty", "infinity": "\\infty", "oo": "\\infty"}.get(m[1], "\\" + m[1]), text
    )
    text = re.sub(r"(\\sqrt)\s*\(", r"\1(", text)
    text = re.sub(r"(?:\{|^)([^{}]*)\\choose(?![A-Za-z])([^{}]*)(?:\}|$)", r"\\binom{\1}{\2}", text)
    text = re.sub(r"(\\(?:max|min|gcd|lcm))\s*\\\{((?:[^{}\\]|\\[A-Za-z])*)\\\}", r"\1(\2)", text)
    text = _arguments(text)
    return " ".join(text.split())


def squeezed(answer: str) -> str:
    """For comparing as strings: no text marks, no braces around one sign, no white space but between digits.

    In lower case if it is words.
    """
    text = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", answer)
    text = re.sub(r"(?<=\d)\s+(?=[\d\\])", "_", text)
    text = re.sub(r"\s|~", "", text)
    text = re.sub(r"\{([^{}\\])\}", r"\1", text)
    return text.lower() if re.fullmatch(r"[A-Za-z()' -]+", text) else text


def closing(text: str, start: int) -> int:
    """The position of the brace or bracket that closes the one at `start`; -1 where none does."""
    opening, ending = text[start], {"{": "}", "(": ")", "[": "]"}[text[start]]
    depth = 0
    position = start
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == opening:
            depth += 1
        elif text[position] == ending:
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return -1


def _from_unicode(text: str) -> str:
    out: list[str] = []
    position = 0
    while position < len(text):
        sign = text[position]
        position += 1
        if sign in _SUPERSCRIPTS or sign in _SUBSCRIPTS:
            table, mark = (_SUPERSCRIPTS, "^") if sign in _SUPERSCRIPTS else (_SUBSCRIPTS, "_")
            start = position - 1
            while position < len(text) and text[position] in table:
                position += 1
            out.append(f"{mark}{{{''.join(table[sign] for sign in text[start:position])}}}")
        elif sign in _ROOTS:
            operand = re.match(r"\s*(?:\d+(?:\.\d+)?|[A-Za-zπ])", text[position:])
            position += operand.end() if operand else 0
            out.append(_ROOTS[sign] + (f"{{{_from_unicode(operand[0].strip())}}}" if operand else ""))
        else:
            out.append(_one_sign(sign))
    return "".join(out)


def _one_sign(sign: str) -> str:
    if sign < "\x7f":
        return sign
    if sign in _SYMBOLS or sign in _GREEK:
        return _SYMBOLS.get(sign) or _GREEK.get(sign) or ""
    if unicodedata.category(sign) in ("Cf", "Cc", "Mn"):
        return ""
    if unicodedata.category(sign) == "Zs":
        return " "
    compatible = unicodedata.normalize("NFKC", sign)
    if found := re.fullmatch(r"(\d+)⁄(\d+)", compatible):
        return f"\\frac{{{found[1]}}}{{{found[2]}}}"
    return _GREEK.get(compatible, compatible) if sign not in "Åµ€£¥¢" else sign


def _delimited(text: str) -> str:
    r"""Without $, \( and \[ around formulas; a dollar sign that is money is written \$."""
    text = re.sub(r"(?<!\\)\\[()\[\]]", " ", text) if re.match(r"\s*\\[(\[]", text) else text
    if len(re.findall(r"(?<!\\)\$", text)) % 2:
        text = re.sub(r"^(\s*[-+]?\s*)\$(?=\s*[-+]?[\d.])", r"\1\\$", text)
    return re.sub(r"(?<!\\)\$", "", text)


def _unstyled(text: str) -> str:
    for command in reversed(list(_STYLE_COMMAND.finditer(text))):
        start, end = command.end(), -1
        for _ in range(_STYLES[command[1]] + 1):
            if start >= len(text) or text[start] != "{" or (end := closing(text, start)) < 0:
                break
            content = text[start + 1 : end]
            start = end + 1
        else:
            text = f"{text[: command.start()]} {content} {text[end + 1 :]}"
    return text


def _trimmed(text: str) -> str:
    while True:
        shorter = _unquoted(text.strip().strip("`")).removesuffix("\\\\").rstrip(" .,;:*").removeprefix("**").strip()
        if shorter.startswith("{") and closing(shorter, 0) == len(shorter) - 1:
            shorter = shorter[1:-1]
        if shorter == text:
            return text
        text = shorter


def _unquoted(text: str) -> str:
    return text[1:-1] if re.fullmatch(r'"[^"]*"|“[^“”]*”', text) else text


def _arguments(text: str) -> str:
    out: list[str] = []
    position = 0
    while position < len(text):
        if found := re.compile(r"\\frac(?![A-Za-z])").match(text, position):
            first, position = _argument(text, found.end(), digits=1)
            second, position = _argument(text, position, digits=1)
            out.append(f"\\frac{{{_arguments(first)}}}{{{_arguments(second)}}}")
        elif found := re.compile(r"\\sqrt\s*(\[[^\]]*\])?").match(text, position):
            operand, position = _argument(text, found.end(), digits=1)
            out.append(f"\\sqrt{found[1] or ''}{{{_arguments(operand)}}}")
        elif text[position] in "^_" and text[position - 1 : position] != "\\":
            operand, after = _argument(text, position + 1, digits=None)
            out.append(f"{text[position]}{{{_arguments(operand)}}}")
            position = after
        elif text[position] == "\\":
            out.append(text[position : position + 2])
            position += 2
        else:
            out.append(text[position])
            position += 1
    return "".join(out)


def _argument(text: str, position: int, digits: int | None) -> tuple[str, int]:
    """The argument at `position` and where it ends; of bare digits as many as `digits` says, or all."""
    while position < len(text) and text[position] == " ":
        position += 1
    if position >= len(text):
        return "", position
    if text[position] in "{(" and (end := closing(text, position)) > 0:
        return text[position + 1 : end], end + 1
    token = re.compile(
        r"[-+]?\d+(?:\.\d+)?|\\[A-Za-z]+(?:\{[^{}]*\})*|." if digits is None else r"\\[A-Za-z]+(?:\{[^{}]*\})*|."
    )
    found = token.match(text, position)
    assert found is not None
    return found[0], found.end()
