"""The scripted tiny run as a launcher starts it, a process a rank: -m tests.azr.ranks.played MODEL RUNS [WORD...].

Words are changes of the config (`key=value`), and `resume`.
"""

import sys
from functools import partial
from pathlib import Path

import torch

from azr.config.settings import dump_config, load_config
from azr.ranks.group import open_ranks
from azr.ranks.serving import serve
from azr.training.opening import open_served
from azr.training.run import Run
from azr.training.train import train
from tests.azr.players import scripted_engine, tiny_config


def main(model: str, runs: str, *words: str) -> None:
    """One rank of the run."""
    torch.set_num_threads(1)
    with open_ranks() as ranks:
        if not ranks.leads:
            serve(ranks, partial(open_served, open_engine=scripted_engine))
            return
        written = Path(runs) / "config.yaml"
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(dump_config(tiny_config(Path(model))))
        config = load_config(written, [word for word in words if "=" in word])
        train(config, Run(Path(runs) / config.name), "resume" in words, scripted_engine, ranks)


main(*sys.argv[1:])
