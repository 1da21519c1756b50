"""What a report says of problems that were given: who paid, what became of them, and the words for it.

Before and after are a run's first and last look (docs/methods.md). A run that did not look twice is told by the first
and the last time that it was asked a problem while it trained; of one that was asked no problem twice there is nothing
to tell.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from azr.config.choices import Label
from azr.report.before_after import Problem, Row, row

PAID_BY = {
    Label.TRUTH: "the truth",
    Label.MAJORITY: "the majority of the answers",
    Label.PROBABILITY: "how probable the answers are",
    Label.ENTROPY: "how little the answers leave open",
    Label.SELF_CERTAINTY: "how certain the answers are of themselves",
}


@dataclass(frozen=True, slots=True)
class GivenStory:
    """A method's given problems. `known` of the `problems` that trained have answers.

    `when` says what before and after are, empty where there is nothing to compare; then there are no rows either. The
    first row is of all problems, then come those of each level and of each source, where there are several.
    """

    method: str
    label: str
    problems: int
    known: int
    when: tuple[str, str] | tuple[()]
    all: Row | None
    levels: tuple[Row, ...]
    sources: tuple[Row, ...]

    @property
    def paid_by(self) -> str:
        """In words. A method of somebody's own has no label here."""
        return PAID_BY[Label(self.label)] if self.label in set(Label) else "the method's own rule"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A problem with what it is a problem of."""

    source: str
    level: str
    problem: Problem


def given_stories(db: sqlite3.Connection, config: Mapping[str, Any]) -> tuple[GivenStory, ...]:
    """Of every method that was given problems, or has looked at some."""
    rows = db.execute(
        "SELECT method, COUNT(problem.id), COUNT(answer)"
        " FROM (SELECT method FROM problem UNION SELECT method FROM look) LEFT JOIN problem USING (method)"
        " GROUP BY method ORDER BY method"
    ).fetchall()
    return tuple(_story(db, config.get(method, {}), method, problems, known) for method, problems, known in rows)


def _story(db: sqlite3.Connection, settings: Mapping[str, Any], method: str, problems: int, known: int) -> GivenStory:
    when, asked = _looked(db, method)
    if not asked:
        when, asked = ("the first time", "the last time"), _asked_twice(db, method)
    levels, sources = sorted({one.level for one in asked}), list(dict.fromkeys(one.source for one in asked))
    return GivenStory(
        method,
        str(settings.get("label", "")),
        problems,
        known,
        when if asked else (),
        row("all", [one.problem for one in asked]) if asked else None,
        tuple(row(f"level {level}" if level else "no level", _of(asked, level=level)) for level in levels)
        if len(levels) > 1
        else (),
        tuple(row(source, _of(asked, source=source)) for source in sources) if len(sources) > 1 else (),
    )


def _of(asked: Sequence[_Asked], level: str | None = None, source: str | None = None) -> list[Problem]:
    return [one.problem for one in asked if one.level == level or one.source == source]


def _looked(db: sqlite3.Connection, method: str) -> tuple[tuple[str, str], list[_Asked]]:
    """The problems of the first and the last look."""
    first, last = db.execute("SELECT MIN(step), MAX(step) FROM look WHERE method = ?", (method,)).fetchone()
    if first is None or first == last:
        return ("", ""), []
    rows = db.execute(
        "SELECT a.key, a.level, 1.0 * a.solved / a.answers, 1.0 * b.solved / b.answers, a.tokens, b.tokens"
        " FROM look AS a JOIN look AS b ON a.method = b.method AND a.key = b.key"
        " WHERE a.method = ? AND a.step = ? AND b.step = ? ORDER BY a.id",
        (method, first, last),
    )
    when = ("before training" if first == 0 else f"after step {first}", f"after step {last}")
    return when, [_one(key, level, before, after, tokens) for key, level, before, after, *tokens in rows]


def _asked_twice(db: sqlite3.Connection, method: str) -> list[_Asked]:
    """The problems that were asked in several steps, at the first and the last of them."""
    rows = db.execute(
        "SELECT key, level, AVG(CASE WHEN verdict IS NULL THEN NULL ELSE verdict = 'right' END), AVG(answer.tokens)"
        " FROM answer JOIN problem ON problem.id = problem_id WHERE method = ?"
        " GROUP BY problem.id, answer.step ORDER BY problem.id, answer.step",
        (method,),
    )
    times: dict[tuple[str, str], list[tuple[float | None, float]]] = {}
    for key, level, right, tokens in rows:
        times.setdefault((key, level), []).append((right, tokens))
    return [
        _one(key, level, seen[0][0], seen[-1][0], (seen[0][1], seen[-1][1]))
        for (key, level), seen in times.items()
        if len(seen) > 1
    ]


def _one(key: str, level: str, before: float | None, after: float | None, tokens: Sequence[float]) -> _Asked:
    source, _, name = key.partition(":")
    right = None if before is None or after is None else (before, after)
    return _Asked(source, level, Problem(name or key, right, (tokens[0], tokens[1])))


def given_in_words(story: GivenStory, metrics: Sequence[Mapping[str, float]]) -> list[str]:
    """Sentences, for a person: who pays, whether labels are right, and the score against the backbone's vote."""
    words = [f"{story.problems:,} problems, paid by {story.paid_by}."]
    if story.problems and story.known == 0:
        words.append(
            "How often the labels are right is not known: none of the problems comes with an answer, or all were kept"
            " back. The same goes for the rewards."
        )
    else:
        words += _labels_in_words(story, metrics)
    return words + _against_the_vote(story.method, metrics)


def _labels_in_words(story: GivenStory, metrics: Sequence[Mapping[str, float]]) -> list[str]:
    name = f"{story.method}/label_accuracy"
    lines = [line for line in metrics if name in line]
    if not lines:
        return []
    quarter = max(len(lines) // 4, 1)
    ends = (lines[:quarter], lines[-quarter:])
    (label, later_label), (reward, later_reward) = (
        [fmean(line[f"{story.method}/{kind}"] for line in end) for end in ends]
        for kind in ("label_accuracy", "reward_accuracy")
    )
    of_some = "" if story.known == story.problems else f" (of the {story.known:,} whose answer is known)"
    labels = (
        f"The largest cluster of a problem's answers was right for {label:.1%} of the problems{of_some} in"
        f" {_steps(ends[0])}, and for {later_label:.1%} in {_steps(ends[1])}."
    )
    shares = f"{reward:.1%} of the answers, then for {later_reward:.1%}"
    rewards = f"Rewards were those that the truth would have paid for {shares}."
    return [labels] if story.label == Label.TRUTH else [f"{labels} {rewards}"]


def _steps(lines: Sequence[Mapping[str, float]]) -> str:
    first, last = int(lines[0]["step"]), int(lines[-1]["step"])
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _against_the_vote(method: str, metrics: Sequence[Mapping[str, float]]) -> list[str]:
    """Figure 6 of arXiv 2504.16084 in a sentence."""
    looks = [line for line in metrics if f"probe/{method}" in line]
    votes = [name for name in (looks[0] if looks else {}) if name.startswith("probe/maj@") and name.endswith(method)]
    if len(looks) < 2 or not votes:
        return []
    n = votes[0].split("/")[1].removeprefix("maj@")
    bound, before, after = looks[0][votes[0]], looks[0][f"probe/{method}"], looks[-1][f"probe/{method}"]
    place = "above it" if after > bound else "below it" if after < bound else "level with it"
    return [
        f"At the first look one answer was right in {before:.1%} of the cases, and the vote of {n} answers in"
        f" {bound:.1%}. At the last look one answer was right in {after:.1%}: {place}."
    ]
