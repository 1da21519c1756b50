"""Opening a buffer's file, to look at or to write to."""

import sqlite3
from pathlib import Path

from azr.buffer.schema import SCHEMA_VERSION, added_since
from azr.errors import UserError


def connect_new(path: Path) -> sqlite3.Connection:
    """A connection that writes to a new, empty file."""
    return _made_durable(sqlite3.connect(path, timeout=30, isolation_level=None))


def connect(path: Path) -> tuple[sqlite3.Connection, int]:
    """A connection that writes to a buffer, and the buffer's version.

    Raises UserError where the file is no buffer, which is left as it is, or one of a version not known here.
    """
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        version = _check_version(connection, path)
    except UserError:
        connection.close()
        raise
    return _made_durable(connection), version


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that can't write, for looking at a buffer while its run goes on.

    Raises UserError where the file is missing, no buffer, or of another version.
    """
    if not path.is_file():
        raise UserError(f"no buffer at {path}")
    # Without a log nobody has the file open. Read as immutable it stays alone: a plain read-only connection would leave
    # an empty log and its index beside it, and fail in a folder that can't be written.
    access = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{access}", uri=True, timeout=30)
    missing = added_since(_check_version(connection, path)).split("CREATE ")  # read as empty: the tables are ours alone
    connection.executescript("".join(f"CREATE TEMP {made}" for made in missing if made.startswith("TABLE ")))
    return connection


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    """The buffer's version. Raises UserError where the file is no buffer, or one of a version not known here."""
    try:
        row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
    except sqlite3.DatabaseError as error:
        raise UserError(f"{path} is not a task buffer ({error})") from None
    versions = {str(version): version for version in range(1, SCHEMA_VERSION + 1)}
    if row is None or row[0] not in versions:
        found = row[0] if row else "unknown"
        raise UserError(
            f"{path} is a buffer of version {found}, this azr reads versions up to {SCHEMA_VERSION};"
            " start a new run, or use the azr that wrote it"
        )
    return versions[row[0]]


def _made_durable(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The connection, with a journal that outlives a crash of this program or of the machine."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection
