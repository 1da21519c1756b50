"""What a person may name as a model: a run, a folder, a hub id, an installed package or a GGUF file."""

from dataclasses import dataclass, replace
from pathlib import Path

from azr.config.fields import ModelConfig
from azr.evaluation.benchmark import PromptForm
from azr.training.run import Run, run_config


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


def resolve_model(name: str, step: int | None = None, runs: Path = Path("runs")) -> NamedModel:
    """The model that `name` stands for; of a run the checkpoint of `step`, by default the newest.

    Raises UserError where a run has no such checkpoint. Whether any other name can be loaded shows when it is.
    """
    for folder in (Path(name), runs / name):
        run = Run(folder)
        if run.config.is_file():
            from azr.training.checkpoint import find_checkpoint  # torch

            checkpoint = find_checkpoint(run, step)
            config = run_config(run)
            completion = Path(config.prompts.style).name == PromptForm.COMPLETION
            return NamedModel(
                config.model,
                checkpoint / "model",
                f"{run.name} {checkpoint.name}",
                folder / "eval" / checkpoint.name,
                PromptForm.COMPLETION if completion else PromptForm.REASONING,
            )
    slug = name.strip("/").replace("/", "--")
    return NamedModel(replace(ModelConfig(), name=name), None, Path(name).name, runs / "eval" / slug)
