"""A method of another kind, whole: the proposer is paid for questions on which the majority is unsure. No sandbox.

Self-play by disagreement, after the idea of R-Zero (Huang et al. 2025, arXiv 2508.05004): a question is worth most
where half of its answers agree, nothing where all do or none can be read, and the answers are paid by the majority.
docs/methods.md walks through this file; `methods: [tests.azr.methods.disagreement]` runs it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from azr.buffer import AnswerRow, ProblemRow, TaskBuffer
from azr.methods.method import Play, Rollout, Room, Seat, Stop
from azr.policy.model import encode_prompt
from azr.problems.voting import Tally, tally
from azr.rollout.asking import Table, generate_and_judge
from azr.rollout.engine import Completion, Request
from azr.seeds import derive_seed, stream
from tasks.triplet import Prompt, Role

NAME = "disagreement"
EXAMPLES = ("What is 17 + 26?", "What is 9 * 14 - 5?", "What is 81 / 3?", "What is half of 58?")


def uncertainty(vote: Tally) -> float:
    """1 where half of the answers agree, 0 where all or none do."""
    return 1 - 2 * abs(vote.ratio - 0.5) if vote.label is not None else 0.0


class Disagreement:
    """See azr/methods/method.py. `propose.batch` questions a step, `solver.estimate_samples` answers to each."""

    legend = f"{NAME}: mean uncertainty of the questions, and how many answers agree"
    looks = ""

    def __init__(self, seat: Seat) -> None:
        self._table, self._phase = seat.table, seat.phase
        self._config = seat.table.config

    def prepare(self, done: int, stop: Stop) -> bool:
        """Nothing has to be there before the first step."""
        return True

    def look(self, number: int) -> Mapping[str, float]:
        """Nothing besides what its plays say."""
        return {}

    def play(self, number: int) -> Iterator[Play]:
        """Ask for questions, have each answered several times, pay both sides by the vote."""
        config = self._config
        shown = stream(config.seed, "step", number, NAME).sample(EXAMPLES, 2)
        wanted = Prompt("".join(f"Question: {one}\n" for one in shown) + "Question:", stop=("\n",))
        questions = self._ask("propose", number, [wanted], config.propose.batch, config.propose.max_tokens)[0]
        prompts = [Prompt(f"Question: {one.text.strip()}\nAnswer:", stop=("\n",)) for one in questions]
        answers = self._ask("answer", number, prompts, config.solver.estimate_samples, config.solver.max_tokens)
        votes = [tally(list(map(_number, given)), lambda one, other: float(one) == float(other)) for given in answers]
        rollouts = [
            self._rollout(Role.PROPOSE, 0, wanted, question, uncertainty(vote), config.propose.max_tokens)
            for question, vote in zip(questions, votes, strict=True)
        ]
        for place, (prompt, given, vote) in enumerate(zip(prompts, answers, votes, strict=True)):
            for one, cluster in zip(given, vote.clusters, strict=True):
                paid = float(cluster is not None and cluster == vote.label)
                rollouts.append(self._rollout(Role.SOLVE, place, prompt, one, paid, config.solver.max_tokens))
        unsure, agreed = fmean(map(uncertainty, votes)), fmean(vote.ratio for vote in votes)
        yield Play(
            rollouts,
            sum(len(one.token_ids) for group in (questions, *answers) for one in group),
            {f"{NAME}/uncertainty": unsure, f"{NAME}/majority_ratio": agreed},
            f"unsure {unsure:.2f}  agreed {agreed:.0%}",
            partial(_store, number, prompts, answers, votes),
        )

    def _ask(self, what: str, number: int, prompts: list[Prompt], n: int, tokens: int) -> list[list[Completion]]:
        """`n` responses to each prompt."""
        requests = [
            Request(
                prompt_ids=encode_prompt(self._table.policy, prompt, chat=False),
                n=n,
                max_tokens=tokens,
                temperature=self._config.rollout.temperature,
                top_p=self._config.rollout.top_p,
                stop=prompt.stop,
                seed=derive_seed(self._config.seed, "step", number, NAME, what, place),
            )
            for place, prompt in enumerate(prompts)
        ]
        with self._phase(what, len(requests) * n) as advance:
            return generate_and_judge(self._table, [_Asked(request) for request in requests], advance)

    def _rollout(self, role: Role, place: int, prompt: Prompt, one: Completion, reward: float, limit: int) -> Rollout:
        ids = encode_prompt(self._table.policy, prompt, chat=False)
        temperature = self._config.rollout.temperature
        group = (NAME, role, place)
        return Rollout(role, (NAME, role), group, ids, one.token_ids, one.logprobs, temperature, reward, limit)


@dataclass(frozen=True)
class _Asked:
    """A prompt whose responses are taken as they are: there is nothing to judge (azr/rollout/asking.py, Case)."""

    request: Request

    def judge(self, table: Table, completions: Sequence[Completion]) -> list[Completion]:
        return list(completions)


def _number(answer: Completion) -> str | None:
    """The number that an answer begins with."""
    found = re.match(r"\s*(-?\d+(?:\.\d+)?)", answer.text)
    return found[1] if found else None


def _store(
    step: int, prompts: list[Prompt], answers: list[list[Completion]], votes: list[Tally], buffer: TaskBuffer
) -> None:
    for place, (prompt, given, vote) in enumerate(zip(prompts, answers, votes, strict=True)):
        problem = buffer.add_problem(ProblemRow(step, NAME, f"{step}:{place}", "", prompt.text, None))
        for one, cluster in zip(given, vote.clusters, strict=True):
            label = cluster is not None and cluster == vote.label
            row = AnswerRow(
                step, problem, one.text, _number(one), None, cluster, label, True, float(label), len(one.token_ids),
                one.truncated,
            )  # fmt: skip
            buffer.add_answer(row)


ROOM = Room(
    read=lambda config: Disagreement,
    plan=lambda config: [(NAME, f"{config.propose.batch} questions, {config.solver.estimate_samples} answers each")],
    longest=lambda config: max(config.propose.max_tokens, config.solver.max_tokens),
    fixed=("propose", "solver"),
)
