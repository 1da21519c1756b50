"""`azr train`: launch or resume a run from a config."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(help="A YAML file (configs/quickstart.yaml), or the folder of a run.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Config keys to change: learner.clip=0.3")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's newest checkpoint.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Resolve, check and plan; write and run nothing.")] = False,
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
) -> None:
    """Run what the config's `methods` say (self-play by default): make rollouts, reward, learn, checkpoint.

    The run is written to runs/NAME, where NAME is the config's `name`. Ctrl-C finishes the step, saves, and says how to
    go on.

    Examples:

    * `azr train configs/quickstart.yaml`

    * `azr train configs/quickstart.yaml name=warm rollout.temperature=0.8`

    * `azr train runs/warm --resume steps=40`

    * `azr train configs/rlvr-smollm2.yaml`

    * `azr train configs/qwen2.5-coder-7b.yaml --dry-run`

    * `torchrun --nproc-per-node 2 --no-python azr train configs/qwen2.5-coder-7b.yaml` (docs/scale.md)
    """
    from azr.config.settings import load_config
    from azr.training.run import Run

    is_run = config.is_dir() or config.name == "config.yaml"
    folder = config if config.is_dir() else config.parent
    loaded = load_config(folder / "config.yaml" if is_run else config, overrides or [])
    run = Run(folder if is_run and resume else runs / loaded.name)
    if dry_run:
        from azr.training.plan import print_plan

        print_plan(loaded, run, resume)
        return
    from azr.ranks.group import open_ranks
    from azr.ranks.serving import serve
    from azr.training.opening import open_served
    from azr.training.train import train as train_run

    with open_ranks() as ranks:
        if ranks.leads:
            train_run(loaded, run, resume, ranks=ranks)
        else:
            serve(ranks, open_served)
