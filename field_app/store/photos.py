"""Photos on this phone: their bytes, saved in the transaction of the entry that names them, and how far each came."""

from datetime import datetime
from typing import Any

from field_app.store.database import StoreFile
from field_app.store.journal import milliseconds, moment
from field_app.store.values import PhotoBytes, PhotoState

_COLUMNS = (
    "sha256, media_type, size_bytes, ticket, ticket_number, operation_id, location, offset, restarts, recorded_at,"
    " received_at, trouble, freed_at"
)

_NAMING = "journal ON kind = 'add_photo' AND instr(raw, CAST(sha256 AS BLOB))"
"""A picture is kept once, with the entry that brought it; others may name it, on other tickets."""


class Photos:
    def __init__(self, file: StoreFile) -> None:
        self._file = file

    def add(self, photo: PhotoBytes, ticket: str, ticket_number: str, operation_id: str, at: datetime) -> None:
        """The same picture taken twice is kept, and sent, once; one whose bytes made room, or were damaged here, is
        kept anew."""
        added = self._file.write(
            "INSERT INTO photos (sha256, media_type, size_bytes, ticket, ticket_number, operation_id, recorded_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO NOTHING",
            (
                photo.sha256,
                photo.media_type,
                len(photo.data),
                ticket,
                ticket_number,
                operation_id,
                milliseconds(at),
            ),
        )
        if added or self._file.write(
            "UPDATE photos SET freed_at = NULL WHERE sha256 = ? AND freed_at IS NOT NULL", (photo.sha256,)
        ):
            self._file.write("INSERT INTO photo_bytes (sha256, bytes) VALUES (?, ?)", (photo.sha256, photo.data))
        else:
            self._file.write(
                "UPDATE photo_bytes SET bytes = ?2 WHERE sha256 = ?1 AND bytes <> ?2", (photo.sha256, photo.data)
            )

    def data(self, sha256: str) -> bytes | None:
        row = self._file.row("SELECT bytes FROM photo_bytes WHERE sha256 = ?", (sha256,))
        return None if row is None else bytes(row[0])

    def part(self, sha256: str, offset: int, length: int) -> bytes:
        row = self._file.row("SELECT row FROM photo_bytes WHERE sha256 = ?", (sha256,))
        assert row is not None, sha256
        return self._file.part_of_blob("photo_bytes", "bytes", row[0], offset, length)

    def state(self, sha256: str) -> PhotoState | None:
        rows = self._states("WHERE sha256 = ?", (sha256,))
        return rows[0] if rows else None

    def waiting(self) -> list[PhotoState]:
        """Small ones first: the most evidence in the shortest time."""
        return self._states("WHERE received_at IS NULL ORDER BY size_bytes, recorded_at")

    def waiting_on(self, ticket: str) -> frozenset[str]:
        """Of the photos added to this ticket; also of a picture that came with another ticket's entry first."""
        rows = self._file.rows(
            f"SELECT DISTINCT sha256 FROM photos JOIN {_NAMING} WHERE received_at IS NULL AND journal.ticket = ?",  # noqa: S608
            (ticket,),
        )
        return frozenset(sha256 for (sha256,) in rows)

    def tickets_of(self, sha256: str) -> list[str]:
        """All to which this picture was added here."""
        rows = self._file.rows(
            f"SELECT DISTINCT journal.ticket FROM photos JOIN {_NAMING} WHERE sha256 = ?",  # noqa: S608
            (sha256,),
        )
        return [ticket for (ticket,) in rows]

    def states(self, limit: int) -> list[PhotoState]:
        return self._states("ORDER BY recorded_at DESC LIMIT ?", (limit,))

    def _states(self, rest: str, parameters: tuple[Any, ...] = ()) -> list[PhotoState]:
        rows = self._file.rows(f"SELECT {_COLUMNS} FROM photos {rest}", parameters)  # noqa: S608
        return [_state(row) for row in rows]

    def count_waiting(self) -> int:
        row = self._file.row("SELECT count(*) FROM photos WHERE received_at IS NULL")
        return int(row[0]) if row else 0

    def bytes_waiting(self) -> int:
        """What the office does not hold of them yet."""
        row = self._file.row("SELECT coalesce(sum(size_bytes - offset), 0) FROM photos WHERE received_at IS NULL")
        return int(row[0]) if row else 0

    def progress(self, sha256: str, location: str | None, offset: int, restarts: int) -> None:
        self._file.write(
            "UPDATE photos SET location = ?1, offset = ?2, restarts = ?3,"
            " trouble = CASE WHEN ?1 IS NULL THEN trouble END WHERE sha256 = ?4",
            (location, offset, restarts, sha256),
        )

    def set_back(self, sha256: str, trouble: str) -> None:
        """Sending it came to nothing, and will begin anew."""
        self._file.write(
            "UPDATE photos SET location = NULL, offset = 0, trouble = ? WHERE sha256 = ?", (trouble, sha256)
        )

    def received(self, sha256: str, at: datetime) -> None:
        self._file.write(
            "UPDATE photos SET received_at = ?, offset = size_bytes, location = NULL, trouble = NULL WHERE sha256 = ?",
            (milliseconds(at), sha256),
        )

    def received_before(self, at: datetime) -> list[PhotoState]:
        """Those whose bytes are still here, oldest receipt first."""
        return self._states("WHERE received_at < ? AND freed_at IS NULL ORDER BY received_at", (milliseconds(at),))

    def free(self, sha256: str, at: datetime) -> None:
        """The bytes go, and everything known of the photo stays."""
        self._file.write("DELETE FROM photo_bytes WHERE sha256 = ?", (sha256,))
        self._file.write("UPDATE photos SET freed_at = ? WHERE sha256 = ?", (milliseconds(at), sha256))

    def missed(self, sha256: str) -> None:
        """The office was said to hold it, and does not."""
        self._file.write(
            "UPDATE photos SET received_at = NULL, location = NULL, offset = 0, restarts = 0 WHERE sha256 = ?",
            (sha256,),
        )

    def offer_again(self) -> None:
        """Whether the office still has them is asked anew; what it has is not sent again."""
        self._file.write(
            "UPDATE photos SET received_at = NULL, location = NULL, offset = 0, restarts = 0"
            " WHERE received_at IS NOT NULL AND freed_at IS NULL"
        )

    def lost_by_office(self, device: str, through: int) -> None:
        """The office has lost the entries after `through`; their photos are offered to it again."""
        self._file.write(
            "UPDATE photos SET received_at = NULL, location = NULL, offset = 0, restarts = 0 WHERE freed_at IS NULL"
            " AND operation_id IN (SELECT id FROM journal WHERE device = ? AND sequence > ?)",
            (device, through),
        )


def _state(row: tuple[Any, ...]) -> PhotoState:
    return PhotoState(
        sha256=row[0],
        media_type=row[1],
        size_bytes=row[2],
        ticket=row[3],
        ticket_number=row[4],
        operation_id=row[5],
        location=row[6],
        offset=row[7],
        restarts=row[8],
        recorded_at=moment(row[9]),
        received_at=None if row[10] is None else moment(row[10]),
        trouble=row[11],
        freed_at=None if row[12] is None else moment(row[12]),
    )
