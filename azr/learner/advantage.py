"""How rewards become advantages, and how much each response token weighs in the loss: one function an estimator.

Standard deviations are those of the whole population at hand (no Bessel correction), and rewards that are all equal
have nothing to teach: their advantage is exactly 0, whatever rounding would make of it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

from azr.config import Estimator


def advantages(
    estimator: Estimator, rewards: Sequence[float], strata: Sequence[Hashable], groups: Sequence[Hashable]
) -> list[float]:
    """One advantage a rollout, in the order of `rewards`.

    `strata[i]` is the (role, task type) of rollout i and `groups[i]` its prompt; an estimator reads one of them or
    neither. Raises ValueError where the three differ in length.
    """
    if not len(rewards) == len(strata) == len(groups):
        raise ValueError(f"{len(rewards)} rewards, {len(strata)} strata and {len(groups)} groups: one each a rollout")
    return _ESTIMATORS[estimator](rewards, strata, groups)


def trr_plus_plus(rewards: Sequence[float], strata: Sequence[Hashable], groups: Sequence[Hashable]) -> list[float]:
    """A = (r - mean) / std over the step's rewards of the same role and task type.

    Task-relative REINFORCE++: Zhao et al. 2025 (arXiv 2505.03335), section 3.3.5.
    """
    return _within(strata, rewards, _standardised)


def reinforce_plus_plus(
    rewards: Sequence[float], strata: Sequence[Hashable], groups: Sequence[Hashable]
) -> list[float]:
    """A = (r - mean) / std over the whole batch.

    Hu 2025 (arXiv 2501.03262), the global advantage normalisation; without its KL term, since azr has none.
    """
    return _standardised(rewards)


def grpo(rewards: Sequence[float], strata: Sequence[Hashable], groups: Sequence[Hashable]) -> list[float]:
    """A = (r - mean) / std over the responses to the same prompt.

    Shao et al. 2024 (DeepSeekMath, arXiv 2402.03300), section 4.1.2, outcome supervision.
    """
    return _within(groups, rewards, _standardised)


def dr_grpo(rewards: Sequence[float], strata: Sequence[Hashable], groups: Sequence[Hashable]) -> list[float]:
    """A = r - mean over the responses to the same prompt.

    Liu et al. 2025 (Understanding R1-Zero-Like Training, arXiv 2503.20783), section 3.2.
    """
    return _within(groups, rewards, _centred)


def rloo(rewards: Sequence[float], strata: Sequence[Hashable], groups: Sequence[Hashable]) -> list[float]:
    """A = r - mean of the *other* responses to the same prompt; 0 for a prompt's only response.

    Ahmadian et al. 2024 (Back to Basics, arXiv 2402.14740), section 2.2. With n responses this is
    n / (n - 1) times the distance from their mean.
    """
    return _within(groups, rewards, _leave_one_out)


def token_weights(estimator: Estimator, lengths: Sequence[int], response_budget: int) -> list[float]:
    """What each token of response i counts in the loss, where response i has `lengths[i]` tokens.

    The sum runs over all responses of an optimizer step, those without an advantage included, so that leaving them out
    of the forward pass changes nothing.

    - trr++ and reinforce++: 1 / all tokens, the mean over tokens, as verl and the official AZR code, built on it, do.
    - grpo: 1 / (responses × own tokens), the mean over responses of each one's mean (arXiv 2402.03300, equation 3).
    - dr_grpo: 1 / (responses × `response_budget`): a constant, so that length has no say (arXiv 2503.20783, section
      3.2). The constant only scales the gradient.
    - rloo: 1 / responses, since the paper takes the whole response as one action (arXiv 2402.14740, section 2.2).
    """
    responses = len(lengths)
    tokens = sum(lengths)
    match estimator:
        case Estimator.TRR_PP | Estimator.REINFORCE_PP:
            return [1 / tokens for _ in lengths]
        case Estimator.GRPO:
            return [1 / (responses * length) for length in lengths]
        case Estimator.DR_GRPO:
            return [1 / (responses * response_budget) for _ in lengths]
        case Estimator.RLOO:
            return [1 / responses for _ in lengths]


_ESTIMATORS: dict[Estimator, Callable[[Sequence[float], Sequence[Hashable], Sequence[Hashable]], list[float]]] = {
    Estimator.TRR_PP: trr_plus_plus,
    Estimator.REINFORCE_PP: reinforce_plus_plus,
    Estimator.GRPO: grpo,
    Estimator.DR_GRPO: dr_grpo,
    Estimator.RLOO: rloo,
}


def _within(
    keys: Sequence[Hashable], rewards: Sequence[float], transform: Callable[[Sequence[float]], list[float]]
) -> list[float]:
    """`transform` applied to the rewards of each key by themselves, put back in order."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        members[key].append(index)
    result = [0.0] * len(rewards)
    for indices in members.values():
        for index, value in zip(indices, transform([rewards[i] for i in indices]), strict=True):
            result[index] = value
    return result


def _centred(rewards: Sequence[float]) -> list[float]:
    if not rewards or min(rewards) == max(rewards):
        return [0.0] * len(rewards)
    mean = math.fsum(rewards) / len(rewards)
    return [reward - mean for reward in rewards]


def _standardised(rewards: Sequence[float]) -> list[float]:
    centred = _centred(rewards)
    std = math.sqrt(math.fsum(value * value for value in centred) / len(centred)) if centred else 0.0
    return [value / std for value in centred] if std else centred


def _leave_one_out(rewards: Sequence[float]) -> list[float]:
    scale = len(rewards) / max(len(rewards) - 1, 1)
    return [value * scale for value in _centred(rewards)]
