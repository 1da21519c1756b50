"""The names of what the probe measures.

probe/TYPE               share of right answers, each question counting alike: the score
probe/pass@N/TYPE        share of questions that one of N answers is right for
probe/maj@N/TYPE         share of questions that the vote of N answers is right for, of given problems alone
probe/copies/TYPE        share of answers that repeat the question
probe/level-L/METHOD     the score on the given problems of level L
probe/tokens/METHOD      mean length of an answer to a given problem; probe/tokens-L/METHOD of level L
probe/grade-G/TYPE       the score on the programs of grade G (azr/evaluation/small/known.py)
"""

from collections.abc import Mapping

PREFIX = "probe/"


def is_score(name: str) -> bool:
    """Whether a metric is one of the probe's scores, which summaries show; the others are details of them."""
    return name.startswith(PREFIX) and "/" not in name.removeprefix(PREFIX)


def told(metrics: Mapping[str, float]) -> str:
    """The probe's metrics in one line, in per cent: each score, with pass@N and copies where they were measured."""
    parts = []
    for name, value in metrics.items():
        if is_score(name):
            kind = name.removeprefix(PREFIX)
            details = [
                f"{detail.split('/')[1]} {100 * more:.1f}%"
                for detail, more in metrics.items()
                if detail.endswith(f"/{kind}")
                and detail.startswith((f"{PREFIX}pass@", f"{PREFIX}maj@", f"{PREFIX}copies/"))
            ]
            parts.append(f"{kind} {100 * value:.1f}%" + (f" ({', '.join(details)})" if details else ""))
    return ", ".join(parts)
