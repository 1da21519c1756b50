"""The trained reasoner of a run: which checkpoint it is, and its model."""

from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError

from azr.config.fields import Config
from azr.errors import UserError
from azr.policy.model import Policy, load_policy
from azr.training.checkpoint import CheckpointState, find_checkpoint, read_state
from azr.training.run import Run, run_config


@dataclass(frozen=True, slots=True)
class Trained:
    """A checkpoint of a run with the config it was trained by."""

    run: Run
    config: Config
    folder: Path
    state: CheckpointState


def find_trained(run: Run, step: int | None = None) -> Trained:
    """The checkpoint of `step`, by default the newest. Raises UserError where it is missing or damaged."""
    folder = find_checkpoint(run, step)
    return Trained(run, run_config(run), folder, read_state(folder))


def load_trained(trained: Trained, device: str = "auto") -> Policy:
    """Its model and tokenizer. Raises UserError where the weights are missing or damaged, or the base model is gone."""
    config = replace(trained.config.model, device=device)
    weights = trained.folder / "model"
    needed = "adapter_config.json" if config.lora.rank else "config.json"
    if not (weights / needed).is_file():
        raise UserError(f"checkpoint {trained.folder} is damaged (no model/{needed}); choose another with --step")
    try:
        return load_policy(config, weights)
    except (SafetensorError, RuntimeError) as error:  # a file cut short; shapes that don't fit
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"checkpoint {trained.folder} is damaged ({reason}); choose another with --step") from None
