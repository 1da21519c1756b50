"""What turns a proposal into a task, for all three types: the sandbox runs it, or there is a reason why it can't be."""

from dataclasses import dataclass

from sandbox import Arguments, CallResult, CallStatus, Job, JobResult, JobStatus, Sandbox
from tasks.program import tidy
from tasks.triplet import Proposal, Rejection, Triplet

MAX_PROGRAM = 8_000  # characters; what is longer makes prompts that cost more than the task can teach
MAX_VALUE = 2_000  # characters of one input or output

REASONS: dict[str, str] = {
    "unparsable": "no complete proposal could be read from the response",
    "too_long": "the program, an input or an output is longer than a prompt should hold",
    "too_few_inputs": "fewer different inputs that work than an induction task needs",
    "constant": "every input gives the same output, so an induction task has nothing to find",
    "syntax": "the program or the call is not Python",
    "input": "the input, evaluated apart from the program, is not plain data",
    "policy": "the sandbox's policy refused the source",
    "program_error": "the program failed before f could be called",
    "call_error": "f raised an exception",
    "not_data": "f returned something that is not plain data",
    "nondeterministic": "two runs gave different outputs",
    "timeout": "it ran too long",
    "memory": "it needed too much memory",
    "output_limit": "its output was too large",
    "crashed": "it brought its process down",
    "duplicate": "the buffer holds this task already (decided by the loop, not here)",
}
"""Every `Rejection.reason`, and what it means. Metrics and the report count by these words, so they don't change."""

_JOB_REASONS = {
    JobStatus.REJECTED: "policy",
    JobStatus.ERROR: "program_error",
    JobStatus.TIMEOUT: "timeout",
    JobStatus.MEMORY: "memory",
    JobStatus.OUTPUT_LIMIT: "output_limit",
    JobStatus.CRASHED: "crashed",
}
_CALL_REASONS = {
    CallStatus.ERROR: "call_error",
    CallStatus.NOT_DATA: "not_data",
    CallStatus.NONDETERMINISTIC: "nondeterministic",
}
_SYNTAX_ERRORS = ("SyntaxError", "IndentationError", "TabError")

UNPARSABLE = Rejection("unparsable", REASONS["unparsable"], well_formed=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A proposal in the form in which it is run and stored: the program tidied, each input as the values it stands for.

    An input that gives no values is the reason why.
    """

    program: str
    inputs: tuple[Arguments | Rejection, ...]


def prepare(sandbox: Sandbox, proposal: Proposal, runs: int) -> Prepared | Rejection:
    """Read a proposal's program and inputs; what is no literal is evaluated in a child that does not know the program.

    So an input can neither rebind what the program calls nor need what only this program defines, and neither comments
    nor spelling reach a solver.
    """
    if rejection := too_long(proposal.program, proposal.inputs):
        return rejection
    program = tidy(proposal.program)
    if program is None:
        return Rejection("syntax", "the program cannot be laid out anew without changing it")
    return Prepared(program, tuple(map(_input, sandbox.arguments(proposal.inputs, repeats=runs))))


def _input(given: Arguments | str) -> Arguments | Rejection:
    if isinstance(given, str):
        return Rejection("syntax" if given.startswith(_SYNTAX_ERRORS) else "input", given)
    length = len(given.text)
    return Rejection("too_long", f"an input has {length} characters") if length > MAX_VALUE else given


def validate_pair(sandbox: Sandbox, proposal: Proposal, runs: int = 2) -> Triplet | Rejection:
    """A task of one input/output pair: deduction's and abduction's validation (Zhao et al. 2025, section 3.3.3).

    The program passes the policy, runs without error, returns plain data, and `runs` runs agree.
    """
    prepared = prepare(sandbox, proposal, runs)
    if isinstance(prepared, Rejection):
        return prepared
    (given,) = prepared.inputs
    if isinstance(given, Rejection):
        return given
    result = sandbox.run(Job(prepared.program, (given,), repeats=runs))
    if result.status is not JobStatus.OK:
        return job_rejection(result)
    (call,) = result.calls
    if call.status is not CallStatus.OK or call.value is None:
        return call_rejection(call)
    if len(call.value) > MAX_VALUE:
        return Rejection("too_long", f"the output has {len(call.value)} characters")
    return Triplet(proposal.type, prepared.program, (given.text,), (call.value,))


def too_long(program: str, inputs: tuple[str, ...]) -> Rejection | None:
    """Refuses what would make prompts too long, before it costs a run."""
    if len(program) > MAX_PROGRAM:
        return Rejection("too_long", f"the program has {len(program)} characters")
    longest = max(map(len, inputs))
    return Rejection("too_long", f"an input has {longest} characters") if longest > MAX_VALUE else None


def job_rejection(result: JobResult) -> Rejection:
    """Why the sandbox did not get as far as calling f, or was stopped."""
    error = result.error or ""
    return Rejection(_named_reason(error) or _JOB_REASONS[result.status], error)


def call_rejection(call: CallResult) -> Rejection:
    """Why this call gave no output."""
    error = call.error or ""
    return Rejection(_named_reason(error) or _CALL_REASONS[call.status], error)


def _named_reason(error: str) -> str | None:
    """The reason that the exception itself names, wherever it was raised."""
    if error.startswith(_SYNTAX_ERRORS):
        return "syntax"
    return "policy" if error.startswith("PolicyError") else None
