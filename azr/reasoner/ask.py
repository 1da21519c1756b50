"""Asking a trained reasoner: a question or a task, in the style it was trained on, answered as a stream of text."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList, TextIteratorStreamer

from azr.config.fields import ChatMode, ModelConfig, Precision
from azr.errors import UserError
from azr.policy.device import resolve_device
from azr.policy.model import Policy, encode_prompt, load_policy, uses_chat
from azr.reasoner.trained import find_trained, load_trained
from azr.training.run import RUNS, named_run
from sandbox import Sandbox
from tasks.kinds import KINDS
from tasks.prompts import Style, StyleError, load_style
from tasks.triplet import Prompt, Proposal, Rejection, TaskType, Triplet, Verdict


@dataclass(frozen=True)
class Reasoner:
    """A model and the way it is asked."""

    policy: Policy
    style: Style
    chat: bool

    def question(self, text: str) -> Prompt:
        """A free question: a chat message, a question in the style's frame, or a text to go on with."""
        return self._framed(Prompt(text))

    def task(self, triplet: Triplet) -> Prompt:
        """A task, as self-play asks it."""
        return self._framed(KINDS[triplet.type].solve_prompt(self.style, triplet))

    def stream(self, prompt: Prompt, max_tokens: int, temperature: float, seed: int = 0) -> Iterator[str]:
        """The response, as it is generated, up to `max_tokens` tokens or a stop string; temperature 0 is greedy."""
        torch.manual_seed(seed)
        ids = torch.tensor([encode_prompt(self.policy, prompt, self.chat)], device=self.policy.device)
        streamer = TextIteratorStreamer(self.policy.tokenizer, skip_prompt=True, skip_special_tokens=True)
        halt = _Halt()
        sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if temperature:
            sampling = {"do_sample": True, "temperature": temperature, "top_p": 1.0, "top_k": 0}
        errors: list[BaseException] = []

        def generate() -> None:
            try:
                self.policy.model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=max_tokens,
                    streamer=streamer,
                    stopping_criteria=StoppingCriteriaList([halt]),
                    eos_token_id=sorted(self.policy.eos_ids),
                    pad_token_id=min(self.policy.eos_ids, default=0),
                    **sampling,
                )
            except BaseException as error:
                errors.append(error)
                streamer.end()

        thread = Thread(target=generate, daemon=True)
        thread.start()
        try:
            yield from _until(streamer, prompt.stop)
        finally:
            halt.now = True
            thread.join()
        if errors:
            raise errors[0]

    def _framed(self, prompt: Prompt) -> Prompt:
        return prompt if self.chat else self.style.plain(prompt)


def open_reasoner(
    name: str, step: int | None = None, style: str | None = None, device: str = "auto", runs: Path = RUNS
) -> Reasoner:
    """The reasoner that a run, a model folder, a hub id, a package or a GGUF file stands for.

    `style` defaults to the run's own; for a bare model to `reasoning` where its tokenizer has a chat template, else
    `completion`. Raises UserError where the model, the checkpoint or the style can't be loaded.
    """
    run = named_run(name, runs)
    if run is not None:
        trained = find_trained(run, step)
        policy, prompts = load_trained(trained, device), trained.config.prompts
        return _reasoner(policy, style or prompts.style, prompts.chat)
    if step is not None:
        raise UserError(f"--step is for runs, and {name} is none; `azr runs` lists the runs that are")
    # bfloat16 is emulated on most processors, and many times slower there
    precision = Precision.FP32 if resolve_device(device).type == "cpu" else Precision.BF16
    policy = load_policy(ModelConfig(name=name, device=device, precision=precision))
    natural = "completion" if policy.tokenizer.chat_template is None else "reasoning"
    return _reasoner(policy, style or natural, ChatMode.AUTO)


def make_task(
    sandbox: Sandbox, task_type: TaskType, program: str, inputs: tuple[str, ...], output: str | None, message: str
) -> Triplet:
    """The task that a program and inputs make; for abduction an output will do in place of the input.

    Raises UserError where they make none, with the sandbox's reason.
    """
    if output is not None:
        if task_type is not TaskType.ABDUCTION or inputs:
            raise UserError("--output is for --task abduction, in place of --input")
        return Triplet(task_type, program, ("",), (output,))
    if not inputs:
        either = " or --output" if task_type is TaskType.ABDUCTION else ""
        raise UserError(f"--task {task_type} needs --input{either}")
    if len(inputs) > 1 and task_type is not TaskType.INDUCTION:
        raise UserError(f"--task {task_type} takes one --input, not {len(inputs)}")
    outcome = KINDS[task_type].validate(sandbox, Proposal(task_type, program, inputs, message))
    if isinstance(outcome, Rejection):
        raise UserError(f"that is no task: {outcome.detail or outcome.reason}")
    return outcome


def judge(
    sandbox: Sandbox, reasoner: Reasoner, triplet: Triplet, prompt: Prompt, response: str
) -> tuple[str | None, Verdict]:
    """The answer that is read from a response, and what the sandbox says of it."""
    kind = KINDS[triplet.type]
    answer = kind.parse_answer(reasoner.style, prompt.answer_prefix + response)
    return answer, kind.verify(sandbox, triplet, [answer])[0]


class _Halt(StoppingCriteria):
    """Ends a generation from outside."""

    def __init__(self) -> None:
        self.now = False

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: Any) -> bool:
        return self.now


def _reasoner(policy: Policy, style: str, chat: ChatMode) -> Reasoner:
    try:
        loaded = load_style(style)
    except StyleError as error:
        raise UserError(str(error)) from None
    return Reasoner(policy, loaded, uses_chat(policy, chat, loaded.chat))


def _until(pieces: Iterator[str], stop: tuple[str, ...]) -> Iterator[str]:
    """The text of `pieces` up to the first stop string; what could be the beginning of one is held back."""
    held = ""
    longest = max(map(len, stop), default=1)
    for piece in pieces:
        held += piece
        found = [at for string in stop if (at := held.find(string)) >= 0]
        if found:
            yield held[: min(found)]
            return
        ready = max(0, len(held) - longest + 1)
        yield held[:ready]
        held = held[ready:]
    yield held
