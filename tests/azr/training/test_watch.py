"""Warnings: each once, at the step where its mean over the window crosses the line, and never again after a resume."""

import pytest

from azr.config.fields import WatchConfig
from azr.training.watch import HEADLINES, PREFIX, REMEDIES, Watch

GOOD = {"solve/copies": 0.2, "entropy/solve": 0.4, "propose/learnability": 0.3, "propose/new_programs": 0.4}


def raised(watch, steps):
    return [[alarm.name for alarm in watch.look(metrics)] for metrics in steps]


def test_a_good_run_hears_nothing():
    assert raised(Watch(WatchConfig()), [GOOD] * 20) == [[]] * 20


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"solve/copies": 0.7}, "copying"),
        ({"entropy/solve": 0.01}, "entropy"),
        ({"propose/learnability": 0.0}, "learnability"),
        ({"propose/new_programs": 0.02}, "new programs"),
        ({"cut/propose": 0.0, "cut/solve": 0.07}, "cut"),
    ],
)
def test_what_goes_wrong_is_said_once_with_what_to_try(change, name):
    watch = Watch(WatchConfig(window=3))
    said = [watch.look(metrics) for metrics in [GOOD] * 3 + [GOOD | change] * 6]
    alarms = [alarm for alarms in said for alarm in alarms]
    assert [alarm.name for alarm in alarms] == [name]
    assert HEADLINES[name] in alarms[0].text
    assert REMEDIES[name] in alarms[0].text
    assert "\n" not in alarms[0].text


def test_one_step_does_not_make_a_warning_and_steps_without_a_value_do_not_count():
    watch = Watch(WatchConfig(window=3))
    odd = GOOD | {"propose/learnability": 0.0, "solve/copies": 0.4}
    without = {name: value for name, value in GOOD.items() if not name.startswith("propose")}
    assert raised(watch, [GOOD, GOOD, odd, GOOD, without, without, without]) == [[]] * 7


def test_what_is_measured_later_than_other_things_is_compared_with_its_own_first_steps():
    """While the proposer warms up nobody answers."""
    alone = {"propose/new_programs": 0.4}
    steps = [alone] * 5 + [GOOD] * 3 + [GOOD | {"solve/copies": 0.7}] * 3
    assert [name for names in raised(Watch(WatchConfig(window=3)), steps) for name in names] == ["copying"]


def test_a_resumed_run_warns_as_one_that_never_stopped():
    bad = GOOD | {"solve/copies": 0.9}
    steps = [{"step": n, **(GOOD if n < 5 else bad)} for n in range(1, 12)]
    whole = raised(Watch(WatchConfig()), steps)
    for stop in range(12):
        past = [{"step": 0, "panel/rate": 0.1}]
        for metrics, names in zip(steps[:stop], whole[:stop], strict=True):
            past.append(metrics | {f"{PREFIX}{name}": 1.0 for name in names})
        assert raised(Watch(WatchConfig(), past), steps[stop:]) == whole[stop:]


def test_no_window_no_warning():
    assert raised(Watch(WatchConfig(window=0)), [dict.fromkeys(GOOD, 0.0)] * 5) == [[]] * 5


GIVEN = {"reward/ttrl": 0.4, "length/ttrl": 100.0, "ttrl/majority_ratio": 0.5, "ttrl/truth_reward": 0.3}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"reward/ttrl": 0.9, "length/ttrl": 30.0}, "100 tokens an answer at first, now 30"),
        ({"reward/ttrl": 0.97, "ttrl/majority_ratio": 0.97}, "50% of the answers agreed at first, now 97%"),
        ({"reward/ttrl": 0.97, "ttrl/majority_ratio": 0.97, "ttrl/truth_reward": 0.8}, None),  # it learned
        ({"reward/ttrl": 0.2, "length/ttrl": 30.0}, None),  # no reward for it
        ({"reward/ttrl": 0.9, "length/ttrl": 90.0, "ttrl/majority_ratio": 0.9}, None),
    ],
)
def test_a_reward_that_rises_for_shorter_or_equal_answers_is_a_collapse(change, told):
    steps = [GIVEN] * 3 + [GIVEN | change] * 6
    watch = Watch(WatchConfig(window=3))
    alarms = [alarm for metrics in steps for alarm in watch.look(metrics)]
    assert [alarm.name for alarm in alarms] == (["collapse"] if told else [])
    assert told is None or told in alarms[0].text
