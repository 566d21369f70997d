"""What somebody typed into a form: kept as typed whatever becomes of it, with what is wrong said at each field.

A form never turns a browser's bytes into an exception: values of the wrong kind are faults, files are apart.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from enum import Enum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from litestar.datastructures import UploadFile

from shared_schema.identifiers import Line, OperationId, RequiredLine, RequiredWords, Words

E = TypeVar("E", bound=Enum)

EARLIEST, LATEST = date(1900, 1, 1), date(2999, 12, 31)
"""What a day can mean here. At the calendar's own ends, the next day and the other time zone cannot be computed."""

Fault = tuple[str, dict[str, object]]
"""A catalogue key and its facts."""


class Form:
    def __init__(self, values: Mapping[str, str], say: Callable[..., str]) -> None:
        self._values = dict(values)
        self._say = say
        self.faults: dict[str, str] = {}

    def value(self, name: str) -> str:
        return self._values.get(name, "")

    def put(self, name: str, value: str) -> None:
        self._values[name] = value

    def fault(self, name: str, key: str, /, **facts: object) -> None:
        """Say what is wrong with a field; the first word on a field stands."""
        self.faults.setdefault(name, self._say(key, **facts))

    def fault_too(self, name: str, key: str, /, **facts: object) -> None:
        """Say it beside what is wrong with the field already."""
        self.faults[name] = f"{self.faults.get(name, '')} {self._say(key, **facts)}".strip()

    def listed(self, names: Sequence[str]) -> str:
        return self._say("list.quotes").join(names)

    # -- reading fields: each answers with a usable value, and notes a fault where there is none ---------------------

    def line(self, name: str, *, required: bool = False) -> str:
        """One line: white space at the ends and control characters dropped."""
        text = " ".join("".join(sign if sign.isprintable() else " " for sign in self.value(name)).split())
        return self._text(name, text, RequiredLine if required else Line, 200, required)

    def words(self, name: str, *, required: bool = False) -> str:
        """Free text as typed, with plain line ends and nothing at its edges."""
        text = self.value(name).replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").strip()
        return self._text(name, text, RequiredWords if required else Words, 4000, required)

    def choice(self, name: str, kind: type[E]) -> E | None:
        try:
            return kind(self.value(name))
        except ValueError:
            self.fault(name, "fault.choose")
            return None

    def day(self, name: str, *, required: bool = False) -> date | None:
        text = self.value(name).strip()
        if not text:
            if required:
                self.fault(name, "fault.required")
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = date.min
        if not EARLIEST <= day <= LATEST:
            self.fault(name, "fault.date")
            return None
        return day

    def hour(self, name: str) -> time | None:
        text = self.value(name).strip()
        try:
            return time.fromisoformat(text).replace(tzinfo=None)
        except ValueError:
            self.fault(name, "fault.required" if not text else "fault.time")
            return None

    def moment(self, day: date | None, hour: time | None, zone: ZoneInfo) -> datetime | None:
        return datetime.combine(day, hour, zone) if day and hour else None

    def identifier(self, name: str) -> str | None:
        """A ticket's or operation's id; anything else was not put there by our page."""
        return self._is(self.value(name), OperationId)

    def is_identifier(self, text: str) -> bool:
        return self._is(text, OperationId) is not None

    def _is(self, text: str, form: Any) -> str | None:
        try:
            value: str = msgspec.convert(text, form)
        except msgspec.ValidationError:
            return None
        return value

    def _text(self, name: str, text: str, form: Any, limit: int, required: bool) -> str:
        if required and not text:
            self.fault(name, "fault.required")
        elif len(text) > limit:
            self.fault(name, "fault.too_long", limit=limit)
        elif self._is(text, form) is None:
            self.fault(name, "fault.text")
        return text


def texts(data: Any) -> dict[str, str]:
    """The text fields of a submitted form; of several of one name, the last."""
    return {name: value for name, value in data.multi_items() if isinstance(value, str)}


def all_texts(data: Any, name: str) -> list[str]:
    return [value for each, value in data.multi_items() if each == name and isinstance(value, str)]


def files(data: Any, name: str) -> list[UploadFile]:
    """The files chosen; a browser sends an empty one where none was."""
    found = [value for each, value in data.multi_items() if each == name and isinstance(value, UploadFile)]
    return [file for file in found if file.filename]
