"""The study's page: one HTML file that needs no network, in the style of azr report."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

import azr
from azr.boundary.figures import figures
from azr.boundary.gap import definition
from azr.boundary.guessing import Mark, RareProblem
from azr.boundary.sides import settings_beside
from azr.boundary.study import COVERS, SideFigures, Study
from azr.boundary.words import (
    crossing_interval,
    listed,
    percent,
    points,
    short_percent,
    study_in_words,
    whole_percent,
)
from azr.report.drawing import TEMPLATES, drawing_script, library

_HERE = Path(__file__).parent
_SETTINGS = ("model", "form", "temperature", "top_p", "max_tokens", "seed")
_LISTED = 400  # ids of a set that are written out; the CSV has all


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer to read. `who` says whose it is, which is shown once it is marked."""

    key: str
    text: str
    who: str
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class ProblemView:
    """A problem with answers to read."""

    task_id: str
    facts: str
    question: str | None
    answers: list[AnswerView]


def render(study: Study, questions: Mapping[str, str]) -> str:
    """The page. `questions` has the problems' texts by id, as far as they are known."""
    drawn = figures(study)
    names = [side.side.label for side in study.sides]
    shown = [p for p in study.rare if all(answer.text is not None for answer in p.answers)]
    folders = FileSystemLoader([_HERE, TEMPLATES])
    template = Environment(loader=folders, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    html = template.get_template("boundary.html").render(
        title=f"{listed(names)} - azr boundary",
        names=listed(names),
        style=Markup("\n".join(_read(path) for path in (TEMPLATES / "style.css", _HERE / "boundary.css"))),
        findings=study_in_words(study),
        notes=study.notes,
        tiles=[(side.side.label, _tiles(side)) for side in study.sides],
        covers=COVERS if study.exact else "",
        figures=drawn,
        crossings=_crossings(study),
        sets=_sets(study),
        gaps=_gaps(study),
        definitions=_definitions(study),
        rare_below=short_percent(study.rare_below),
        readings=[(side.side.label, *astuple(side.reading)) for side in study.sides if side.reading],
        reading=[_problem_view(problem, study, questions) for problem in shown],
        not_shown=len(study.rare) - len(shown),
        too_few=all(side.n.max() * study.rare_below <= 1 for side in study.sides),
        sides=[(side.side.label, str(side.side.file), f"{len(side.side.tallies):,}") for side in study.sides],
        asked=_asked(study),
        problems=f"{len(study.ids):,}",
        specs=_embedded({figure.id: figure.spec for figure in drawn}),
        tables=_embedded({figure.id: figure.csv for figure in drawn}),
        library=Markup(library()),
        script=Markup(drawing_script()),
        marks_script=Markup(_read(_HERE / "marks.js")),
        version=azr.__version__,
    )
    return html.encode("utf-8", "replace").decode()  # a model's text may hold halves of surrogate pairs


def _tiles(side: SideFigures) -> list[tuple[str, str]]:
    found = [("solved", f"{side.solved:,} of {len(side.n):,}")]
    if side.curve:
        found.insert(0, ("pass@1", percent(side.curve.value[0])))
        if len(side.curve.ks) > 1:
            found.insert(1, (f"pass@{side.curve.ks[-1]}", percent(side.curve.value[-1])))
    fewest, most = int(side.n.min()), int(side.n.max())
    if side.entropy is not None:
        found.append(("entropy", f"{side.entropy:.2f} nats a token"))
    found.append(("samples a problem", f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"))
    return found


def _asked(study: Study) -> list[list[str]]:
    """How azr asked the models whose samples these are."""
    asked = [(side.side.label, settings_beside(side.side.file)) for side in study.sides]
    return [[label, *(str(found.get(key, "-")) for key in _SETTINGS)] for label, found in asked if found]


def _crossings(study: Study) -> list[list[str]]:
    rows = []
    for pair in study.pairs:
        if pair.contrast:
            c, d = pair.contrast.crossing, pair.contrast.difference
            names = (pair.first, pair.second)
            at = f"none up to {c.last}" if c.k is None else f"k = {c.k}, by {names[1 - (c.ahead or 0)]}"
            ends = [points(d.value[i], d.low[i], d.high[i]) for i in (0, -1)]
            rows.append([pair.second, ends[0], at, crossing_interval(c), whole_percent(c.share), ends[1], str(c.last)])
    return rows


def _sets(study: Study) -> list[tuple[str, str, tuple[str, ...], str]]:
    """Whom a set of ids belongs to, how many they are, the ids, and what stands behind them."""
    found = []
    for pair in study.pairs:
        sets = pair.overlap
        for name, other, ids in (
            (pair.first, pair.second, sets.only_first),
            (pair.second, pair.first, sets.only_second),
        ):
            more = f"and {len(ids) - _LISTED} more (the CSV has all)" if len(ids) > _LISTED else "" if ids else "none"
            found.append((f"{name}, not {other}", f"{len(ids):,}", ids[:_LISTED], more))
    return found


def _gaps(study: Study) -> list[tuple[str, str, str, str]]:
    """Each side's ΔSE, its interval, and the two figures that it is the difference of."""
    gaps = [(pair.second, pair.contrast.gap) for pair in study.pairs if pair.contrast]
    return [
        (side, f"{g.value:.1f}", f"{g.low:.1f} to {g.high:.1f}", f"{g.base:.1f} − {g.trained:.1f}") for side, g in gaps
    ]


def _definitions(study: Study) -> list[str]:
    """What ΔSE is here, each definition once."""
    gaps = [(pair.first, pair.contrast.gap.k) for pair in study.pairs if pair.contrast]
    return [f"{definition(base, k)}." for base, k in dict.fromkeys(gaps)]


def _problem_view(problem: RareProblem, study: Study, questions: Mapping[str, str]) -> ProblemView:
    rates = [f"{right} of {n:,} right" for n, right in problem.counts.values()]
    return ProblemView(
        task_id=problem.task_id,
        facts=f"solved rarely by {listed(list(problem.counts))}" if len(problem.counts) > 1 else rates[0],
        question=questions.get(problem.task_id),
        answers=[
            AnswerView(
                key=json.dumps({"task_id": problem.task_id, "answer": answer.digest}),
                text=answer.text or "",
                who=", ".join(
                    f"{label} {times} of {problem.counts[label][0]:,}" for label, times in answer.times.items()
                ),
                mark=study.marks.get((problem.task_id, answer.digest)),
            )
            for answer in problem.answers
        ],
    )


def _embedded(data: Mapping[str, Any]) -> Markup:
    """JSON that can stand in a script element."""
    return Markup(json.dumps(data).replace("<", "\\u003c"))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
