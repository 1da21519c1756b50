"""A model is loaded, taught and written: whole, or not at all."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from azr.distillation.lessons import Lesson
from azr.distillation.training import FineTuning, as_samples, fine_tune
from azr.evaluation.models import NamedModel
from azr.evaluation.plan import Plan
from azr.evaluation.report import progress_bar
from azr.evaluation.sampling import natural_form
from azr.policy.model import load_policy, save_merged


def taught_model(
    named: NamedModel, plan: Plan, lessons: Sequence[Lesson], tuning: FineTuning, out: Path, console: Console
) -> list[float]:
    """Teaches the model its lessons and writes it to `out`, which is there only once all of it is written.

    Returns the cross-entropy of each epoch, in nats a token. Raises UserError where the model can't be loaded.
    """
    config = plan.model_config(named)
    policy = load_policy(config, named.weights)
    form = plan.form or named.form or natural_form(policy.tokenizer)
    samples = as_samples(policy, lessons, form)
    with progress_bar(console, "distill", tuning.epochs * len(samples)) as advance:
        losses = fine_tune(policy, config, samples, tuning, advance)
    aside = out.with_name(f".{out.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    try:
        save_merged(policy, aside)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    aside.rename(out)
    return losses
