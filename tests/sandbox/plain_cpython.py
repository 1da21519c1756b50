"""What plain CPython makes of programs: reads JSON [program, calls] lines, writes a JSON list of outcomes for each.

Run by test_faithful.py in a process of its own. An outcome is [status, text], as the sandbox should give it.
"""

import contextlib
import io
import json
import sys
from typing import Any

from sandbox.values import NotDataError, TooLargeError, canonical

LIMIT = 1 << 24


def outcome(program: str, call: str) -> list[Any]:
    namespace: dict[str, Any] = {"__name__": "program"}
    try:
        exec(program, namespace)
        value = eval(f"f({call}\n)", namespace)
    except BaseException as error:
        return ["error", f"{type(error).__name__}: {error}"[:1000] if str(error) else type(error).__name__]
    try:
        return ["ok", canonical(value, limit=LIMIT)]
    except NotDataError:
        return ["not_data", None]
    except TooLargeError:
        return ["output_limit", None]


def record_calls(program: str) -> list[str]:
    """The arguments that a HumanEval check passes to the candidate: `program` defines check and candidate."""
    namespace: dict[str, Any] = {"__name__": "program"}
    exec(program, namespace)
    seen: list[str] = []
    candidate = namespace["candidate"]

    def record(*arguments: Any) -> Any:
        seen.append(", ".join(map(repr, arguments)))
        return candidate(*arguments)

    namespace["check"](record)
    return seen


def main() -> None:
    answers = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()):  # programs may print
        for line in sys.stdin:
            program, calls = json.loads(line)
            results = record_calls(program) if calls is None else [outcome(program, call) for call in calls]
            print(json.dumps(results), file=answers)


if __name__ == "__main__":
    main()
