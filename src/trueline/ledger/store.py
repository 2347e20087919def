"""The ledger's file: its tables, and a connection to it that is sure to be to a ledger."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from trueline.files.errors import InputError
from trueline.files.versions import check_version

DEFAULT = Path(".trueline/ledger.sqlite")
SCHEMA = 2
APPLICATION = 0x74726C6E  # "trln" in SQLite's header: tells a ledger from any other database

_TABLES = """
CREATE TABLE answers (
    key BLOB PRIMARY KEY, run TEXT NOT NULL, model TEXT NOT NULL, time REAL NOT NULL,
    answer BLOB NOT NULL
);
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, model TEXT NOT NULL, time REAL NOT NULL,
    outcome TEXT NOT NULL, error TEXT, prompt INTEGER NOT NULL, completion INTEGER NOT NULL,
    money REAL NOT NULL, seconds REAL NOT NULL, answers INTEGER NOT NULL
);
CREATE INDEX attempts_by_run ON attempts (run, model);
CREATE TABLE hits (
    run TEXT NOT NULL, model TEXT NOT NULL, hits INTEGER NOT NULL, PRIMARY KEY (run, model)
);
"""
# Version 1 did not say whose money an answer was.
_UPGRADE = "ALTER TABLE answers ADD COLUMN run TEXT NOT NULL DEFAULT '';"
_AS_UPGRADED = "CREATE TEMP VIEW answers AS SELECT rowid, *, '' AS run FROM main.answers"
_STAMP = f"PRAGMA application_id={APPLICATION}; PRAGMA user_version={SCHEMA};"
_DAMAGED = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """A connection in autocommit; with `write`, the file is made where there is none (its folder
    must be there).

    Raises InputError, which says what to do, for a file that is missing, no ledger, damaged, or
    of a newer version.
    """
    if not write and not path.is_file():
        raise InputError(f"{path}: there is no ledger here; name one with --ledger")
    try:
        # The event loop's thread may change between a notebook and a run; it is one at a time.
        uri = f"{path.absolute().as_uri()}?mode={'rwc' if write else 'ro'}"
        opened = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            _check(opened, path, write)
        except BaseException:
            opened.close()
            raise
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    return opened


def unreadable(path: Path, error: sqlite3.Error) -> InputError:
    """What to tell of a file that SQLite cannot read, or not now (a full disk, a lock)."""
    if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in _DAMAGED:
        return InputError(
            f"{path}: the ledger cannot be used now ({error}). Make room there or see to the file, "
            "then run the same command again"
        )
    return InputError(
        f"{path}: cannot be read as a ledger ({error}); move it away to start a new one, or name "
        "another with --ledger"
    )


def _check(opened: sqlite3.Connection, path: Path, write: bool) -> None:
    application = opened.execute("PRAGMA application_id").fetchone()[0]
    version = opened.execute("PRAGMA user_version").fetchone()[0]
    tables = opened.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION and (tables or not write):
        raise InputError(f"{path}: this is not a trueline ledger; name another with --ledger")
    if tables:
        check_version(path, version, SCHEMA, "ledger")
    if not write:
        if version < SCHEMA:
            opened.execute(_AS_UPGRADED)
        return
    # NORMAL: a commit survives the end of the process, kill -9 too, without waiting for the disk.
    opened.execute("PRAGMA journal_mode=WAL")
    opened.execute("PRAGMA synchronous=NORMAL")
    if not tables:
        opened.executescript(f"BEGIN;{_TABLES}{_STAMP}COMMIT;")
    elif version < SCHEMA:
        opened.executescript(f"BEGIN;{_UPGRADE}{_STAMP}COMMIT;")
