"""What happened on a ticket, as one list by time, newest first."""

from datetime import datetime

from msgspec import Struct

from shared_schema.evidence import Photo
from shared_schema.ticket import Ticket


class Happening(Struct, frozen=True):
    key: str
    """Of the catalogue: `history.<key>`."""
    at: datetime
    person: str
    words: str = ""
    photos: tuple[Photo, ...] = ()
    operations: tuple[str, ...] = ()
    late: bool = False


def history(ticket: Ticket) -> tuple[Happening, ...]:
    happened = [Happening("created", ticket.created_at, ticket.created_by)]
    happened += [
        Happening("remote-help", help_.tried_at, help_.author, help_.words, operations=(help_.operation_id,))
        for help_ in ticket.remote_help
    ]
    if ticket.assignment is not None:
        happened.append(Happening("assigned", ticket.assignment.assigned_at, ticket.assignment.assigned_by))
    happened += [
        Happening("note", item.written_at, item.author, item.text, operations=(item.operation_id,), late=item.late)
        for item in ticket.notes
    ]
    happened += [
        Happening("arrived", item.arrived_at, item.technician, operations=(item.operation_id,), late=item.late)
        for item in ticket.arrivals
    ]
    if ticket.credential_shown_at is not None and ticket.technician is not None:
        happened.append(Happening("credential-shown", ticket.credential_shown_at, ticket.technician))
    happened += [
        Happening("signed-off", item.signed_at, item.technician, item.comment, (), (item.operation_id,), item.late)
        for item in ticket.sign_offs
    ]
    happened += [
        Happening("objected", item.raised_at, item.technician, item.words, (), (item.operation_id,), item.late)
        for item in ticket.objections
    ]
    happened += [
        Happening("proposed", item.proposed_at, item.proposed_by, item.words, (), (item.operation_id,))
        for item in ticket.proposals
    ]
    happened += _photos(ticket)
    if ticket.over_at is not None:
        happened.append(Happening("over", ticket.over_at, "", ticket.over_because))
    return tuple(sorted(happened, key=lambda item: item.at, reverse=True))


_TOGETHER_SECONDS = 300


def _photos(ticket: Ticket) -> list[Happening]:
    """Photos of the same kind taken one after the other are one happening."""
    groups: list[list[Photo]] = []
    for photo in sorted(ticket.photos, key=lambda item: item.taken_at):
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and (last.slot, last.taken_by, last.late) == (photo.slot, photo.taken_by, photo.late)
            and (photo.taken_at - last.taken_at).total_seconds() <= _TOGETHER_SECONDS
        ):
            groups[-1].append(photo)
        else:
            groups.append([photo])
    return [
        Happening(
            f"photos-{group[0].slot.value}",
            group[-1].taken_at,
            group[0].taken_by,
            photos=tuple(group),
            operations=tuple(photo.operation_id for photo in group),
            late=group[0].late,
        )
        for group in groups
    ]
