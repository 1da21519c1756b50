"""A model is loaded, taught and written."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from azr.distillation.lessons import Lesson
from azr.distillation.training import FineTuning, as_samples, fine_tune
from azr.evaluation.benchmark import PromptForm
from azr.evaluation.models import NamedModel
from azr.evaluation.plan import Plan
from azr.evaluation.report import progress_bar
from azr.evaluation.sampling import natural_form
from azr.policy.model import load_policy, load_tokenizer, save_merged


def asking_form(named: NamedModel, plan: Plan) -> PromptForm:
    """How the problems are put to the model: as the plan says, else as the run was trained, else as fits the model.

    Raises UserError where there is no such model: its tokenizer is looked for in any case.
    """
    tokenizer = load_tokenizer(named.config)
    return plan.form or named.form or natural_form(tokenizer)


def taught_model(
    named: NamedModel, plan: Plan, lessons: Sequence[Lesson], tuning: FineTuning, folder: Path, console: Console
) -> list[float]:
    """Teaches the model its lessons, put in `plan.form`, and saves it in the folder.

    Returns the cross-entropy of each epoch, in nats a token. Raises UserError where the model can't be loaded.
    """
    assert plan.form is not None
    config = plan.model_config(named)
    policy = load_policy(config, named.weights)
    samples = as_samples(policy, lessons, plan.form)
    with progress_bar(console, "distill", tuning.epochs * len(samples)) as advance:
        losses = fine_tune(policy, config, samples, tuning, advance)
    save_merged(policy, folder)
    return losses
