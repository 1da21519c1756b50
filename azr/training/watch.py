"""What goes wrong in a run, said while there is time to do something: once each, one line, with what to try.

Four things were seen to end self-play's learning: the solver repeats the question, it grows so sure that nothing new is
sampled, the proposer's tasks are all never or always solved, and it proposes what it proposed before. Rewards without
labels (arXiv 2603.08660) can collapse: they rise because answers shorten, or agree on everything. And a rule that cuts
the last responses of a call may cut too many.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azr.config.fields import WatchConfig

PREFIX = "warning/"
HEADLINES = {
    "copying": "more answers repeat the question than at first",
    "entropy": "the solver samples hardly anything new",
    "learnability": "what is proposed is always or never solved",
    "new programs": "few proposals are programs not seen before",
    "cut": "many responses are cut as the last of their call",
    "collapse": "the reward rises while answers shorten or agree on everything",
}
REMEDIES = {
    "copying": "propose.refuse=[copy,constant] and more solver.rounds",
    "entropy": "propose.variations=4, more seeding.factor or learner.entropy_bonus",
    "learnability": "more propose.references, solver.draw=uncertain or more solver.estimate_samples",
    "new programs": "propose.reference_draw=spread, a higher propose.temperature or fewer propose.samples_per_prompt",
    "cut": "a larger rollout.tail.factor, or rollout.tail.quantile=1, which cuts nothing",
    "collapse": "a larger learner.kl.coefficient, a lower learner.learning_rate, more votes or another label",
}
Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Alarm:
    """`name` is a word for metrics and charts, `text` what happened and what to try, for a person."""

    name: str
    text: str


class Watch:
    """Looks at one step after another. `past` holds the metrics of the steps before, of a run that goes on."""

    def __init__(self, config: "WatchConfig", past: Iterable[Metrics] = ()) -> None:
        self._config = config
        self._recent: deque[Metrics] = deque(maxlen=config.window)
        self._first: dict[str, list[float]] = {}  # a metric may come late: the solver's, where the proposer warms up
        self._raised: set[str] = set()
        for metrics in past:
            self._raised |= {name.removeprefix(PREFIX) for name in metrics if name.startswith(PREFIX)}
            if metrics.get("step", 1):
                self._take_in(metrics)

    def look(self, metrics: Metrics) -> list[Alarm]:
        """Take in a step's metrics; the alarms that were not raised before."""
        self._take_in(metrics)
        if not self._config.window or len(self._recent) < self._config.window:
            return []
        alarms = [alarm for alarm in self._found() if alarm.name not in self._raised]
        self._raised |= {alarm.name for alarm in alarms}
        return alarms

    def _take_in(self, metrics: Metrics) -> None:
        for name, value in metrics.items():
            values = self._first.setdefault(name, [])
            if len(values) < self._config.window:
                values.append(value)
        self._recent.append(metrics)

    def _found(self) -> Iterable[Alarm]:
        config, now = self._config, {name: _mean(self._recent, name) for name in _WATCHED}
        before, copies = self._at_first("solve/copies"), now["solve/copies"]
        if before is not None and copies is not None and copies > before + config.copying:
            yield _alarm("copying", f"{before:.0%}, now {copies:.0%}")
        for name, metric, limit in (
            ("entropy", "entropy/solve", config.entropy),
            ("learnability", "propose/learnability", config.learnability),
            ("new programs", "propose/new_programs", config.new_programs),
        ):
            value = now[metric]
            if value is not None and value < limit:
                yield _alarm(name, f"{metric} is {value:.3f}, under {limit:g}")
        shares = {name: now[name] for name in _CUT}
        if cut := {name: share for name, share in shares.items() if share is not None and share > config.cut}:
            yield _alarm("cut", ", ".join(f"{name} is {share:.1%}" for name, share in cut.items()))
        for method in _GIVEN:
            yield from self._collapse(method)

    def _at_first(self, name: str) -> float | None:
        values = self._first.get(name)
        return sum(values) / len(values) if values else None

    def _collapse(self, method: str) -> Iterable[Alarm]:
        """The reward rose, what is known of the truth did not, and answers are shorter by far, or nearly all agree."""

        def course(name: str) -> tuple[float, float]:
            before, now = self._at_first(name), _mean(self._recent, name)
            return (0.0, 0.0) if before is None or now is None else (before, now)

        reward, truth = course(f"reward/{method}"), course(f"{method}/truth_reward")
        length, agreed = course(f"length/{method}"), course(f"{method}/majority_ratio")
        if reward[1] <= reward[0] or truth[1] > truth[0]:
            return
        if length[1] < self._config.shortening * length[0]:
            yield _alarm("collapse", f"{method}: {length[0]:.0f} tokens an answer at first, now {length[1]:.0f}")
        elif agreed[1] > self._config.agreement > agreed[0]:
            yield _alarm("collapse", f"{method}: {agreed[0]:.0%} of the answers agreed at first, now {agreed[1]:.0%}")


_GIVEN = ("rlvr", "ttrl")  # whose rewards may come from nobody who knows
_CUT = ("cut/propose", "cut/estimate", "cut/solve", "cut/rlvr", "cut/ttrl")
_WATCHED = ("solve/copies", "entropy/solve", "propose/learnability", "propose/new_programs", *_CUT)


def _alarm(name: str, figures: str) -> Alarm:
    return Alarm(name, f"{HEADLINES[name]} ({figures}); try {REMEDIES[name]}")


def _mean(steps: Iterable[Metrics], name: str) -> float | None:
    values = [metrics[name] for metrics in steps if name in metrics]
    return sum(values) / len(values) if values else None
