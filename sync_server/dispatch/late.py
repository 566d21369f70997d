"""What came late to a ticket: what waits for the desk, what taking it would do, what was decided."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from shared_schema.apply import apply
from shared_schema.evidence import Arrival, Note, Objection, Photo, SignOff
from shared_schema.lifecycle import Role
from shared_schema.operations import FIRST_HASH, Actor, Clock, Envelope, TakeProposal
from shared_schema.ticket import Decision, Proposal, Ticket, late_evidence, undecided, unreviewed
from sync_server.storage.journal import OFFICE
from sync_server.words import Words

if TYPE_CHECKING:
    from shared_schema.ticket import LateEvidence


class Proposed(Struct, frozen=True):
    """A step that no longer fitted when it came."""

    operation_id: str
    kind: str
    person: str
    at: datetime
    found: str
    """Of finished work what was found; of any other step all its words."""
    done: str
    may_be_taken: bool
    effect: str
    """What taking it would do to the ticket, or why it cannot be taken."""


class Brought(Struct, frozen=True):
    """Evidence that came when the ticket had moved on."""

    operation_id: str
    kind: str
    """The operation that brought it."""
    person: str
    at: datetime
    words: str = ""
    photo: str = ""
    """SHA-256."""


LateItem: TypeAlias = Proposed | Brought


class Decided(Struct, frozen=True):
    item: LateItem
    decision: Decision


class Late(Struct, frozen=True):
    proposals: list[Proposed]
    evidence: list[Brought]
    decided: list[Decided]
    """The newest decision first."""

    @property
    def waiting(self) -> int:
        return len(self.proposals) + len(self.evidence)

    def about(self, operation_ids: Sequence[str]) -> list[LateItem]:
        """Those of what waits that are named."""
        waiting: list[LateItem] = [*self.proposals, *self.evidence]
        return [item for item in waiting if item.operation_id in operation_ids]


def late_on(ticket: Ticket, names: dict[str, str], words: Words) -> Late:
    proposals = {each.operation_id: _proposed(each, ticket, names, words) for each in ticket.proposals}
    evidence = {each.operation_id: _brought(each) for each in late_evidence(ticket)}
    items: dict[str, LateItem] = {**proposals, **evidence}
    return Late(
        [proposals[each.operation_id] for each in undecided(ticket)],
        [evidence[each.operation_id] for each in unreviewed(ticket)],
        [Decided(items[each.about], each) for each in reversed(ticket.decisions) if each.about in items],
    )


def _proposed(proposal: Proposal, ticket: Ticket, names: dict[str, str], words: Words) -> Proposed:
    after = taken(proposal, ticket)
    return Proposed(
        operation_id=proposal.operation_id,
        kind=proposal.kind,
        person=proposal.proposed_by,
        at=proposal.proposed_at,
        found=proposal.found,
        done=proposal.done if isinstance(proposal.done, str) else "",
        may_be_taken=after is not None,
        effect=_effect(ticket, after, names, words),
    )


def taken(proposal: Proposal, ticket: Ticket) -> Ticket | None:
    """The ticket as it would be if the desk took the proposal now: `apply` says so itself."""
    taking = Envelope(
        id=proposal.operation_id,
        device=OFFICE,
        sequence=1,
        ticket=ticket.id,
        actor=Actor(ticket.created_by, Role.DISPATCHER),
        base_version=ticket.version,
        occurred_at=proposal.proposed_at,
        clock=Clock(),
        previous_hash=FIRST_HASH,
        operation=TakeProposal(proposal.operation_id),
    )
    after = apply(taking, ticket)
    return after if isinstance(after, Ticket) else None


def _effect(ticket: Ticket, after: Ticket | None, names: dict[str, str], words: Words) -> str:
    status = words(f"status.{(after or ticket).status.value}")
    if after is None:
        return words("late.cannot_be_taken", status=status)
    has_it, had_it = after.technician or "", ticket.technician or ""
    facts = {"status": status, "name": names.get(has_it, has_it), "other": names.get(had_it, had_it)}
    if has_it != had_it:
        return words("late.goes_back", **facts)
    return words("late.stays" if after.status is ticket.status else "late.becomes", **facts)


_KINDS: "dict[type[LateEvidence], str]" = {
    Note: "add_note",
    Photo: "add_photo",
    Arrival: "arrive",
    SignOff: "sign_off",
    Objection: "raise_objection",
}


def kind_of_evidence(item: "LateEvidence") -> str:
    """The operation that brings such evidence."""
    return _KINDS[type(item)]


def _brought(item: "LateEvidence") -> Brought:
    kind = kind_of_evidence(item)
    match item:
        case Note():
            return Brought(item.operation_id, kind, item.author, item.written_at, item.text)
        case Photo():
            return Brought(item.operation_id, kind, item.taken_by, item.taken_at, photo=item.sha256)
        case Arrival():
            return Brought(item.operation_id, kind, item.technician, item.arrived_at)
        case SignOff():
            return Brought(item.operation_id, kind, item.technician, item.signed_at, item.comment)
        case Objection():
            return Brought(item.operation_id, kind, item.technician, item.raised_at, item.words)
