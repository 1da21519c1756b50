"""The formula that a config comes to: the algorithm's parts, with those that the config changes put in their place."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from azr.config.fields import Aggregation, Estimator, KlConfig, KlPlace, LearnerConfig, Ratio, Whitening
from azr.errors import UserError
from azr.learner.algorithms import ALGORITHMS
from azr.learner.clipping import Clip
from tasks.triplet import Role


@dataclass(frozen=True)
class Formula:
    """What a response token adds to the loss, apart from its advantage.

    `importance_cap` 0: no truncated importance weights; `sequence_mask` 0: no response is left out for a ratio between
    learner and engine.
    """

    ratio: Ratio
    clip: Clip
    kl: KlConfig
    entropy_bonus: float
    importance_cap: float
    sequence_mask: float

    @property
    def kl_in_loss(self) -> bool:
        """Whether a token pays for its distance from the start in the loss."""
        return bool(self.kl.coefficient) and self.kl.place is KlPlace.LOSS

    @property
    def kl_in_reward(self) -> bool:
        """Whether a response pays for it in its reward."""
        return bool(self.kl.coefficient) and self.kl.place is KlPlace.REWARD

    @property
    def without_advantage(self) -> bool:
        """Whether a token without an advantage has a gradient all the same."""
        return self.kl_in_loss or bool(self.entropy_bonus)


def formula_of(config: LearnerConfig) -> Formula:
    """The update's formula. Raises UserError for parts that don't go together."""
    _check_roles(config)
    algorithm = ALGORITHMS[config.estimator]
    return Formula(
        ratio=config.ratio or algorithm.ratio,
        clip=_clip(config, algorithm.clip),
        kl=config.kl,
        entropy_bonus=config.entropy_bonus,
        importance_cap=config.truncated_importance,
        sequence_mask=config.sequence_mask,
    )


def aggregation_of(config: LearnerConfig, estimator: Estimator | None) -> Aggregation:
    """How the tokens of an estimator's responses add up: as the config says, else as the estimator has it."""
    return config.aggregation or ALGORITHMS[estimator or config.estimator].aggregation


def refill_rounds(config: LearnerConfig, estimator: Estimator) -> int:
    """How often prompts without spread are replaced: as the config says, else as the estimator has it."""
    return ALGORITHMS[estimator].refill_rounds if config.refill_rounds is None else config.refill_rounds


def estimators(config: LearnerConfig) -> dict[Role, Estimator]:
    """Whose advantage each role has."""
    return {role: getattr(config, role.value).estimator or config.estimator for role in Role}


def learning_rates(config: LearnerConfig) -> dict[Role, float]:
    """Each role's, before the schedule. Where they differ, no optimizer step is both roles'."""
    return {role: getattr(config, role.value).learning_rate or config.learning_rate for role in Role}


def describe(config: LearnerConfig) -> list[str]:
    """The formula in lines for a person, the advantage first. Raises UserError as `formula_of` does."""
    formula = formula_of(config)
    chosen = estimators(config)
    names = dict.fromkeys(chosen.values())
    advantages = {name: ALGORITHMS[name].formula + _whitening(config, name) for name in names}
    if len(names) == 1:
        lines = list(advantages.values())
    else:
        lines = [f"{role}: {advantages[name]}" for role, name in chosen.items()]
    lines += [
        f"loss = -{_aggregation(config, chosen)} of {formula.clip}",
        f"ratio = π / π_old of a {formula.ratio}",
    ]
    if ALGORITHMS[config.estimator].critic:
        critic = config.critic
        lines.append(f"critic: γ = {critic.gamma:g}, λ = {critic.gae_lambda:g}, values move by {critic.clip:g} at most")
        if critic.warmup_steps:
            lines.append(f"critic alone learns in the first {critic.warmup_steps} steps")
    weights = {role: getattr(config, role.value).loss_weight for role in Role}
    if set(weights.values()) != {1.0}:
        lines.append("loss weights: " + ", ".join(f"{role} {weight:g}" for role, weight in weights.items()))
    rates = learning_rates(config)
    if len(set(rates.values())) > 1:
        told = ", ".join(f"{role} {rate:g}" for role, rate in rates.items())
        lines.append(f"learning rates: {told}, each role in optimizer steps of its own")
    if formula.importance_cap:
        lines.append(f"times min(π_old / π_engine, {formula.importance_cap:g}) of a token")
    if formula.sequence_mask:
        lines.append(f"without responses whose π_old / π_engine is above {formula.sequence_mask:g}")
    if formula.kl.coefficient:
        sign = "+" if formula.kl.place is KlPlace.LOSS else "-"
        lines.append(f"{formula.kl.place} {sign} {formula.kl.coefficient:g} · {formula.kl.estimator}(π ‖ start)")
    if formula.entropy_bonus:
        lines.append(f"loss - {formula.entropy_bonus:g} · entropy")
    rounds = refill_rounds(config, chosen[Role.SOLVE])
    if rounds:
        lines.append(f"given problems without spread are replaced by others, up to {rounds} times a step")
    if config.overlong_buffer:
        lines.append(f"reward - up to 1 in the last {config.overlong_buffer} tokens before a response's limit")
    return lines


def _aggregation(config: LearnerConfig, chosen: Mapping[Role, Estimator]) -> str:
    added_up = {role: aggregation_of(config, name) for role, name in chosen.items()}
    if len(set(added_up.values())) == 1:
        return added_up[Role.SOLVE]
    return f"({', '.join(f'{role} {how}' for role, how in added_up.items())})"


def _check_roles(config: LearnerConfig) -> None:
    chosen = estimators(config)
    critics = {ALGORITHMS[name].critic for name in (config.estimator, *chosen.values())}
    if len(critics) > 1:
        asked = ", ".join(f"{role} {name}" for role, name in chosen.items())
        raise UserError(f"learner.estimator={config.estimator} with {asked}: either all have a critic (ppo) or none")
    whitens = any(ALGORITHMS[name].whitens for name in chosen.values())
    if config.whitening is Whitening.TOKENS and not whitens:
        raise UserError(f"learner.whitening=tokens is for trr++ and the reinforce++ pair, not for {config.estimator}")


def _clip(config: LearnerConfig, own: Clip) -> Clip:
    """The algorithm's bounds with the config's: `clip` sets both halves where the algorithm has them equal."""
    low = config.clip or own.low
    high = config.clip_high or (config.clip if config.clip and own.low == own.high else own.high)
    return replace(own, low=low, high=high, dual=config.dual_clip or own.dual, form=config.clipping or own.form)


def _whitening(config: LearnerConfig, name: Estimator) -> str:
    return f" (over {config.whitening})" if ALGORITHMS[name].whitens else ""
