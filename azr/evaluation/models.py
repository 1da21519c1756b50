"""What a person may name as a model: a run, a folder, a hub id, an installed package or a GGUF file."""

from dataclasses import dataclass, replace
from pathlib import Path

from azr.config.fields import ModelConfig
from azr.evaluation.benchmark import PromptForm
from azr.training.run import RUNS, named_run, run_config


@dataclass(frozen=True, slots=True)
class NamedModel:
    """How to load it (`load_policy(config, weights)`), what to call it, and where its results go by default.

    `form` is the form of prompt that a run was trained on, None where nothing is known of it.
    """

    config: ModelConfig
    weights: Path | None
    label: str
    results: Path
    form: PromptForm | None = None


def resolve_model(name: str, step: int | None = None, runs: Path = RUNS) -> NamedModel:
    """The model that `name` stands for; of a run the checkpoint of `step`, by default the newest.

    Step 0 of a run is the model that it started from, which needs no checkpoint. Raises UserError where a run has no
    such checkpoint. Whether any other name can be loaded shows when it is.
    """
    run = named_run(name, runs)
    if run is None:
        slug = name.strip("/").replace("/", "--")
        return NamedModel(replace(ModelConfig(), name=name), None, Path(name).name, runs / "eval" / slug)

    from azr.training.checkpoint import PREFIX, find_checkpoint  # torch

    checkpoint = None if step == 0 else find_checkpoint(run, step)
    config = run_config(run)
    completion = Path(config.prompts.style).name == PromptForm.COMPLETION
    at = checkpoint.name if checkpoint else f"{PREFIX}{0:06d}"
    return NamedModel(
        config.model,
        checkpoint / "model" if checkpoint else None,
        f"{run.name} {at}",
        run.folder / "eval" / at,
        PromptForm.COMPLETION if completion else PromptForm.REASONING,
    )
