"""What a model is asked for, and where its samples go; made without torch, which asking takes."""

from dataclasses import dataclass, replace
from pathlib import Path

from azr.config.fields import EngineChoice, ModelConfig, Precision, RolloutConfig, VllmConfig
from azr.errors import UserError
from azr.evaluation.benchmark import PromptForm
from azr.evaluation.models import NamedModel


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """What decides the samples; a results folder holds samples of one of these alone (but for their number)."""

    model: str
    form: PromptForm
    temperature: float  # 0 is greedy
    top_p: float
    max_tokens: int
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for. `form` None is the run's own, else chat where the tokenizer has a template."""

    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 2048
    seed: int = 0
    form: PromptForm | None = None
    engine: EngineChoice = EngineChoice.AUTO
    device: str = "auto"
    precision: Precision | None = None
    out: Path | None = None
    tensor_parallel: int = 1

    def __post_init__(self) -> None:
        if self.samples > 1 and self.temperature == 0:
            raise UserError("several greedy samples would all be the same: add --temperature (0.6, say)")

    def model_config(self, named: NamedModel) -> ModelConfig:
        """The model's config, on this plan's device and in its precision."""
        return replace(named.config, device=self.device, precision=self.precision or named.config.precision)

    def rollout_config(self) -> RolloutConfig:
        """The engine's config."""
        return RolloutConfig(engine=self.engine, vllm=VllmConfig(tensor_parallel_size=self.tensor_parallel))

    def settings(self, named: NamedModel, form: PromptForm) -> SamplingSettings:
        """What decides the samples of this model."""
        return SamplingSettings(named.label, form, self.temperature, self.top_p, self.max_tokens, self.seed)

    def results(self, named: NamedModel, form: PromptForm) -> Path:
        """The results folder: one for each way of asking."""
        return self.out or named.results / way_of_asking(form, self.temperature, self.top_p)


def way_of_asking(form: PromptForm, temperature: float, top_p: float) -> str:
    """The name of a results folder: what samples of other settings are most often kept apart by."""
    way = "greedy" if temperature == 0 else f"t{temperature:g}"
    return f"{form}-{way}" if top_p == 1 or temperature == 0 else f"{form}-{way}-p{top_p:g}"
