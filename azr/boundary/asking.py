"""Samples that are missing, asked of models: side by side in one form, and gone on with where they were stopped.

A side's samples lie where azr eval run puts them (or in a folder of the study's own), in its shape, so that a later
call finds them with or without the model.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from azr.boundary.problem_set import ProblemSet
from azr.boundary.sides import NamedSide, file_name
from azr.errors import UserError
from azr.evaluation.benchmark import PromptForm
from azr.evaluation.judging.check import open_tools
from azr.evaluation.plan import Plan
from azr.evaluation.report import progress_bar
from azr.evaluation.running import asked_model
from azr.evaluation.sampling import (
    claim_folder,
    form_of_images,
    missing_samples,
    natural_form,
    sample_benchmark,
)
from azr.policy.model import load_tokenizer
from azr.ranks.group import Ranks


def common_form(sides: Sequence[NamedSide], style: PromptForm | None, problems: ProblemSet) -> PromptForm:
    """The one form in which all sides are asked: `style`, else what the runs were trained on, else what fits the first.

    Raises UserError where runs were trained on different forms and nobody chose, or images can't be asked about so.
    """
    if style := form_of_images(problems.asked, style):
        return style
    forms = list(dict.fromkeys(side.model.form for side in sides if side.model.form))
    if len(forms) > 1:
        raise UserError(f"the runs were trained on different prompts ({' and '.join(forms)}): choose with --style")
    return forms[0] if forms else natural_form(load_tokenizer(sides[0].model.config))


def plan_of(side: NamedSide, plan: Plan, folder: Path | None) -> Plan:
    """The side's own plan: its samples go below the study's folder, where there is one."""
    return replace(plan, out=folder / file_name(side.label)) if folder else plan


def sample_side(
    side: NamedSide, plan: Plan, problems: ProblemSet, console: Console, ranks: Ranks | None = None
) -> Path:
    """The file with `plan.samples` judged samples of each problem; the model is loaded only where some are missing.

    `plan.form` is given. Ctrl-C keeps what was sampled and goes through.
    """
    assert plan.form is not None
    folder = plan.results(side.model, plan.form)
    file = folder / f"{problems.benchmark.name}.jsonl"
    claim_folder(folder, plan.settings(side.model, plan.form))
    missing = missing_samples(file, problems.asked, plan.samples)
    if not missing:
        return file
    total = len(problems.asked) * plan.samples
    console.print(
        f"{side.label}: {total - missing:,} of {total:,} samples are in {file}, {missing:,} are missing; "
        "if stopped, the same command goes on",
        soft_wrap=True,
        markup=False,
    )
    with (
        asked_model(side.model, plan, plan.form, problems.asked, ranks) as respondent,
        open_tools() as tools,
        progress_bar(console, side.label, total, total - missing) as advance,
    ):
        sample_benchmark(respondent, problems.benchmark, problems.asked, plan.samples, file, tools, advance)
    return file
