"""Self-play for a seed is what it was before the loop learned to play other methods too.

The rows and weights were taken on 8e4a400, which changed the prompts; the commit before it still gave those of older
commits: `paper` of 430619a, where self-play was the loop, and `rounds` of 50dbbde. Rows don't depend on floating point,
since the script says the same whatever the weights. Weights are compared to the bit where the arithmetic is that of the
machine on which the digest was taken, which a forward and a backward pass of their own tell.
"""

import hashlib

import pytest
import torch
from safetensors.torch import load_file

from azr.buffer import connect_read_only
from azr.config.fields import (
    Estimator,
    Flaw,
    LearnerConfig,
    PanelConfig,
    ProbeConfig,
    ProposeConfig,
    RoleLearning,
    SolverConfig,
    TrainOn,
)
from azr.training.checkpoint import find_checkpoint
from azr.training.run import Run
from azr.training.train import train
from tests.azr.players import scripted_engine, tiny_config, tiny_model_folder
from tests.azr.rollout.tiny import tiny_model

COLUMNS = {
    "proposal": "id, step, type, refs, text, tokens, truncated, rejection, detail, reward",
    "task": "id, step, type, origin, proposal_id, program, inputs, outputs, message, fingerprint, program_fingerprint,"
    " lines, nodes, branches, solve_rate, learnability",
    "attempt": "id, step, task_id, purpose, text, answer, verdict, reward, tokens, truncated",
}
ARITHMETIC = "4af96c9f5dceb830"
ROWS = {"paper": "67976a0c93f0f57b", "rounds": "3485233c5c594c15"}
WEIGHTS = {"paper": "73ee8cbe15b2fc73", "rounds": "41fb41ffbf5e21d5"}


def arithmetic() -> str:
    model = tiny_model()
    ids = torch.arange(40)[None] % 50
    model(input_ids=ids, labels=ids).loss.backward()
    return digest(b"".join(weight.grad.numpy().tobytes() for weight in model.parameters() if weight.grad is not None))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def settings(kind):
    if kind == "paper":  # fresh answers, one update a step, every type
        return {"steps": 3}
    return {
        "steps": 2,
        "probe": ProbeConfig(every=0),
        "propose": ProposeConfig(
            batch=4, references=2, induction_inputs=6, max_tokens=120, samples_per_prompt=2, refuse=(Flaw.CONSTANT,)
        ),
        "solver": SolverConfig(batch=3, estimate_samples=4, train_on=TrainOn.ESTIMATE, max_tokens=60, rounds=3),
        "learner": LearnerConfig(learning_rate=1e-3, solve=RoleLearning(estimator=Estimator.GRPO)),
        "panel": PanelConfig(every=2, tasks=2, samples=2),
    }


@pytest.mark.parametrize("kind", ["paper", "rounds"])
def test_rows_and_weights_of_a_seed_are_those_of_before(kind, tmp_path):
    torch.set_num_threads(1)
    run = Run(tmp_path / "run")
    config = tiny_config(tiny_model_folder(tmp_path / "model"), **settings(kind))
    train(config, run, resume=False, open_engine=scripted_engine)
    connection = connect_read_only(run.buffer)
    rows = {name: connection.execute(f"SELECT {c} FROM {name} ORDER BY id").fetchall() for name, c in COLUMNS.items()}
    connection.close()
    assert digest(repr(rows).encode()) == ROWS[kind]
    if arithmetic() == ARITHMETIC:
        weights = load_file(find_checkpoint(run) / "model" / "model.safetensors")
        assert digest(b"".join(weights[name].numpy().tobytes() for name in sorted(weights))) == WEIGHTS[kind]
