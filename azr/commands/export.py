"""`azr export`: take the trained reasoner away."""

from pathlib import Path
from typing import Annotated

import typer

from azr.browse.folders import find_run
from azr.commands.arguments import AsJson, RunName, print_json
from azr.errors import UserError


def export(
    run: RunName,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make.")],
    step: Annotated[int | None, typer.Option(help="The checkpoint's step; by default the newest.")] = None,
    adapter: Annotated[bool, typer.Option("--adapter", help="The LoRA adapter alone, as PEFT expects it.")] = False,
    gguf: Annotated[bool, typer.Option("--gguf", help="Add a GGUF file, for llama.cpp.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a folder that transformers and vLLM load: merged weights, tokenizer, generation config, model card."""
    if adapter and gguf:
        raise UserError("--gguf writes merged weights; leave --adapter out")
    found = find_run(run)
    from azr.reasoner.export import export_adapter, export_model  # torch
    from azr.reasoner.trained import find_trained

    trained = find_trained(found, step)
    files = export_adapter(trained, out) if adapter else export_model(trained, out, gguf)
    size = sum(file.stat().st_size for file in files)
    if as_json:
        names = [str(file.relative_to(out)) for file in files]
        print_json({"folder": str(out), "step": trained.state.step, "bytes": size, "files": names})
    else:
        print(f"{out}: step {trained.state.step} of {found.name}, {size / 1e6:,.0f} MB; README.md says how to use it")
