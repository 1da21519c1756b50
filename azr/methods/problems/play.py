"""A step with given problems: ask, judge, vote, pay.

Problems are passed over again and again, each pass in an order of its own; a step takes the next of them. RLVR and TTRL
are this with another label (labels.py): Zuo et al. 2025 (TTRL, arXiv 2504.16084) ask for more answers than they train
on, so that the vote is good and the update cheap.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from azr.buffer import AnswerRow, ProblemRow, TaskBuffer
from azr.config.fields import ProblemsConfig
from azr.errors import UserError
from azr.evaluation.judging.check import Tools
from azr.evaluation.judging.math_grader import MathGrader
from azr.evaluation.probe_metrics import told
from azr.methods.method import Play, Rollout, Seat, Stop
from azr.methods.problems.confidence import spreads
from azr.methods.problems.labels import LABELS, WANT_SPREADS
from azr.methods.problems.metrics import (
    Paid,
    look_metrics,
    look_row,
    problem_line,
    problem_line_key,
    problem_metrics,
)
from azr.methods.problems.passes import Passes
from azr.problems.asking import Answers, Sampling, ask
from azr.problems.given import Asked, Given, framed
from azr.seeds import stream
from tasks.triplet import Role


class ProblemPlay:
    """The method (azr/methods/method.py) called `name`, whose part of the config is `settings`."""

    def __init__(
        self, seat: Seat, name: str, settings: ProblemsConfig, problems: Sequence[Given], looked: Sequence[Given] = ()
    ) -> None:
        """`looked` are the problems that settings.look asks, where these are others."""
        self.looks = f"probe/tokens/{name}"  # what every look has, whatever is known
        self._looked = looked
        self._name = name
        self._settings = settings
        self._table = seat.table
        self._buffer = seat.buffer
        self._phase = seat.phase
        self._say = seat.say
        self._problems = problems
        self._asked: list[Asked] = []
        self._passes: Passes | None = None
        self._tools = Tools(seat.table.sandbox, seat.closing.enter_context(MathGrader()))
        self._temperature = settings.temperature or seat.table.config.rollout.temperature
        known = any(problem.answer is not None for problem in problems)
        self.legend = problem_line_key(name, settings.votes, known)

    def prepare(self, done: int, stop: Stop) -> bool:
        """Frame the problems in the run's style. Raises UserError where too few of the prompts are short enough."""
        limit = self._table.config.rollout.max_prompt_tokens
        asked = [framed(self._table, problem) for problem in self._problems]
        self._asked = [one for one in asked if len(one.prompt_ids) <= limit]
        left_out, batch, seed = len(asked) - len(self._asked), self._settings.batch, self._table.config.seed
        if len(self._asked) < batch:
            raise UserError(
                f"{self._name}: {len(self._asked)} problems have prompts of at most rollout.max_prompt_tokens={limit},"
                f" fewer than {self._name}.batch={batch}"
            )
        self._passes = Passes(len(self._asked), batch, partial(stream, seed, self._name, "pass"))
        told = f", {left_out} left out for prompts of more than {limit} tokens" if left_out else ""
        self._say(f"{self._name}: {len(self._asked)} problems, paid by {self._settings.label}{told}")
        return True

    def play(self, number: int) -> Iterator[Play]:
        """Ask the step's problems, and pay their answers."""
        assert self._passes is not None, "play before prepare"
        problems = [self._asked[index] for index in self._passes.step(number)]
        settings, sampling = self._settings, self._table.config.rollout
        wanted = Sampling(settings.votes, settings.max_tokens, self._temperature, sampling.top_p)
        with self._phase(f"answer {self._name}", len(problems) * settings.votes) as advance:
            answered = ask(self._table, self._tools, problems, wanted, ("step", number, self._name), advance)
            paid = [self._pay(answers) for answers in answered]
        metrics = problem_metrics(self._name, paid)
        yield Play(
            [rollout for index, one in enumerate(paid) for rollout in self._rollouts(index, one)],
            sum(len(completion.token_ids) for answers in answered for completion in answers.completions),
            metrics,
            problem_line(self._name, metrics, settings.votes),
            partial(_store, self._name, number, paid),
        )

    def look(self, number: int) -> Mapping[str, float]:
        """avg@N and maj@N where they are due; the same random numbers every time."""
        look, steps = self._settings.look, self._table.config.steps
        if not look.every or (number % look.every and number != steps):
            return {}
        asked = [framed(self._table, problem) for problem in self._looked] if self._looked else self._asked
        sampling = Sampling(look.samples, self._settings.max_tokens, look.temperature, look.top_p)
        with self._phase(f"look {self._name}", len(asked) * look.samples) as advance:
            answered = ask(self._table, self._tools, asked, sampling, ("look", self._name), advance)
        with self._buffer.transaction():
            for answers in answered:
                self._buffer.add_look(look_row(number, self._name, answers))
        metrics = look_metrics(self._name, answered)
        when = f"after step {number}" if number else "before training"
        self._say(f"probe {when}: {told(metrics) or 'nobody knows the answers'}")
        return metrics

    def _pay(self, answers: Answers) -> Paid:
        trained = min(self._settings.trained or self._settings.votes, self._settings.votes)
        paid = Paid(answers, (), trained)
        evidence = replace(paid.evidence, logprobs=[completion.logprobs for completion in answers.completions])
        if self._settings.label in WANT_SPREADS:
            ids, completions = answers.asked.prompt_ids, answers.completions
            evidence = replace(evidence, spreads=spreads(self._table.policy, ids, completions, self._temperature))
        return replace(paid, rewards=tuple(LABELS[self._settings.label](evidence)))

    def _rollouts(self, index: int, paid: Paid) -> Iterator[Rollout]:
        for completion, reward in list(zip(paid.answers.completions, paid.rewards, strict=True))[: paid.trained]:
            yield Rollout(
                Role.SOLVE,
                (self._name,),
                (self._name, index),
                paid.answers.asked.prompt_ids,
                completion.token_ids,
                completion.logprobs,
                self._temperature,
                reward,
                self._settings.max_tokens,
            )


def _store(method: str, step: int, paid: Sequence[Paid], buffer: TaskBuffer) -> None:
    for one in paid:
        problem = one.answers.asked.problem
        row = ProblemRow(step, method, problem.key, problem.level, problem.question, problem.answer)
        problem_id = buffer.add_problem(row)
        for index, (completion, judgement) in enumerate(
            zip(one.answers.completions, one.answers.judgements, strict=True)
        ):
            tally, verdicts = one.answers.tally, one.answers.verdicts
            cluster = tally.clusters[index] if tally else None
            buffer.add_answer(
                AnswerRow(
                    step=step,
                    problem_id=problem_id,
                    text=completion.text,
                    answer=judgement.answer,
                    verdict=verdicts[index] if verdicts else None,
                    cluster=cluster,
                    label=bool(tally and cluster is not None and cluster == tally.label),
                    trained=index < one.trained,
                    reward=one.rewards[index],
                    tokens=len(completion.token_ids),
                    truncated=completion.truncated,
                )
            )
