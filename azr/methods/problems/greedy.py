"""ReMax's baseline: what a greedy answer earns. It is no vote and trains nothing; what it is paid by is the label."""

from dataclasses import replace

from azr.config.choices import Label
from azr.evaluation.judging.check import Tools
from azr.methods.problems.labels import LABELS, Evidence, Spread
from azr.problems.asking import Answers
from azr.problems.ballots import ballot_for, count
from azr.problems.voting import Tally


def baseline(tools: Tools, label: Label, answers: Answers, greedy: Answers, spread: Spread | None = None) -> float:
    """What `greedy`, the one greedy answer to the problem of `answers`, earns under the label.

    Under the majority it is compared with the label that the sampled answers voted for. `spread` is its own where the
    label needs it. Its tokens' probabilities are those at temperature 1.
    """
    own = Evidence(
        [completion.logprobs for completion in greedy.completions],
        greedy.verdicts,
        spreads=None if spread is None else [spread],
    )
    if label is Label.MAJORITY:
        own = replace(own, tally=_beside_label(tools, answers, greedy))
    return LABELS[label](own)[-1]


def _beside_label(tools: Tools, answers: Answers, greedy: Answers) -> Tally:
    """The vote of two: the largest cluster's first answer, which is the label even where they differ, and `greedy`."""
    ballot, voted = ballot_for(answers.asked.problem.check), answers.tally
    if ballot is None or voted is None:
        raise ValueError("answers that can't vote have no majority")
    if voted.label is None:
        return Tally((None,), None, 0.0)
    return count(tools, ballot, [answers.judgements[voted.label], *greedy.judgements])
