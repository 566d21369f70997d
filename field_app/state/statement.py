"""What the customer reads, signs or objects to: composed in plain words from the ticket, the same each time.

The text is what the page shows, sentence by sentence; nothing is shown there that is not in it, and the signature is
over its digest (shared_schema.evidence).
"""

from datetime import datetime

from msgspec import Struct

from field_app.words import Words
from shared_schema.evidence import Photo, PhotoSlot, Statement
from shared_schema.ticket import Ticket


class Section(Struct, frozen=True):
    heading: str
    words: str


def sections(ticket: Ticket, words: Words, technician: str, company: str) -> tuple[Section, ...]:
    """The statement's parts, in the order in which they are shown and written."""
    day = words.full_day(_came_at(ticket).astimezone().date())
    what = words.shared(f"kind.{ticket.kind.value}")
    product = " · ".join(part for part in (ticket.product.model, ticket.product.serial) if part)
    opening = words(
        "statement.opening", day=day, technician=technician, company=company, what=what, number=ticket.number
    )
    parts = [Section(words("statement.visit"), opening)]
    if product:
        parts.append(Section(words("statement.product"), product))
    parts.append(Section(words("statement.problem"), ticket.confirmed_problem or ticket.problem))
    parts.append(Section(words("statement.found"), ticket.found))
    parts.append(Section(words("statement.done"), ticket.done))
    before, after = (_count(ticket, slot) for slot in (PhotoSlot.BEFORE, PhotoSlot.AFTER))
    if before or after:
        parts.append(Section(words("statement.photos"), words("statement.photo-counts", before=before, after=after)))
    return tuple(parts)


def text(parts: tuple[Section, ...]) -> str:
    return "\n\n".join(f"{part.heading}\n{part.words}" for part in parts)


def statement(ticket: Ticket, words: Words, technician: str, company: str) -> Statement:
    return Statement(
        language=words.language,
        text=text(sections(ticket, words, technician, company)),
        found=ticket.found,
        done=ticket.done,
        photos=tuple(dict.fromkeys(photo.sha256 for photo in shown_photos(ticket))),
    )


def shown_photos(ticket: Ticket) -> tuple[Photo, ...]:
    """What the visit shows of itself: photos before and after, in the order taken."""
    return tuple(photo for photo in ticket.photos if photo.slot in {PhotoSlot.BEFORE, PhotoSlot.AFTER})


def _came_at(ticket: Ticket) -> datetime:
    """When the technician really came: a visit may be on another day than was promised."""
    on_time = [arrival.arrived_at for arrival in ticket.arrivals if not arrival.late]
    assert ticket.assignment is not None, ticket.id
    return on_time[-1] if on_time else ticket.assignment.window.start


def _count(ticket: Ticket, slot: PhotoSlot) -> int:
    return sum(photo.slot is slot for photo in ticket.photos)
