"""The study as plain data, for programs: shares in 0…1, ΔSE in points."""

from dataclasses import asdict
from typing import Any

from azr.boundary.accuracy import BINS
from azr.boundary.curves import Curve
from azr.boundary.gap import definition
from azr.boundary.perplexity import PERCENTS, Perplexities
from azr.boundary.sides import settings_beside
from azr.boundary.study import COVERS, Contrast, Pair, SideFigures, Study
from azr.boundary.words import crossing_in_words


def as_json(study: Study) -> dict[str, Any]:
    """Everything that was found."""
    return {
        "problems": len(study.ids),
        "left_out": list(study.left_out),
        "notes": list(study.notes),
        "intervals": COVERS,
        "sides": [_side(figures) for figures in study.sides],
        "pairs": [_pair(pair) for pair in study.pairs],
        "accuracy_bins": list(BINS),
        "guessing": _guessing(study),
        "course": None if study.course is None else asdict(study.course),
        "perplexity": [_perplexity(found) for found in study.perplexities],
        "per_problem": {
            task_id: {f.side.label: [int(f.n[i]), int(f.right[i])] for f in study.sides}
            for i, task_id in enumerate(study.ids)
        },
    }


def _side(figures: SideFigures) -> dict[str, Any]:
    side = figures.side
    found: dict[str, Any] = {
        "label": side.label,
        "file": str(side.file),
        "samples": int(figures.n.sum()),
        "fewest_samples": int(figures.n.min()),
        "solved": figures.solved,
        "entropy": figures.entropy,
        "asked": settings_beside(side.file),
        "bad_lines": side.bad_lines,
        "line_problems": list(side.line_problems),
    }
    if figures.curve:
        found |= {"right": int(figures.right.sum()), "pass@k": _curve(figures.curve)}
        found["accuracy"] = list(figures.histogram or ())
    if figures.reading:
        found["reading"] = figures.reading
    if figures.read_curve:
        found["pass@k_without_lucky"] = _curve(figures.read_curve)
    return found


def _pair(pair: Pair) -> dict[str, Any]:
    sets = pair.overlap
    found: dict[str, Any] = {
        "first": pair.first,
        "second": pair.second,
        "solved": {
            "first": sets.first,
            "second": sets.second,
            "both": list(sets.both),
            "only_first": list(sets.only_first),
            "only_second": list(sets.only_second),
            "neither": list(sets.neither),
            "share_of_second_that_first_solves": sets.share,
        },
    }
    return found | _contrast(pair, pair.contrast) if pair.contrast else found


def _contrast(pair: Pair, contrast: Contrast) -> dict[str, Any]:
    crossing, moves, gap = contrast.crossing, contrast.moves, contrast.gap
    names = (pair.first, pair.second)
    crosses = crossing.ahead is not None and crossing.k is not None
    return {
        "difference": {"is": f"{pair.second} − {pair.first}", **_curve(contrast.difference)},
        "crossing": {
            "ahead_at_1": None if crossing.ahead is None else names[crossing.ahead],
            "overtaken_by": names[1 - crossing.ahead] if crosses and crossing.ahead is not None else None,
            "k": crossing.k,
            "interval": [crossing.low, crossing.high],
            "last_k": crossing.last,
            "says": crossing_in_words(pair.first, pair.second, crossing),
            "share_of_resamples_that_cross": crossing.share,
            "changes_of_place": crossing.crossings,
        },
        "moves": {"up": moves.up, "same": moves.same, "down": moves.down},
        "delta_se": {
            "definition": definition(pair.first, gap.k),
            "k": gap.k,
            "value": gap.value,
            "interval": [gap.low, gap.high],
            "base_pass_at_k": gap.base,
            "trained_pass_at_1": gap.trained,
        },
    }


def _guessing(study: Study) -> dict[str, Any]:
    return {
        "below": study.rare_below,
        "problems": [
            {
                "task_id": problem.task_id,
                "counts": {label: list(counts) for label, counts in problem.counts.items()},
                "answers": [
                    {
                        "answer": answer.digest,
                        "times": dict(answer.times),
                        "mark": study.marks.get((problem.task_id, answer.digest)),
                        "text": answer.text,
                    }
                    for answer in problem.answers
                ],
            }
            for problem in study.rare
        ],
    }


def _perplexity(found: Perplexities) -> dict[str, Any]:
    percentiles = {str(percent): found.at(percent) for percent in PERCENTS}
    return {"under": found.under, "of": found.of, "percentiles": percentiles, "values": found.values.tolist()}


def _curve(curve: Curve) -> dict[str, list[float]]:
    return {
        "k": curve.ks.tolist(),
        "value": curve.value.tolist(),
        "low": curve.low.tolist(),
        "high": curve.high.tolist(),
    }
