"""Every estimator on one small labelled problem set: the same seeds, the same number of samples a step.

    python benchmarks/estimators.py OUT                                      all estimators, seed 0, 24 steps
    python benchmarks/estimators.py OUT --estimators grpo ppo --seeds 0 1 2 --steps 40
    python benchmarks/estimators.py OUT --table                              the table of what is there

The problems are the packaged small functions, each as deduction and as abduction; every third function is held out. A
step draws --prompts of the others, the same ones for every estimator, and has --answers to each. ReMax's greedy answers
and DAPO's refilled prompts come on top, and the table counts them. Each step is two optimizer steps by default: in the
first of them all ratios are 1 and clippings don't differ.

Each pair of estimator and seed runs in a process of its own, for its memory, and leaves OUT/ESTIMATOR-SEED.json; what
is there is not run again, so that the same command goes on where it was stopped. The untrained model is read once a
seed (OUT/base-SEED.json). ΔSE is the untrained model's pass@k at the most samples, less the trained one's pass@1 (Yue
et al. 2025, arXiv 2504.13837, table 2): lower is better.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # in place of this folder: sandbox.py lies here too

from azr.config.fields import Config, Estimator  # noqa: E402
from azr.config.settings import load_config  # noqa: E402
from azr.evaluation.passk import per_problem  # noqa: E402
from azr.training.run import write_whole  # noqa: E402

BASE = "base"
REFILL_ROUNDS = 3


@dataclass(frozen=True)
class Reading:
    """One model on the held-out problems, and what it cost to get there."""

    estimator: str
    seed: int
    steps: int
    right: list[int]  # of `samples` answers, a held-out problem each
    samples: int
    entropy: float | None  # nats a token in the last step trained; None for the untrained model
    train_right: list[float]  # share of right answers, a step each
    sampled: int
    seconds: float
    peak_gib: float

    def pass_at(self, k: int) -> float:
        """Mean over the held-out problems."""
        return float(per_problem([(self.samples, right) for right in self.right], k).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--estimators", nargs="+", default=list(Estimator), choices=list(Estimator), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--prompts", type=int, default=16, help="problems a step")
    parser.add_argument("--answers", type=int, default=8, help="answers to each")
    parser.add_argument("--samples", type=int, default=64, help="answers to each held-out problem")
    parser.add_argument("--held-out", type=int, default=40, help="held-out problems at most")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "smollm2-135m.yaml")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="config keys to change")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--run", help=argparse.SUPPRESS)  # the process of one estimator and seed
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.run:
        reading = run(arguments.run, arguments.seeds[0], arguments)
        write_whole(place(arguments.out, reading.estimator, reading.seed), json.dumps(asdict(reading)) + "\n")
        return
    if not arguments.table:
        for seed in arguments.seeds:
            for name in (BASE, *arguments.estimators):
                if not place(arguments.out, name, seed).is_file():
                    in_a_process(name, seed)
    print(table(readings(arguments.out)))


def run(name: str, seed: int, arguments: argparse.Namespace) -> Reading:
    """Train by one estimator (or not at all, for the base), then read the held-out problems."""
    import torch

    from azr.learner import Learner
    from azr.learner.algorithms import ALGORITHMS
    from azr.policy.model import load_policy
    from azr.rollout import open_engine
    from azr.rollout.asking import Table
    from azr.seeds import derive_seed, stream
    from sandbox import Sandbox, SandboxConfig
    from tasks.prompts import load_style

    began = time.perf_counter()
    config = configured(name, seed, arguments)
    torch.manual_seed(derive_seed(seed, "model"))
    policy = load_policy(config.model)
    critic = load_policy(config.model) if ALGORITHMS[config.learner.estimator].critic else None
    train, held_out = problems(arguments.held_out)
    train_right: list[float] = []
    sampled, entropy = 0, None
    with Sandbox(SandboxConfig()) as sandbox:
        engine = open_engine(policy, config.rollout)
        at = Table(config, policy, engine, sandbox, load_style(config.prompts.style))
        learner = Learner(
            policy,
            config.learner,
            config.model,
            config.solver.max_tokens,
            arguments.steps * config.learner.minibatches,
            critic=critic,
        )
        for step in range(1, (0 if name == BASE else arguments.steps) + 1):
            torch.manual_seed(derive_seed(seed, "step", step))
            order = stream(seed, "step", step, "problems").sample(range(len(train)), len(train))
            played = play(at, [train[i] for i in order], step, arguments)
            metrics = learner.step(learner.credit(played.samples, played.outcomes))
            engine.update_weights(policy.model)
            sampled += played.sampled
            train_right.append(played.right)
            entropy = metrics.get("entropy", entropy)
            print(f"{name} seed {seed} step {step}: {100 * played.right:.0f} % right", file=sys.stderr, flush=True)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        right = [sum(each) for each in judged(at, held_out, arguments.samples, ("read",))]
        engine.close()
    steps = 0 if name == BASE else arguments.steps
    return Reading(name, seed, steps, right, arguments.samples, entropy, train_right, sampled, seconds, peak)


@dataclass(frozen=True)
class Played:
    """What a step trains on. `right` is the share of right answers before any prompt was thrown away."""

    samples: list  # of azr.learner.Sample
    outcomes: list  # of azr.learner.Outcome
    sampled: int
    right: float


def play(at, ordered: Sequence, step: int, arguments: argparse.Namespace) -> Played:
    """Answers to the first problems of `ordered`; for DAPO, to later ones in place of those without spread."""
    from azr.learner import Outcome, Sample
    from azr.learner.algorithms import ALGORITHMS
    from azr.learner.sampling import overlong_penalty, with_baselines, without_spread
    from azr.rollout.asking import solve
    from tasks.reward import solver_reward
    from tasks.triplet import Role, Verdict

    learner, solver = at.config.learner, at.config.solver
    algorithm = ALGORITHMS[learner.estimator]
    temperature = solver.temperature or at.config.rollout.temperature
    samples, outcomes, sampled = [], [], 0
    shares: list[float] = []
    waiting, wanted = list(ordered), arguments.prompts
    for turn in range(REFILL_ROUNDS if algorithm.refills_groups else 1):
        asked, waiting = waiting[:wanted], waiting[wanted:]
        groups = solve(at, asked, arguments.answers, ("step", step, turn), lambda _: None)
        sampled += sum(map(len, groups))
        shares += [float(answer.verdict is Verdict.RIGHT) for answers in groups for answer in answers]
        new_samples, new = [], []
        for number, (problem, answers) in enumerate(zip(asked, groups, strict=True)):
            for answer in answers:
                ids, logprobs = answer.completion.token_ids, answer.completion.logprobs
                reward = solver_reward(answer.verdict)
                if learner.overlong_buffer:
                    reward += overlong_penalty(len(ids), solver.max_tokens, learner.overlong_buffer)
                new_samples.append(Sample(answer.prompt_ids, ids, logprobs, 0.0, temperature))
                new.append(Outcome(reward, (Role.SOLVE, problem.type), (turn, number), Role.SOLVE))
        if algorithm.greedy_baseline:
            greedy = judged_rewards(at, asked)
            sampled += len(greedy)
            new = with_baselines(new, {(turn, number): reward for number, reward in enumerate(greedy)})
        flat = (
            set(without_spread([o.reward for o in new], [o.group for o in new])) if algorithm.refills_groups else set()
        )
        kept = [index for index, outcome in enumerate(new) if outcome.group not in flat]
        samples += [new_samples[index] for index in kept]
        outcomes += [new[index] for index in kept]
        wanted = len(flat)
        if not wanted or not waiting:
            break
    return Played(samples, outcomes, sampled, fmean(shares))


def judged_rewards(at, asked: Sequence) -> list[float]:
    """The reward of a greedy answer to each problem."""
    from azr.rollout.engine import Request
    from tasks.kinds import KINDS
    from tasks.reward import solver_reward

    prompts = [at.framed(KINDS[problem.type].solve_prompt(at.style, problem)) for problem in asked]
    most = at.config.solver.max_tokens
    requests = [Request(at.encode(p), max_tokens=most, temperature=0.0, stop=p.stop) for p in prompts]
    rewards = []
    for problem, prompt, (completion,) in zip(asked, prompts, at.engine.generate(requests), strict=True):
        kind = KINDS[problem.type]
        answer = kind.parse_answer(at.style, prompt.answer_prefix + completion.text)
        rewards.append(solver_reward(kind.verify(at.sandbox, problem, [answer])[0]))
    return rewards


def judged(at, asked: Sequence, samples: int, purpose: tuple[str, ...]) -> list[list[bool]]:
    """Whether each of `samples` answers to each problem is right."""
    from azr.rollout.asking import solve
    from tasks.triplet import Verdict

    groups = solve(at, asked, samples, purpose, lambda _: None)
    return [[answer.verdict is Verdict.RIGHT for answer in answers] for answers in groups]


def configured(name: str, seed: int, arguments: argparse.Namespace) -> Config:
    """The laptop's config with the estimator in it: two optimizer steps a step unless --set says otherwise."""
    words = ["learner.minibatches=2", "learner.learning_rate=2e-5", *arguments.set]
    loaded = load_config(arguments.config, words)
    estimator = loaded.learner.estimator if name == BASE else Estimator(name)
    overlong = loaded.learner.overlong_buffer or (loaded.solver.max_tokens // 4 if name == Estimator.DAPO else 0)
    return replace(loaded, seed=seed, learner=replace(loaded.learner, estimator=estimator, overlong_buffer=overlong))


def problems(most_held_out: int) -> tuple[list, list]:
    """(to train on, held out): every third packaged function is held out."""
    from azr.config.fields import ProbeConfig
    from azr.evaluation.probe import BUILTIN, load_probe

    every = load_probe(ProbeConfig(every=1, problems=10**6, data=BUILTIN))
    programs = sorted({problem.program for problem in every})
    out = set(programs[::3])
    held_out = [problem for problem in every if problem.program in out]
    return [problem for problem in every if problem.program not in out], held_out[:most_held_out]


def in_a_process(name: str, seed: int) -> None:
    subprocess.run([sys.executable, __file__, *sys.argv[1:], "--run", name, "--seeds", str(seed)], check=True)


def place(out: Path, name: str, seed: int) -> Path:
    return out / f"{name}-{seed}.json"


def readings(out: Path) -> list[Reading]:
    """All that are there, the untrained models first, then in the catalogue's order."""
    names = [BASE, *Estimator]
    found = [Reading(**json.loads(path.read_text())) for path in out.glob("*-*.json")]
    return sorted(found, key=lambda reading: (names.index(reading.estimator), reading.seed))


def table(found: Sequence[Reading]) -> str:
    """Markdown, a line a reading; ΔSE beside a base of the same seed and number of samples."""
    bases = {(reading.seed, reading.samples): reading for reading in found if reading.estimator == BASE}
    lines = [
        "| estimator | seed | steps | pass@1 | pass@k | k | ΔSE | entropy | sampled | seconds | peak GiB |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for reading in found:
        k = reading.samples
        base = bases.get((reading.seed, k))
        gap = f"{100 * (base.pass_at(k) - reading.pass_at(1)):.1f}" if base else "–"
        entropy = "–" if reading.entropy is None else f"{reading.entropy:.2f}"
        lines.append(
            f"| {reading.estimator} | {reading.seed} | {reading.steps} | {100 * reading.pass_at(1):.1f}"
            f" | {100 * reading.pass_at(k):.1f} | {k} | {gap} | {entropy} | {reading.sampled}"
            f" | {reading.seconds:.0f} | {reading.peak_gib:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
