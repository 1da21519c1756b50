"""What was found, in plain sentences: for the page's head, the terminal and programs alike."""

from collections.abc import Sequence

from azr.boundary.course import Course
from azr.boundary.curves import Crossing, Curve
from azr.boundary.study import Contrast, Pair, Study


def listed(names: Sequence[str]) -> str:
    """Names in a row: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def percent(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.1f} %"


def whole_percent(share: float) -> str:
    """A share in whole per cent; 99.7 % is not all, and 0.3 % not none."""
    if 0 < share < 1 and not 0.005 <= share < 0.995:
        return "under 1 %" if share < 0.5 else "over 99 %"
    return f"{100 * share:.0f} %"


def short_percent(share: float) -> str:
    """A share that a person chose, with no more digits than they gave."""
    return f"{100 * share:g} %"


def points(value: float, low: float, high: float) -> str:
    """A difference of shares in points, with its interval."""
    return f"{signed(value)} points [{signed(low)}, {signed(high)}]"


def signed(share: float) -> str:
    """A difference of shares in points, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def crossing_interval(crossing: Crossing) -> str:
    """The interval of a crossing: ends beyond the curves are said to be so."""
    if crossing.low is None:
        return f"beyond k = {crossing.last}"
    low = "the start" if crossing.low == 1 else f"k = {crossing.low}"
    high = f"beyond k = {crossing.last}" if crossing.high is None else f"k = {crossing.high}"
    return f"k = {crossing.low}" if crossing.low == crossing.high else f"{low} to {high}"


def crossing_in_words(first: str, second: str, crossing: Crossing) -> str:
    """Who is ahead at one sample, who overtakes and where, and how sure that is."""
    if crossing.ahead is None:
        return f"{first} and {second} don't differ at any k up to {crossing.last}."
    ahead, behind = (first, second) if crossing.ahead == 0 else (second, first)
    if crossing.last == 1:
        return f"{ahead} is ahead at k = 1; one sample a problem can't show a crossing."
    times = f"{whole_percent(crossing.share)} of the resamples cross at or before k = {crossing.last}"
    if crossing.k is None:
        where = f"{behind} does not overtake {ahead}: no crossing up to k = {crossing.last}"
        return f"{where} (95 % interval: {crossing_interval(crossing)}; {times})."
    again = f" The curves change places {crossing.crossings} times in all." if crossing.crossings > 1 else ""
    return (
        f"{ahead} is ahead at first; {behind} overtakes it at k = {crossing.k} "
        f"(95 % interval: {crossing_interval(crossing)}; {times}).{again}"
    )


def solved_in_words(pair: Pair) -> str:
    """The two sets and their overlap."""
    sets = pair.overlap
    total = sets.first + len(sets.only_second) + len(sets.neither)
    said = f"Of {total} problems {pair.first} solves {sets.first}, {pair.second} {sets.second}."
    if sets.share is None:
        return said
    if not sets.only_second:
        return f"{said} All that {pair.second} solves, {pair.first} solves too; {len(sets.only_first)} it solves alone."
    return (
        f"{said} {pair.first} solves {len(sets.both)} of {pair.second}'s {sets.second} ({whole_percent(sets.share)}); "
        f"{pair.second} alone solves {len(sets.only_second)}, {pair.first} alone {len(sets.only_first)}."
    )


def difference_in_words(pair: Pair, contrast: Contrast) -> str:
    """The difference at one sample and at the last k."""
    curve = contrast.difference
    ends = [_at(curve, 0)] if len(curve.ks) == 1 else [_at(curve, 0), _at(curve, -1)]
    return f"{pair.second} − {pair.first}: {', '.join(ends)}."


def course_in_words(course: Course) -> str:
    """How the ends of the curve moved between the first and the last checkpoint."""
    first, last = course.stops[0], course.stops[-1]
    moved = f"pass@1 goes from {percent(first.once[0])} to {percent(last.once[0])}"
    if course.k > 1:
        moved += f", pass@{course.k} from {percent(first.often[0])} to {percent(last.often[0])}"
    if first.entropy is not None and last.entropy is not None:
        moved += f", the entropy from {first.entropy:.2f} to {last.entropy:.2f} nats a token"
    return f"From step {first.step} to step {last.step}, over {course.problems} problems, {moved}."


def perplexity_in_words(study: Study) -> list[str]:
    """The median perplexity of each kind of answers under each model."""
    return [
        f"Under {one.under} the answers of {one.of} have a median perplexity of {one.at(50):.3g}"
        f" (half of them {one.at(25):.3g} to {one.at(75):.3g})."
        for one in study.perplexities
    ]


def study_in_words(study: Study) -> list[str]:
    """The findings, a paragraph for each side against the first, and one for a run's course."""
    return [*([course_in_words(study.course)] if study.course else []), *pairs_in_words(study)]


def pairs_in_words(study: Study) -> list[str]:
    """A paragraph for each side against the first."""
    said = []
    for pair in study.pairs:
        sentences = []
        if pair.contrast:
            sentences.append(crossing_in_words(pair.first, pair.second, pair.contrast.crossing))
            sentences.append(difference_in_words(pair, pair.contrast))
        said.append(" ".join([*sentences, solved_in_words(pair)]))
    return said


def _at(curve: Curve, index: int) -> str:
    return f"{points(curve.value[index], curve.low[index], curve.high[index])} at k = {curve.ks[index]}"
