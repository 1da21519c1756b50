"""Taking the trained reasoner away: a folder that transformers and vLLM load, an adapter for PEFT, a GGUF file."""

from importlib import metadata
from pathlib import Path

from azr.browse.folders import read_metrics, reading
from azr.browse.statistics import BufferStatistics, buffer_statistics
from azr.config.fields import Config, ProblemsConfig
from azr.config.settings import dump_config
from azr.errors import UserError
from azr.evaluation.probe_metrics import is_score
from azr.policy.model import save_merged, save_policy
from azr.reasoner.gguf_writer import check_writable, write_gguf
from azr.reasoner.trained import Trained, load_trained
from azr.report.given import PAID_BY
from azr.whole import written_folder


def export_model(trained: Trained, out: Path, with_gguf: bool = False) -> list[Path]:
    """Write merged weights, tokenizer, generation config and model card into the new folder `out`.

    With `with_gguf` also NAME.gguf. Returns the files. Raises UserError where `out` is taken, lies in the run's folder,
    or the checkpoint can't be loaded; nothing is left half-written.
    """
    check_free(trained, out)
    policy = load_trained(trained, "cpu")
    if with_gguf:
        check_writable(policy.base.config, policy.tokenizer)

    with written_folder(out) as folder:
        save_merged(policy, folder)
        if with_gguf:
            name = trained.run.name
            write_gguf(policy, folder, folder / f"{name}.gguf", name)
        use = _use_model(trained, with_gguf)
        (folder / "README.md").write_text(model_card(trained, "transformers", use), encoding="utf-8")
    return _files(out)


def export_adapter(trained: Trained, out: Path) -> list[Path]:
    """Write the LoRA adapter, tokenizer and model card into the new folder `out`, as PEFT loads them.

    Raises UserError where the run trained no adapter, and as `export_model` does.
    """
    check_free(trained, out)
    if not trained.config.model.lora.rank:
        raise UserError(f"{trained.run.folder} trained all weights, not an adapter; leave --adapter out")
    policy = load_trained(trained, "cpu")

    with written_folder(out) as folder:
        save_policy(policy, folder)
        (folder / "README.md").write_text(model_card(trained, "peft", _use_adapter(trained)), encoding="utf-8")
    return _files(out)


def check_free(trained: Trained, out: Path) -> None:
    """Raise UserError where nothing may be written to `out`."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists already; choose another folder, or remove it")
    if trained.run.folder.resolve() in [out.resolve(), *out.resolve().parents]:
        raise UserError(f"{out} lies in the run's own folder; choose a place outside it")


def model_card(trained: Trained, library: str, use: list[str]) -> str:
    """README.md of an exported folder: what it is, how it came about, how to use it. `library` loads it, by `use`."""
    config, run = trained.config, trained.run
    with reading(run) as db:
        statistics = buffer_statistics(db, until=trained.state.step)
    versions = trained.state.versions | {"transformers": metadata.version("transformers")}
    lines = [
        "---",
        f"base_model: {config.model.name}",
        f"library_name: {library}",
        "pipeline_tag: text-generation",
        "tags: [self-play, reasoning, code]",
        "---",
        "",
        f"# {run.name}",
        "",
        f"{config.model.name}, trained with azr: {trained.state.step} of {config.steps} steps. {_told(config)}",
        "",
        *(_task_lines(statistics) if statistics.total.tasks else []),
        *_probe_lines(trained),
        "",
        "## Use",
        "",
        *use,
        "",
        "## Made with",
        "",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        "",
        "## Config",
        "",
        "```yaml",
        dump_config(config).strip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _told(config: Config) -> str:
    """What it learned from, in sentences."""
    told = [_told_of(method, config) for method in config.methods]
    if config.seeding.files and "absolute_zero" in config.methods:
        told.append(f"The first tasks came from {', '.join(config.seeding.files)}.")
    elif config.methods == ("absolute_zero",):
        told.append("No data of people's went in.")
    return " ".join(told)


def _told_of(method: str, config: Config) -> str:
    match method:
        case "absolute_zero":
            return (
                "Self-play: the model invented program tasks, solved them, and learned from what a sandboxed Python"
                " said (Absolute Zero, Zhao et al. 2025, arXiv 2505.03335)."
            )
        case "rlvr" | "ttrl":
            given: ProblemsConfig = getattr(config, method)
            sources = ", ".join(given.sources)
            return f"{method.upper()}: answers to given problems ({sources}) were paid by {PAID_BY[given.label]}."
        case _:
            return f"The method is {method}."


def _task_lines(statistics: BufferStatistics) -> list[str]:
    """The table of tasks made and solved."""
    lines = [
        "## Tasks it made",
        "",
        "| type | proposals | valid | tasks | solved | learnability |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, figures in statistics.by_type.items():
        shares = [figures.valid_share, figures.solve_rate]
        valid, solved = ("-" if share is None else f"{share:.0%}" for share in shares)
        learnability = "-" if figures.learnability is None else f"{figures.learnability:.2f}"
        lines.append(f"| {name} | {figures.proposals:,} | {valid} | {figures.tasks:,} | {solved} | {learnability} |")
    return [*lines, "", f"{statistics.total.distinct:,} distinct programs, {statistics.attempts:,} judged answers."]


def _probe_lines(trained: Trained) -> list[str]:
    """Held-out scores at the start of the run and up to the checkpoint."""
    scores: dict[str, list[tuple[int, float]]] = {}
    for line in read_metrics(trained.run):
        for name, value in line.items():
            if is_score(name) and line["step"] <= trained.state.step:
                scores.setdefault(name.removeprefix("probe/"), []).append((int(line["step"]), value))
    if not scores:
        return []
    lines = ["", "## Held-out problems", "", "| problems | first | last |", "|---|--:|--:|"]
    for name, values in scores.items():
        (first_step, first), (last_step, last) = values[0], values[-1]
        lines.append(f"| {name} | {first:.1%} (step {first_step}) | {last:.1%} (step {last_step}) |")
    return lines


def _use_model(trained: Trained, with_gguf: bool) -> list[str]:
    lines = [
        "```python",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        'model = AutoModelForCausalLM.from_pretrained("FOLDER")',
        'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
        "```",
        "",
        f"It was trained on prompts of the style `{trained.config.prompts.style}`; `azr ask FOLDER --style"
        f' {trained.config.prompts.style} "..."` asks in it. `vllm serve FOLDER` serves it.',
    ]
    return [*lines, f"`{trained.run.name}.gguf` is for llama.cpp."] if with_gguf else lines


def _use_adapter(trained: Trained) -> list[str]:
    return [
        "```python",
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'base = AutoModelForCausalLM.from_pretrained("{trained.config.model.name}")',
        'model = PeftModel.from_pretrained(base, "FOLDER")',
        'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
        "```",
    ]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
