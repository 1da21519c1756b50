"""`azr plan`: what memory a config takes, part by part."""

from pathlib import Path
from typing import Annotated

import typer


def plan(
    config: Annotated[Path, typer.Argument(help="A YAML file (configs/qwen2.5-coder-7b.yaml).")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Config keys to change: model.lora.rank=32")
    ] = None,
    card: Annotated[int | None, typer.Option(help="Plan for a card of so many GB: 24, 48, 80, 141.")] = None,
    ranks: Annotated[int, typer.Option(min=1, help="Processes that a launcher will start (docs/scale.md).")] = 1,
) -> None:
    """Reckon what memory a config takes, generating and learning, what changes each part, and how long a step may take.

    Planned for the card that is here, else for the processor; a config that wants a card is planned for the smallest
    that holds it. No weights are read. Exits with 2 and names what to change where the config doesn't fit.

    Examples:

    * `azr plan configs/quickstart.yaml`

    * `azr plan configs/qwen2.5-coder-7b.yaml --card 80`

    * `azr plan configs/qwen2.5-coder-3b.yaml model.lora.rank=32 --card 24`

    * `azr plan configs/qwen2.5-coder-7b.yaml model.lora.rank=0 learner.shard=true --ranks 8 --card 80`
    """
    from rich.console import Console

    from azr.config.settings import load_config
    from azr.planning.memory import plan_for
    from azr.planning.pace import plan_pace
    from azr.planning.told import print_memory, print_pace
    from azr.policy.shape import read_shape
    from azr.training.opening import check_update

    loaded = load_config(config, overrides or [])
    check_update(loaded)
    shape, console = read_shape(loaded.model), Console(highlight=False)
    planned = plan_for(loaded, shape, card, ranks)
    print_memory(planned, console)
    planned.check()
    if planned.machine.size and ranks == 1 and "absolute_zero" in loaded.methods:
        print_pace(plan_pace(loaded, shape, planned.machine.size), console)
