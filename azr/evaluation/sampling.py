"""Asks a model for answers to a benchmark and judges them while it goes on, so that a stop loses next to nothing."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from azr.errors import UserError
from azr.evaluation.benchmark import AnyBenchmark, Problem, PromptForm
from azr.evaluation.judging.check import Judgement, Tools
from azr.evaluation.plan import SamplingSettings
from azr.evaluation.samples import Sample, judged_line, read_samples
from azr.policy.image_text import ImagePrompt, chat_text, image_prompt, model_inputs, text_ids
from azr.policy.model import Policy, encode_prompt
from azr.rollout.engine import Completion, Engine, Request
from azr.seeds import derive_seed
from azr.training.run import write_whole

JUDGES = 4  # threads that wait for the sandbox

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Respondent:
    """A model that is asked."""

    policy: Policy
    engine: Engine
    settings: SamplingSettings

    def request(self, benchmark: AnyBenchmark, problem: Problem, n: int, given: int) -> Request:
        """The request for `n` more samples of a problem that has `given` of them."""
        settings = self.settings
        return Request(
            prompt_ids(self.policy, problem, settings.form),
            n=n,
            max_tokens=min(settings.max_tokens, problem.most_tokens.get(settings.form, settings.max_tokens)),
            temperature=settings.temperature,
            top_p=settings.top_p,
            stop=problem.prompts[settings.form].stop,
            seed=derive_seed(settings.seed, benchmark.name, problem.task_id, given),
            pictured=pictured_prompt(self.policy, problem, settings.form),
        )


def natural_form(tokenizer: PreTrainedTokenizerBase) -> PromptForm:
    """How to ask a model of which nothing else is known: in a chat where its tokenizer has a template for one."""
    return PromptForm.COMPLETION if tokenizer.chat_template is None else PromptForm.REASONING


def form_of_images(problems: Sequence[Problem], wanted: PromptForm | None) -> PromptForm | None:
    """`wanted`, or where a problem has images the one form that these have.

    Raises UserError where another is wanted.
    """
    if not any(problem.images for problem in problems):
        return wanted
    if wanted is PromptForm.COMPLETION:
        raise UserError("images are asked about in a chat alone: leave --style out, or say --style reasoning")
    return PromptForm.REASONING


def prompt_ids(policy: Policy, problem: Problem, form: PromptForm) -> tuple[int, ...]:
    """The tokens that ask for the problem: the reasoning form as a chat where the tokenizer has a template.

    Each image is one mark among them. Raises UserError where there is one and the policy takes text alone.
    """
    if problem.images or (policy.processor is not None and form is PromptForm.REASONING):
        return text_ids(policy, chat_text(policy, problem.prompts[form], len(problem.images)))
    return encode_prompt(policy, problem.prompts[form], in_chat(policy, form))


def in_chat(policy: Policy, form: PromptForm) -> bool:
    """Whether a prompt of this form is a user's message in a chat."""
    return form is PromptForm.REASONING and policy.tokenizer.chat_template is not None


def answer_ids(policy: Policy, problem: Problem, form: PromptForm, text: str, ending: str = "") -> tuple[int, ...]:
    """The tokens behind the problem's prompt of a text from a file of samples, with `ending` behind it.

    Where the prompt opened the answer, the opening is in the text and not among them.
    """
    answer = text.removeprefix(problem.prompts[form].answer_prefix) + ending
    return tuple(policy.tokenizer(answer, add_special_tokens=False)["input_ids"])


def pictured_prompt(policy: Policy, problem: Problem, form: PromptForm) -> ImagePrompt | None:
    """The prompt with the problem's images, None where it has none. Raises UserError where an image is not there."""
    if not problem.images:
        return None
    return image_prompt(policy, problem.prompts[form], [image.read() for image in problem.images])


def prompt_length(policy: Policy, problem: Problem, form: PromptForm) -> int:
    """How many positions the prompt takes, its images included, each of which is opened for it.

    Raises UserError where one is not there or can't be opened.
    """
    pictured = pictured_prompt(policy, problem, form)
    if pictured is None:
        return len(prompt_ids(policy, problem, form))
    try:
        return int(model_inputs(policy, pictured)["input_ids"].shape[1])
    except UserError as error:
        raise UserError(f"problem {problem.task_id}: {error}") from None


def claim_folder(folder: Path, settings: SamplingSettings) -> None:
    """Makes the results folder, or checks that what it holds was sampled alike. Raises UserError where it was not."""
    path = folder / "settings.json"
    wanted = json.loads(json.dumps(asdict(settings)))
    if path.is_file():
        there = json.loads(path.read_text(encoding="utf-8"))
        different = [
            f"{key} {there.get(key)} (now {value})" for key, value in wanted.items() if there.get(key) != value
        ]
        if different:
            raise UserError(
                f"{folder} holds samples made with other settings: {', '.join(different)}; choose another folder "
                "(--out of azr eval run, --folder of azr boundary)"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(wanted, indent=2) + "\n")


def missing_samples(file: Path, problems: Sequence[Problem], samples: int) -> int:
    """How many judged samples the file lacks for each of these problems to have so many."""
    given = Counter(sample.task_id for sample in _usable(file, problems))
    return sum(max(0, samples - given[problem.task_id]) for problem in problems)


def sample_benchmark(
    respondent: Respondent,
    benchmark: AnyBenchmark,
    problems: Sequence[Problem],
    samples: int,
    file: Path,
    tools: Tools,
    advance: Advance,
) -> list[Sample]:
    """`samples` judged samples of each problem: those that `file` has, and new ones, which are appended as they come.

    `advance(n)` is called when n more samples are judged and written; first for those that were there. Interrupted, it
    writes what has been sampled before it lets the interruption through.
    """
    there = _usable(file, problems)
    given = Counter(sample.task_id for sample in there)
    advance(sum(min(given[problem.task_id], samples) for problem in problems))
    waiting = [problem for problem in problems if given[problem.task_id] < samples]
    requests = [
        respondent.request(benchmark, problem, samples - given[problem.task_id], given[problem.task_id])
        for problem in waiting
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as output, ThreadPoolExecutor(JUDGES) as threads:
        desk = _Desk([(problem, problem.prompts[respondent.settings.form].answer_prefix) for problem in waiting], tools)

        def write_finished(wait: bool) -> None:
            for answers in desk.finished(wait):
                output.write("".join(answer.line() for answer in answers))
                output.flush()
                advance(len(answers))

        def on_done(index: int, completions: list[Completion]) -> None:
            desk.take(threads, index, completions)
            write_finished(wait=False)

        try:
            respondent.engine.generate(requests, on_done)
        finally:
            write_finished(wait=True)
    return _first(_usable(file, problems), samples)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A completion with its verdict. `text` begins with the part of the answer that was in the prompt."""

    task_id: str
    text: str
    judgement: Judgement
    completion: Completion

    def line(self) -> str:
        """As it is written. Its tokens and their surprise, -log p at the temperature of sampling, give an entropy."""
        return judged_line(
            self.task_id,
            self.text,
            self.judgement,
            truncated=self.completion.truncated,
            tokens=len(self.completion.token_ids),
            nats=round(-sum(self.completion.logprobs), 4),
        )


class _Desk:
    """Where sampled completions wait for their verdicts, in the order in which they came."""

    def __init__(self, asked: Sequence[tuple[Problem, str]], tools: Tools) -> None:
        self._asked = asked
        self._tools = tools
        self._open: list[tuple[Problem, list[str], list[Completion], Future[list[Judgement]]]] = []

    def take(self, threads: ThreadPoolExecutor, index: int, completions: list[Completion]) -> None:
        """Has the completions of problem number `index` judged."""
        problem, prefix = self._asked[index]
        texts = [prefix + completion.text for completion in completions]
        self._open.append((problem, texts, completions, threads.submit(problem.check.judge, self._tools, texts)))

    def finished(self, wait: bool) -> Iterator[list[_Answer]]:
        """What is judged and was not handed out yet, all answers to a problem together; all problems with `wait`.

        Who is interrupted with them in hand has written all or none: a problem without a line is asked again.
        """
        for entry in [entry for entry in self._open if wait or entry[3].done()]:
            self._open.remove(entry)
            problem, texts, completions, future = entry
            yield [
                _Answer(problem.task_id, text, judgement, completion)
                for text, completion, judgement in zip(texts, completions, future.result(), strict=True)
            ]


def _usable(file: Path, problems: Sequence[Problem]) -> list[Sample]:
    """The judged samples in `file`. A last line that a crash cut short is ended, so that the next one is whole."""
    if not file.is_file():
        return []
    text = file.read_bytes()
    if text and not text.endswith(b"\n"):
        with file.open("ab") as output:
            output.write(b"\n")
    found = read_samples(file, {problem.task_id for problem in problems})
    return [sample for sample in found.samples if sample.verdict is not None]


def _first(samples: Sequence[Sample], count: int) -> list[Sample]:
    """The first `count` samples of each task."""
    seen: Counter[str] = Counter()
    kept = []
    for sample in samples:
        seen[sample.task_id] += 1
        if seen[sample.task_id] <= count:
            kept.append(sample)
    return kept
