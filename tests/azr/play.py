"""The scripted tiny run as a program of its own, to be killed: python -m tests.azr.play MODEL RUNS STEPS [resume]."""

import sys
from pathlib import Path

import torch

from azr.training.run import Run
from azr.training.train import train
from tests.azr.players import scripted_engine, tiny_config


def main(model: str, runs: str, steps: str, resume: str = "") -> None:
    """One process of the run."""
    torch.set_num_threads(1)
    config = tiny_config(Path(model), steps=int(steps))
    train(config, Run(Path(runs) / config.name), bool(resume), scripted_engine)


main(*sys.argv[1:])
