"""Why a rule said no, as a sentence."""

from msgspec import structs

from field_app.words import Words
from shared_schema.lifecycle import Kind, Role, Status
from shared_schema.rejections import Rejection, code_of


def sentence(rejection: Rejection | None, words: Words) -> str:
    """`None`: refused for a reason this version of the app does not know."""
    key = f"rejection.{code_of(rejection)}" if rejection is not None else ""
    if rejection is None or not words.knows_shared(key):
        return words.shared("rejection.other")
    return words.shared(key, **{name: _named(name, value, words) for name, value in structs.asdict(rejection).items()})


def _named(name: str, value: object, words: Words) -> object:
    match value:
        case Status():
            return words.shared(f"status.{value.value}")
        case Role():
            return words.shared(f"role.{value.value}")
        case Kind():
            return words.shared(f"kind.{value.value}")
        case str() if name in {"move", "step"} and words.knows_shared(f"operation.{value}"):
            return words.shared(f"operation.{value}")
        case _:
            return value
