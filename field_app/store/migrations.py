"""The store's tables, and every step by which they came to be.

A step that has been shipped is never edited: a change is a new step below it. Each runs in one transaction together
with the record that it ran, so a phone that dies half-way opens as it was before.
"""

from sqlite_utils import Database, Migrations

migrations = Migrations("field_app")

_FIRST = (
    # One row per ticket the office has confirmed. `withdrawn_at`: no longer this person's; the row stays, without the
    # customer's phone and address, as long as something recorded on it has not reached the office.
    """
    CREATE TABLE tickets (
        id TEXT PRIMARY KEY,
        number TEXT NOT NULL,
        version INTEGER NOT NULL,
        generation INTEGER NOT NULL,
        withdrawn_at INTEGER,
        body BLOB NOT NULL
    ) STRICT
    """,
    # `raw` is what was recorded and what is sent, byte for byte. `version` is that of the ticket after the operation,
    # by the verdict; `settled` means that the confirmed ticket contains it, or never will.
    """
    CREATE TABLE journal (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        device TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        ticket TEXT NOT NULL,
        ticket_number TEXT NOT NULL,
        kind TEXT NOT NULL,
        raw BLOB NOT NULL,
        hash TEXT NOT NULL,
        recorded_at INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting',
        version INTEGER NOT NULL DEFAULT 0,
        verdict BLOB,
        answered_at INTEGER,
        read_at INTEGER,
        settled INTEGER NOT NULL DEFAULT 0,
        UNIQUE (device, sequence)
    ) STRICT
    """,
    "CREATE INDEX journal_of_ticket ON journal (ticket, row)",
    "CREATE INDEX journal_waiting ON journal (row) WHERE state = 'waiting'",
    "CREATE INDEX journal_unsettled ON journal (row) WHERE settled = 0",
    "CREATE INDEX journal_refused ON journal (row) WHERE state = 'refused' AND read_at IS NULL",
    # The journal only grows, and what was recorded never changes: held here as well as in the code.
    """
    CREATE TRIGGER journal_is_never_deleted BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is never deleted'); END
    """,
    """
    CREATE TRIGGER journal_is_never_altered
    BEFORE UPDATE OF row, id, device, sequence, ticket, kind, raw, hash, recorded_at ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is never altered'); END
    """,
    # The bytes stand apart: SQLite writes a row whole, and a photo's progress changes with every chunk sent.
    """
    CREATE TABLE photos (
        sha256 TEXT PRIMARY KEY,
        media_type TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        ticket TEXT NOT NULL,
        ticket_number TEXT NOT NULL,
        operation_id TEXT NOT NULL REFERENCES journal (id),
        recorded_at INTEGER NOT NULL,
        location TEXT,
        offset INTEGER NOT NULL DEFAULT 0,
        restarts INTEGER NOT NULL DEFAULT 0,
        received_at INTEGER
    ) STRICT
    """,
    "CREATE INDEX photos_waiting ON photos (size_bytes) WHERE received_at IS NULL",
    """
    CREATE TABLE photo_bytes (
        row INTEGER PRIMARY KEY,
        sha256 TEXT NOT NULL UNIQUE REFERENCES photos (sha256),
        bytes BLOB NOT NULL
    ) STRICT
    """,
    "CREATE TABLE drafts (key TEXT PRIMARY KEY, body BLOB NOT NULL, saved_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE facts (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
    "CREATE TABLE reference (version TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT",
    """
    CREATE TABLE incidents (
        kind TEXT NOT NULL,
        detail TEXT NOT NULL,
        times INTEGER NOT NULL,
        first_at INTEGER NOT NULL,
        last_at INTEGER NOT NULL,
        PRIMARY KEY (kind, detail)
    ) STRICT
    """,
    # What came from the office and could not be read, kept whole for a version of the app that can.
    # (`is_current` was to fall when something newer about the same ticket or operation came; such rows are deleted.)
    """
    CREATE TABLE kept_aside (
        row INTEGER PRIMARY KEY,
        form TEXT NOT NULL CHECK (form IN ('verdict', 'change')),
        about TEXT NOT NULL,
        version INTEGER,
        raw BLOB NOT NULL,
        kept_at INTEGER NOT NULL,
        is_current INTEGER NOT NULL DEFAULT 1
    ) STRICT
    """,
    "CREATE INDEX kept_aside_current ON kept_aside (about) WHERE is_current = 1",
)


@migrations()
def first_tables(database: Database) -> None:
    for statement in _FIRST:
        database.execute(statement)


_DEALT_WITH = (
    # What the technician made of a refused entry: "noted", "corrected" or "withdrawn", and by which entry that was
    # recorded. (`read_at` was to say that somebody has seen it; nothing is done with it any more.)
    "ALTER TABLE journal ADD COLUMN dealt_as TEXT",
    "ALTER TABLE journal ADD COLUMN dealt_by TEXT",
    "CREATE INDEX journal_undealt ON journal (row) WHERE state = 'refused' AND dealt_as IS NULL",
    # A draft that began as what was typed into a refused entry: when it is recorded, that entry is dealt with.
    "CREATE TABLE corrections (draft TEXT PRIMARY KEY, refused TEXT NOT NULL REFERENCES journal (id)) STRICT",
)


@migrations()
def refusals_dealt_with(database: Database) -> None:
    for statement in _DEALT_WITH:
        database.execute(statement)


_PHOTOS_TOLD = (
    # Why the last attempt to send it came to nothing; and when its bytes made room, after the office had said twice
    # that it holds them.
    "ALTER TABLE photos ADD COLUMN trouble TEXT",
    "ALTER TABLE photos ADD COLUMN freed_at INTEGER",
)


@migrations()
def photos_told(database: Database) -> None:
    for statement in _PHOTOS_TOLD:
        database.execute(statement)


NAMES = frozenset({first_tables.__name__, refusals_dealt_with.__name__, photos_told.__name__})
"""Every step above."""
