"""Folders that are there whole or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azr.errors import UserError


@contextmanager
def written_folder(out: Path) -> Iterator[Path]:
    """An empty folder beside `out` to be filled, which is renamed to `out` when the block ends; if it raises, removed.

    An empty folder at `out` gives way. Raises UserError, before anything is filled, where nothing can be written there.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise UserError(f"{out} can't be written: {error.strerror}") from None
    try:
        yield aside
        aside.chmod(0o755)
        if out.exists():
            out.rmdir()
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
