"""What the office's pages and problems say, in the reader's language.

Looks sentences up by key in sync_server's own catalogues, then in the vocabulary both sides share. The catalogues are
read from their sources, so a fresh checkout speaks without a compile step. How dates and numbers look on a page is
dispatch.display.
"""

import gettext
import io
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import msgspec
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from shared_schema.rejections import MoveNotAllowed, NotAVisit, Rejection, RoleNotAllowed, StepMissing, code_of

DEFAULT_LANGUAGE = "zh-CN"
LANGUAGES = (DEFAULT_LANGUAGE, "en")

_CATALOGUES = (
    ("sync_server", "sync_server"),
    ("sync_server", "problems"),
    ("sync_server", "app_files"),
    ("shared_schema", "shared_schema"),
)
"""Package and domain."""


class Words:
    """One language's sentences. A key without a sentence is answered with the key, so the gap is seen and not fatal."""

    def __init__(self, language: str, catalogue: gettext.NullTranslations) -> None:
        self.language = language
        self.locale = language.replace("-", "_")
        self._catalogue = catalogue

    def __call__(self, key: str, **facts: object) -> str:
        sentence = self._catalogue.gettext(key)
        return sentence.format(**facts) if facts else sentence

    def count(self, key: str, number: int, **facts: object) -> str:
        """The sentence for so many of something; `{number}` in it is the number."""
        return self._catalogue.ngettext(key, key, number).format(number=number, **facts)

    def knows(self, key: str) -> bool:
        return self._catalogue.gettext(key) != key

    def refusal(self, rejection: Rejection | None) -> str:
        """Why a rule said no; None is a reason this version does not know."""
        if rejection is None:
            return self("rejection.other")
        facts = msgspec.structs.asdict(rejection)
        match rejection:
            case MoveNotAllowed(move=move, status=status):
                facts = {"move": self(f"operation.{move}"), "status": self(f"status.{status.value}")}
            case StepMissing(step=step):
                facts = {"step": self(f"operation.{step}")}
            case RoleNotAllowed(role=role):
                facts = {"role": self(f"role.{role.value}")}
            case NotAVisit(kind=kind):
                facts = {"kind": self(f"kind.{kind.value}")}
            case _:
                pass
        return self(f"rejection.{code_of(rejection)}", **facts)


@cache
def words_in(language: str) -> Words:
    """The sentences of one of LANGUAGES; any other language gets the default one."""
    if language not in LANGUAGES:
        return words_in(DEFAULT_LANGUAGE)
    first, *others = (_read(package, domain, language) for package, domain in _CATALOGUES)
    for other in others:
        first.add_fallback(other)
    return Words(language, first)


def _read(package: str, domain: str, language: str) -> gettext.GNUTranslations:
    folder = resources.files(package) / "locale" / language.replace("-", "_") / "LC_MESSAGES"
    return _compiled(folder / f"{domain}.po")


def _compiled(source: Traversable) -> gettext.GNUTranslations:
    with source.open("rb") as file:
        catalogue = read_po(file)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
