"""The page's figures: a plot, its numbers as a table and as CSV, and plain words on what it shows and what it can't."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from azr.boundary.accuracy import BINS, CELLS
from azr.boundary.course import Course, series
from azr.boundary.curves import Curve
from azr.boundary.perplexity import PERCENTS
from azr.boundary.plots import (
    PARTS,
    Lines,
    accuracy_plot,
    course_plot,
    curve_plot,
    difference_plot,
    entropy_plot,
    moves_plot,
    part_sizes,
    perplexity_plot,
    solved_plot,
)
from azr.boundary.study import Contrast, Pair, Study
from azr.boundary.terminal import doublings, value_and_interval
from azr.boundary.words import (
    course_in_words,
    crossing_in_words,
    listed,
    percent,
    perplexity_in_words,
    points,
    short_percent,
    solved_in_words,
    whole_percent,
)
from azr.report.drawing import PALETTE

TOLD_PERPLEXITIES = 6  # more of them are a wall of words


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as the template wants it: `label` says in words what the plot shows, `head` and `rows` are its table.

    `csv` has all of its numbers. `shows` and `hides` are the words under it.
    """

    id: str
    title: str
    caption: str
    label: str
    shows: str
    hides: str
    head: list[str]
    rows: list[list[str]]
    csv: str
    spec: dict[str, Any]


def figures(study: Study) -> list[Figure]:
    """The figures that the study has numbers for, in the order of the page."""
    course = _course(study.course) if study.course else []
    if not study.exact:
        return [*course, _solved(study)]
    reread = [_without_lucky(study)] if any(side.read_curve for side in study.sides) else []
    moves = [_moves(pair, pair.contrast, study) for pair in study.pairs if pair.contrast]
    likely = [_perplexity(study)] if study.perplexities else []
    return [*course, _pass(study), _differences(study), *reread, _solved(study), _accuracy(study), *moves, *likely]


def side_colours(study: Study) -> dict[str, str]:
    """A colour for each side; beyond the palette they come round again."""
    return {side.side.label: PALETTE[i % len(PALETTE)] for i, side in enumerate(study.sides)}


def _pass(study: Study) -> Figure:
    lines = [(side.side.label, side.curve) for side in study.sides if side.curve]
    return Figure(
        id="pass",
        title="pass@k",
        caption="The share of problems that at least one of k samples solves.",
        label=f"pass@k: {_ends(lines)}.",
        shows="The left end is what you get if you ask once, the right end what can be reached at all by asking often. "
        "A trained model that is ahead on the left and behind on the right finds faster what its base could do before, "
        "and has lost some of the rest. The shaded bands are 95 % intervals at each k.",
        hides="It can't tell a reasoned answer from a lucky one: at large k guessing pays, most of all where answers "
        "are short. It says nothing of k beyond the last. And bands that overlap don't mean that there is no "
        "difference, since all sides met the same problems; the next figure is made for that.",
        head=["k", *(name for name, _ in lines)],
        rows=_curve_rows(lines),
        csv=_curve_csv(lines),
        spec=curve_plot(lines, side_colours(study)),
    )


def _differences(study: Study) -> Figure:
    contrasts = {pair.second: (pair, pair.contrast) for pair in study.pairs if pair.contrast}
    first = study.pairs[0].first
    lines = [(name, contrast.difference) for name, (_, contrast) in contrasts.items()]
    says = " ".join(crossing_in_words(pair.first, pair.second, found.crossing) for pair, found in contrasts.values())
    ends = "; ".join(f"{n} {points(c.value[-1], c.low[-1], c.high[-1])} at k = {c.ks[-1]}" for n, c in lines)
    colours = {name: colour for name, colour in side_colours(study).items() if name in contrasts}
    where = "through it" if len(lines) == 1 else "of its colour at the foot"
    return Figure(
        id="difference",
        title=f"Ahead of {first} or behind",
        caption=f"{listed(list(contrasts))} minus {first}: the difference in pass@k over the same problems. A dot "
        f"marks where the curves cross, the bar {where} the crossing's interval.",
        label=f"Differences in pass@k to {first}: {ends}. {says}",
        shows=f"Above the line the trained model is ahead, below it {first} is. {says} Where a band lies wholly on one "
        "side, other problems of the kind would most likely have shown the same order at that k.",
        hides="The intervals know the choice of problems and the luck of sampling. They don't know that another "
        "training run might have come out otherwise. A bar that reaches the last k may go on beyond it.",
        head=["k", *(f"{name} − {first}" for name, _ in lines)],
        rows=_curve_rows(lines, sign="+"),
        csv=_curve_csv(lines),
        spec=difference_plot(lines, {name: found.crossing for name, (_, found) in contrasts.items()}, colours),
    )


def _without_lucky(study: Study) -> Figure:
    lines: list[tuple[str, Curve]] = []
    colours: dict[str, str] = {}
    dashed = []
    for side in study.sides:
        label = side.side.label
        if side.curve and side.read_curve:
            reread = f"{label}, without lucky"
            lines += [(label, side.curve), (reread, side.read_curve)]
            colours |= dict.fromkeys((label, reread), side_colours(study)[label])
            dashed.append(reread)
    return Figure(
        id="read",
        title="pass@k without lucky answers",
        caption="Dashed: right answers that a reader marked as lucky count as wrong.",
        label=f"pass@k as judged and without lucky answers: {_ends(lines)}.",
        shows="How much of a curve's right end rests on answers that a reader took for luck.",
        hides=f"Only answers to problems solved in less than {short_percent(study.rare_below)} of the samples were up "
        "for reading, and one that nobody marked counts as the judge has it. A mark is one reader's opinion.",
        head=["k", *(name for name, _ in lines)],
        rows=_curve_rows(lines),
        csv=_curve_csv(lines),
        spec=curve_plot(lines, colours, dashed),
    )


def _solved(study: Study) -> Figure:
    first = study.pairs[0].first
    says = " ".join(solved_in_words(pair) for pair in study.pairs)
    ids = range(len(study.ids))
    return Figure(
        id="solved",
        title="Who solves what",
        caption=f"A problem is solved if any of its samples is right. The first is {first}, the other what stands "
        "beside the bar.",
        label=f"Who solves what. {says}",
        shows=f"{says} If nearly all that a trained model solves is among what its base solves, training has not "
        "widened what it can do.",
        hides=f"Not solved means: not in so many samples. {_upper_bound(study)} And a problem solved by one sample "
        "alone may be luck, on either side.",
        head=["side", *PARTS, f"of its problems {first} solves"],
        rows=[
            [
                pair.second,
                *map(str, part_sizes(pair.overlap)),
                "–" if pair.overlap.share is None else whole_percent(pair.overlap.share),
            ]
            for pair in study.pairs
        ],
        csv=_csv(
            ["task_id", *(f"{side.side.label} {what}" for side in study.sides for what in _count_names(study))],
            ([study.ids[i], *(x for side in study.sides for x in (side.n[i], side.right[i]))] for i in ids),
        ),
        spec=solved_plot({pair.second: pair.overlap for pair in study.pairs}),
    )


def _accuracy(study: Study) -> Figure:
    histograms = {side.side.label: side.histogram for side in study.sides if side.histogram}
    ends = "; ".join(
        f"{name} has {h[0]} problems with none right and {h[-1]} with all" for name, h in histograms.items()
    )
    rows = [[name, *(h[i] for h in histograms.values())] for i, name in enumerate(BINS)]
    return Figure(
        id="accuracy",
        title="Right answers a problem",
        caption="How many problems have which share of right samples.",
        label=f"Problems by their share of right samples: {ends}.",
        shows="Reward moves problems that were solved at times towards always, and often some that were solved rarely "
        "towards never: then both ends grow. A model that learned what its base could not has fewer at the left end.",
        hides="It doesn't say which problems moved; the next figure does. With few samples a problem the shares are "
        "coarse, and none of ten is not none of a thousand.",
        head=["right samples", *histograms],
        rows=[[str(cell) for cell in row] for row in rows],
        csv=_csv(["right samples", *histograms], rows),
        spec=accuracy_plot(histograms, side_colours(study)),
    )


def _moves(pair: Pair, contrast: Contrast, study: Study) -> Figure:
    moves, number = contrast.moves, study.pairs.index(pair)
    says = f"{pair.second} solves {moves.up} problems more often, {moves.down} less often, {moves.same} just as often"
    return Figure(
        id=f"moves-{number}",
        title=f"How problems move from {pair.first} to {pair.second}",
        caption=f"Circles lie at the share of right samples of both, rounded to {100 // CELLS} %; their area says how "
        f"many problems lie there. Shares above 0 that are nearer to it than to {100 // CELLS} % stand between the "
        "two, and those next to 100 % likewise. The axes give low shares more room.",
        label=f"{says}.",
        shows=f"{says}. Above the dashed line problems got easier. On the left edge {pair.first} had no right sample: "
        f"what stands above the corner is new. What stands on the lower edge beyond it was lost to {pair.second}.",
        hides="Shares are estimates: with few samples a problem strays from the line by chance alone.",
        head=[f"{pair.first} right", f"{pair.second} right", "problems"],
        rows=[[f"{a:.3g}", f"{b:.3g}", str(count)] for a, b, count in moves.cells],
        csv=_csv([f"{pair.first} right", f"{pair.second} right", "problems"], moves.cells),
        spec=moves_plot(moves, pair.first, pair.second, side_colours(study)[pair.second]),
    )


def _course(course: Course) -> list[Figure]:
    """pass@1 and pass@n by step, and the entropy by step where the samples say it."""
    steps = [stop.step for stop in course.stops]
    lines, says = series(course), course_in_words(course)
    rows = [
        [str(step), *(f"{100 * v:.1f} [{100 * low:.1f}, {100 * high:.1f}]" for v, low, high in at)]
        for step, *at in zip(steps, *(values for _, values in lines), strict=True)
    ]
    shares = Figure(
        id="course",
        title="The boundary, step by step",
        caption=f"pass@1 and pass@{course.k} of a run's checkpoints on the same {course.problems} problems.",
        label=f"pass@1 and pass@{course.k} by step. {says}",
        shows=f"{says} Where pass@1 rises while pass@{course.k} falls, the run finds faster what it "
        "could do, and loses some of the rest; where both rise, it reaches further. Bands are 95 % intervals.",
        hides="Bands are those of each step by itself: all steps met the same problems, so a difference between two is "
        "surer than they look. Checkpoints that were not kept are not here.",
        head=["step", *(name for name, _ in lines)],
        rows=rows,
        csv=_csv(
            ["step", "line", "value", "low", "high"],
            (
                [step, name, *(f"{part:.6g}" for part in at)]
                for name, values in lines
                for step, at in zip(steps, values, strict=True)
            ),
        ),
        spec=course_plot(steps, lines),
    )
    known = [(stop.step, stop.entropy) for stop in course.stops if stop.entropy is not None]
    if len(known) < 2:
        return [shares]
    ends = f"from {known[0][1]:.3f} nats a token at step {known[0][0]} to {known[-1][1]:.3f} at step {known[-1][0]}"
    entropy = Figure(
        id="entropy",
        title="Entropy, step by step",
        caption="How undecided the model was while it answered: the mean of -log p over the sampled tokens.",
        label=f"Entropy {ends}.",
        shows=f"It goes {ends}. A policy that grows sure gives more equal answers, so that many samples are worth "
        "less: a part of what pass@k loses at large k is this.",
        hides="p is at the sampling's own temperature. Where top-p cut unlikely tokens away, they were never drawn: "
        "the entropy of the whole distribution is higher. And p is then the one before the cut where transformers "
        "sampled, the one after it where vLLM did, which gives fewer nats: compare what one engine sampled.",
        head=["step", "nats a token"],
        rows=[[str(step), f"{nats:.3f}"] for step, nats in known],
        csv=_csv(["step", "nats"], ([step, f"{nats:.6g}"] for step, nats in known)),
        spec=entropy_plot(known),
    )
    return [shares, entropy]


def _perplexity(study: Study) -> Figure:
    found = study.perplexities
    colours = {name: colour for name, colour in side_colours(study).items() if name in {one.under for one in found}}
    said = " ".join(perplexity_in_words(study))
    empty = sum(one.empty for one in found)
    left_out = f" {empty} empty answers have none and are left out." if empty else ""
    shown = said if len(found) <= TOLD_PERPLEXITIES else "The table has the numbers."
    return Figure(
        id="perplexity",
        title="Who could have said that",
        caption=f"Perplexity of each side's answers under {listed(list(colours))}, a colour each: the bar is the "
        "middle half, the stroke across it the median, and the line reaches from the 5th to the 95th percentile.",
        label=f"Perplexity of answers under models. {said}",
        shows=f"{shown} Answers of a trained model that its base finds about as likely as its own were within the "
        "base's reach before; what was learned from elsewhere tends to surprise it.",
        hides="It says how likely whole answers are, not whether they are right. Texts are cut into tokens anew, which "
        f"may differ from how they were sampled; the end of an answer is not counted.{left_out}",
        head=["answers", "under", "answers scored", *(f"{p} %" for p in PERCENTS)],
        rows=[[one.of, one.under, str(len(one.values)), *(f"{one.at(p):.4g}" for p in PERCENTS)] for one in found],
        csv=_csv(["under", "of", "perplexity"], ([o.under, o.of, f"{v:.6g}"] for o in found for v in o.values)),
        spec=perplexity_plot(found, colours),
    )


def _ends(lines: Lines) -> str:
    return "; ".join(
        f"{name} {percent(c.value[0])} at k = 1, {percent(c.value[-1])} at k = {c.ks[-1]}" for name, c in lines
    )


def _curve_rows(lines: Lines, sign: str = "") -> list[list[str]]:
    """At the powers of two and the last k, in per cent."""
    longest = max((curve.ks for _, curve in lines), key=len)
    return [
        [str(longest[column]), *(value_and_interval(curve, column, sign) for _, curve in lines)]
        for column in doublings(longest)
    ]


def _curve_csv(lines: Lines) -> str:
    rows = (
        [name, curve.ks[i], *(f"{part[i]:.6g}" for part in (curve.value, curve.low, curve.high))]
        for name, curve in lines
        for i in range(len(curve.ks))
    )
    return _csv(["side", "k", "value", "low", "high"], rows)


def _count_names(study: Study) -> tuple[str, str]:
    return ("samples", "right") if study.exact else ("samples", "solved")


def _upper_bound(study: Study) -> str:
    """What no right sample says: with p as the chance of a right one, (1 − p)^n is 5 % at the bound."""
    fewest = min(int(side.n.min()) for side in study.sides)
    if not study.exact or fewest < 2:
        return ""
    return f"None right of {fewest} still allows for {percent(1 - 0.05 ** (1 / fewest))} right ones (95 % bound)."


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
