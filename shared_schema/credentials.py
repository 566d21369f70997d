"""The work credential a technician shows at the door, and what else a phone carries to look up."""

from datetime import date
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from shared_schema.identifiers import Count, Line, PersonId, RequiredLine, Sha256


class Certificate(Struct, frozen=True):
    name: RequiredLine
    number: Line
    valid_until: date


class Credential(Struct, frozen=True):
    person: PersonId
    name: RequiredLine
    number: RequiredLine
    """The work number printed on the card."""
    company: RequiredLine
    phone: Line
    skills: tuple[Line, ...]
    certificates: tuple[Certificate, ...]
    valid_until: date
    photo: Annotated[bytes, Meta(max_length=200_000)]
    """A JPEG, small enough to travel with every phone; Base64 in JSON."""


class Price(Struct, frozen=True):
    code: RequiredLine
    name: RequiredLine
    unit: Line
    price_fen: Count
    """In fen (1/100 yuan)."""


class Reference(Struct, frozen=True):
    """What a phone carries that is not a ticket; sent again whenever its version changes."""

    version: Sha256
    credential: Credential
    prices: tuple[Price, ...]
    office_phone: Line
    people: dict[PersonId, Line]
    """Names of those who appear on this technician's tickets."""
    rescue_key: Annotated[bytes, Meta(min_length=65, max_length=65)] | UnsetType = UNSET
    """The office's public key (P-256, an uncompressed point) that rescue files are sealed for; Base64 in JSON."""
