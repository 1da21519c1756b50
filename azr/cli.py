"""The `azr` command: mounts what azr/commands holds, and turns errors into one line and an exit code.

Exit codes: 0 done, 1 the disk or the card's memory is full, 2 something the user can mend, 130 interrupted.
Each command imports what is heavy (torch, altair) when it is called, so that `azr --help` answers at once.
"""

import errno
import sqlite3
import sys

import typer

from azr.commands import ask, boundary, buffer, distill, doctor, export, plan, report, runs, train
from azr.commands import eval as eval_commands
from azr.errors import UserError

app = typer.Typer(
    name="azr",
    help="Self-play reasoning from zero data: a language model invents program tasks, solves them, and learns.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command()(train.train)
app.command()(plan.plan)
app.command()(doctor.doctor)
app.command()(runs.runs)
app.command()(report.report)
app.command()(export.export)
app.command()(ask.ask)
app.command()(boundary.boundary)
app.command("delta-se")(boundary.delta_se)
app.command()(distill.distill)
app.add_typer(buffer.app, name="buffer")
app.add_typer(eval_commands.app, name="eval")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except UserError as error:
        _complain(str(error), 2)
    except KeyboardInterrupt:
        _complain("interrupted", 130)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _complain(f"the disk is full ({error.filename or 'while writing'}); free some space, then --resume", 1)
    except sqlite3.OperationalError as error:
        if "full" not in str(error):
            raise
        _complain("the disk is full (the task buffer could not be written); free some space, then --resume", 1)
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which takes long to import
            first = str(error).partition("\n")[0]
            _complain(
                f"the card is out of memory ({first}); `azr plan` says what takes how much and what changes it", 1
            )
        if type(error).__name__ == "RankLostError":
            _complain(str(error), 1)
        from sandbox import SandboxError  # takes long to import, for commands that never meet it

        if not isinstance(error, SandboxError):
            raise
        _complain(f"{error}; `azr doctor` says more", 2)


def _complain(message: str, code: int) -> None:
    from rich.console import Console  # takes long to import, for commands that end well

    Console(stderr=True, highlight=False, soft_wrap=True).print(f"azr: {message}", style="red", markup=False)
    sys.exit(code)
