"""A step with given problems: ask, judge, vote, pay.

Problems are passed over again and again, each pass in an order of its own; a step takes the next of them. RLVR and TTRL
are this with another label (labels.py): Zuo et al. 2025 (TTRL, arXiv 2504.16084) ask for more answers than they train
on, so that the vote is good and the update cheap.

Where the update wants it, problems without spread are replaced by others (refilling.py), and those that train are
answered once more, greedily (greedy.py). All that was sampled is counted and, but for the greedy answers, stored.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from azr.buffer import AnswerRow, ProblemRow, TaskBuffer
from azr.config.fields import ProblemsConfig
from azr.errors import UserError
from azr.evaluation.probe_metrics import told
from azr.methods.method import Play, Rollout, Seat, Stop
from azr.methods.problems.confidence import spreads
from azr.methods.problems.greedy import baseline
from azr.methods.problems.labels import LABELS, WANT_SPREADS, Spread
from azr.methods.problems.metrics import (
    Paid,
    cut_share,
    look_metrics,
    look_row,
    problem_line,
    problem_line_key,
    problem_metrics,
    refilling_metrics,
)
from azr.methods.problems.passes import Passes
from azr.methods.problems.refilling import has_spread, others, refilled
from azr.problems.asking import Answers, Sampling, ask, most_tokens
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
        self._wants = seat.wants[Role.SOLVE]
        self._problems = problems
        self._asked: list[Asked] = []
        self._looked_at: list[Asked] = []
        self._passes: Passes | None = None
        self._tools = seat.table.tools
        self._temperature = settings.temperature or seat.table.config.rollout.temperature
        known = any(problem.answer is not None for problem in problems)
        self.legend = problem_line_key(name, settings.votes, known)

    def prepare(self, done: int, stop: Stop) -> bool:
        """Frame the problems in the run's style. Raises UserError where too few of the prompts are short enough."""
        batch, seed = self._settings.batch, self._table.config.seed
        self._asked, told = self._fitting(self._problems, batch, f"{self._name}.batch={batch}")
        self._passes = Passes(len(self._asked), batch, partial(stream, seed, self._name, "pass"))
        self._say(f"{self._name}: {len(self._asked)} problems, paid by {self._settings.label}{told}")
        self._looked_at = self._asked
        if self._looked:
            self._looked_at, told = self._fitting(self._looked, 1, "one to look at")
            self._say(f"{self._name}, to look at: {len(self._looked_at)} problems{told}")
        return True

    def _fitting(self, problems: Sequence[Given], least: int, wanted: str) -> tuple[list[Asked], str]:
        """Those whose prompts are short enough, and words for the others. Raises UserError for fewer than `least`."""
        limit = self._table.config.rollout.max_prompt_tokens
        asked = [framed(self._table, problem) for problem in problems]
        fitting = [one for one in asked if len(one.prompt_ids) <= limit]
        if len(fitting) < least:
            raise UserError(
                f"{self._name}: {len(fitting)} problems have prompts of at most rollout.max_prompt_tokens={limit},"
                f" fewer than {wanted}"
            )
        left_out = len(asked) - len(fitting)
        return fitting, f", {left_out} left out for prompts of more than {limit} tokens" if left_out else ""

    def play(self, number: int) -> Iterator[Play]:
        """Ask the step's problems, and pay their answers."""
        paid = self._pay_step(number)
        if self._wants.baseline:
            paid = self._pay_greedy(number, paid)
        metrics = problem_metrics(self._name, paid)
        if self._table.config.rollout.tail.quantile < 1:
            metrics |= cut_share(self._name, paid)
        if self._wants.refill_rounds:
            metrics |= refilling_metrics(self._name, paid, self._settings.batch)
        yield Play(
            [rollout for index, one in enumerate(paid) for rollout in self._rollouts(index, one)],
            sum(one.tokens for one in paid),
            metrics,
            problem_line(self._name, metrics, self._settings.votes),
            partial(_store, self._name, number, paid),
        )

    def _pay_step(self, number: int) -> list[Paid]:
        """The step's problems and, where those without spread are left out, what was asked in their place."""
        assert self._passes is not None, "play before prepare"
        chosen = self._passes.step(number)
        paid = self._pay_answers(chosen, ("step", number, self._name))
        rounds = self._wants.refill_rounds
        if not rounds:
            return paid
        rest = others(len(self._asked), chosen, stream(self._table.config.seed, "step", number, self._name, "refill"))
        every = refilled(
            paid,
            rest,
            rounds,
            lambda turn, problems: self._pay_answers(problems, ("step", number, self._name, "refill", turn)),
        )
        return [replace(one, left_out=not has_spread(one)) for one in every]

    def _pay_answers(self, problems: Sequence[int], purpose: tuple[str | int, ...]) -> list[Paid]:
        settings, sampling = self._settings, self._table.config.rollout
        wanted = Sampling(settings.votes, settings.max_tokens, self._temperature, sampling.top_p, may_be_cut=True)
        with self._phase(f"answer {self._name}", len(problems) * settings.votes) as advance:
            asked = [self._asked[index] for index in problems]
            answered = ask(self._table, asked, wanted, purpose, advance)
            return [self._pay(answers) for answers in answered]

    def _pay_greedy(self, number: int, paid: Sequence[Paid]) -> list[Paid]:
        """The same, each of those that train with what a greedy answer to its problem earns."""
        sampling = Sampling(1, self._settings.max_tokens, temperature=0.0, top_p=1.0, may_be_cut=True)
        asked = [one.answers.asked for one in paid if not one.left_out]
        with self._phase(f"greedy {self._name}", len(asked)) as advance:
            answered = iter(ask(self._table, asked, sampling, ("step", number, self._name, "greedy"), advance))
            return [one if one.left_out else self._beside(one, next(answered)) for one in paid]

    def _beside(self, paid: Paid, greedy: Answers) -> Paid:
        spread = next(iter(self._spreads(greedy) or ()), None)
        earned = baseline(self._tools, self._settings.label, paid.answers, greedy, spread)
        return replace(paid, greedy=greedy, baseline=earned)

    def look(self, number: int) -> Mapping[str, float]:
        """avg@N and maj@N where they are due; the same random numbers every time."""
        look, steps = self._settings.look, self._table.config.steps
        if not look.every or (number % look.every and number != steps):
            return {}
        asked = self._looked_at
        sampling = Sampling(look.samples, self._settings.max_tokens, look.temperature, look.top_p)
        with self._phase(f"look {self._name}", len(asked) * look.samples) as advance:
            answered = ask(self._table, asked, sampling, ("look", self._name), advance)
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
        logprobs = [completion.logprobs for completion in answers.completions]
        evidence = replace(paid.evidence, logprobs=logprobs, spreads=self._spreads(answers))
        return replace(paid, rewards=tuple(LABELS[self._settings.label](evidence)))

    def _spreads(self, answers: Answers) -> list[Spread] | None:
        """How sure the policy was of each answer, where the label asks for it."""
        if self._settings.label not in WANT_SPREADS:
            return None
        return spreads(self._table.policy, answers.asked.prompt_ids, answers.completions, self._temperature)

    def _rollouts(self, index: int, paid: Paid) -> Iterator[Rollout]:
        limit = most_tokens(self._table, paid.answers.asked, self._settings.max_tokens)
        for completion, reward in list(zip(paid.answers.completions, paid.rewards, strict=True))[: paid.training]:
            yield Rollout(
                Role.SOLVE,
                (self._name,),
                (self._name, index),
                paid.answers.asked.prompt_ids,
                completion.token_ids,
                completion.logprobs,
                self._temperature,
                reward,
                limit,
                baseline=paid.baseline,
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
                    trained=index < one.training,
                    reward=one.rewards[index],
                    tokens=len(completion.token_ids),
                    truncated=completion.truncated,
                )
            )
