"""What the wire files under golden/ hold: an operation of each kind, each message, each rejection.

    python -m tests.shared_schema.golden_samples     writes the files that are missing; never touches one that is there

A file once shipped is how some phone out there speaks: it is added, never edited. When a form grows, a new file shows
the new form and the old one goes on being read.
"""

import hashlib
import sys
from datetime import date
from pathlib import Path
from typing import TypeAlias

from msgspec import Raw, Struct
from msgspec.structs import replace

from shared_schema import rejections as no
from shared_schema import wire
from shared_schema.apply import Filing
from shared_schema.credentials import Certificate, Credential, Price, Reference
from shared_schema.lifecycle import Kind, Role, Status
from shared_schema.operations import Clock, Envelope
from shared_schema.rejections import Rejection, code_of
from shared_schema.sync_protocol import (
    PROTOCOL,
    EnrolReply,
    EnrolRequest,
    Holding,
    OwnWork,
    PhotosOffered,
    PhotosUnheld,
    PutTicket,
    RoundReply,
    RoundRequest,
    SignedHead,
    Verdict,
    WithdrawTicket,
)
from tests.shared_schema.samples import BY_KIND, TICKET, actor_for, enveloped, settled_tale, tale_until

GOLDEN = Path(__file__).parent / "golden"
VERSION = "v2"

Message: TypeAlias = (
    Envelope
    | Verdict
    | PutTicket
    | WithdrawTicket
    | OwnWork
    | RoundRequest
    | RoundReply
    | EnrolRequest
    | EnrolReply
    | PhotosOffered
    | PhotosUnheld
)

FORMS: dict[str, type[Struct]] = {
    "operation": Envelope,
    "verdict": Verdict,
    "put-ticket": PutTicket,
    "withdraw-ticket": WithdrawTicket,
    "own-work": OwnWork,
    "round-request": RoundRequest,
    "round-reply": RoundReply,
    "enrol-request": EnrolRequest,
    "enrol-reply": EnrolReply,
    "photos-offered": PhotosOffered,
    "photos-unheld": PhotosUnheld,
}
"""The first part of a file's name → how it is read."""

REJECTIONS: tuple[Rejection, ...] = (
    no.MoveNotAllowed("finish_work", Status.CLOSED),
    no.StepMissing("show_credential"),
    no.UnknownTicket(),
    no.TicketExists(),
    no.RoleNotAllowed(Role.TECHNICIAN),
    no.NotAVisit(Kind.COMPLAINT),
    no.ChangedMeanwhile(),
    no.WindowReversed(),
    no.StatementAltered(),
    no.PhotoMissing(),
    no.UnknownOperation("add_hologram"),
    no.MalformedOperation("$.operation.text"),
    no.NotThisDevice(),
    no.UnknownTechnician(),
    no.JournalBroken(),
    no.SequenceTaken(),
    no.UnknownItem(),
    no.AlreadyDecided(),
)

_REFERENCE = Reference(
    version="d" * 64,
    credential=Credential(
        person="t-chen",
        name="陈志强",
        number="SZ-0217",
        company="上门家居",
        phone="19900000217",
        skills=("家具安装", "柜体维修"),
        certificates=(Certificate("低压电工作业证", "T-440301-77820217", date(2027, 4, 30)),),
        valid_until=date(2027, 1, 31),
        photo=b"\xff\xd8\xff\xe0 a small picture \xff\xd9",
    ),
    prices=(Price("WX-01", "铰链更换", "个", 3000),),
    office_phone="400-000-0199",
    people={"lin": "林静", "t-chen": "陈志强"},
    rescue_key=b"\x04" + b"k" * 64,
)


def samples() -> dict[str, bytes]:
    """File name without its ending → bytes."""
    made: dict[str, Message] = {
        f"operation.{kind}": replace(
            enveloped(operation, actor_for(kind), number=number, base_version=3),
            clock=Clock(120, 40, 1_772_424_000_000, 60_000 * number),
        )
        for number, (kind, operation) in enumerate(BY_KIND.items(), start=1)
    }
    for filing in (Filing.APPLIED, Filing.LATE, Filing.PROPOSAL):
        made[f"verdict.{filing.value}"] = Verdict(_ID, 7, filing, 4)
    for rejection in REJECTIONS:
        made[f"verdict.refused.{code_of(rejection)}"] = Verdict(_ID, 7, Filing.REFUSED, 4, rejection)
    for status in Status:
        made[f"put-ticket.{status.value}"] = PutTicket(41, tale_until(status).now)
    made["put-ticket.settled"] = PutTicket(41, settled_tale().now)
    made["withdraw-ticket"] = WithdrawTicket(42, TICKET)
    made["own-work"] = OwnWork(43, TICKET, "0123456789abcdef")
    note = Raw(wire.encode(enveloped(BY_KIND["add_note"], actor_for("add_note"), number=7, base_version=3)))
    made["round-request.empty"] = RoundRequest(PROTOCOL, "phone-t-chen", 0)
    made["round-request.full"] = RoundRequest(
        PROTOCOL,
        "phone-t-chen",
        41,
        [note],
        "d" * 64,
        Holding(2, "e" * 64),
        SignedHead(7, "f" * 64, b"k" * 32, b"s" * 64),
    )
    made["round-reply.empty"] = RoundReply(PROTOCOL, 1_772_424_000_000, 0, 0)
    made["round-reply.full"] = RoundReply(
        protocol=PROTOCOL,
        server_time_ms=1_772_424_000_000,
        received_through=7,
        cursor=42,
        verdicts=[Raw(wire.encode(Verdict(_ID, 7, Filing.APPLIED, 4)))],
        changes=[Raw(wire.encode(WithdrawTicket(42, TICKET)))],
        more=True,
        in_step=False,
        reference=_REFERENCE,
        signed_through=7,
        upgrade=True,
    )
    made["enrol-request"] = EnrolRequest(PROTOCOL, "k" * 32, "phone-t-chen", "陈志强的小米", "browser", b"k" * 32)
    made["enrol-reply"] = EnrolReply("phone-t-chen", "t" * 43, "t-chen", "陈志强", 1_772_424_000_000)
    made["photos-offered"] = PhotosOffered(["0" * 64, "f" * 64])
    made["photos-unheld"] = PhotosUnheld(["f" * 64])
    return {name: wire.encode(message) for name, message in made.items()}


_ID = "019a0000-0000-7000-8000-000000000007"


def sums(version: str) -> dict[str, str]:
    """File name → SHA-256, as noted when the file was added."""
    noted = (GOLDEN / version / "SHA256SUMS").read_text(encoding="utf-8").split()
    return dict(zip(noted[1::2], noted[::2], strict=True))


def main() -> None:
    folder = GOLDEN / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    added = 0
    with (folder / "SHA256SUMS").open("a", encoding="utf-8") as noted:
        for name, data in sorted(samples().items()):
            path = folder / f"{name}.json"
            if not path.exists():
                path.write_bytes(data)
                noted.write(f"{hashlib.sha256(data).hexdigest()}  {path.name}\n")
                added += 1
    sys.stdout.write(f"{added} golden files added\n")


if __name__ == "__main__":
    main()
