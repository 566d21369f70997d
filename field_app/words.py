"""Every word the app says, in the language chosen, and the form of its dates, times and money.

The texts are in the gettext catalogues (locale/, and shared_schema/locale/ for what the office says too), under keys.
Nothing is read before `Words.load` is called.
"""

import gettext
from datetime import date, datetime, timedelta
from pathlib import Path

from shared_schema.ticket import Window

LANGUAGES = ("zh_CN", "en")
DEFAULT_LANGUAGE = "zh_CN"

_OWN = Path(__file__).parent / "locale"
_SHARED = Path(__file__).parent.parent / "shared_schema" / "locale"


class Words:
    """One language. Equal to another of the same language, so that memoized components stay as they are."""

    def __init__(self, language: str, own: gettext.NullTranslations, shared: gettext.NullTranslations) -> None:
        self.language = language
        self._own = own
        self._shared = shared

    @classmethod
    def load(cls, language: str) -> "Words":
        if language not in LANGUAGES:
            language = DEFAULT_LANGUAGE
        own = gettext.translation("field_app", _OWN, [language])
        shared = gettext.translation("shared_schema", _SHARED, [language])
        return cls(language, own, shared)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Words) and other.language == self.language

    def __hash__(self) -> int:
        return hash(self.language)

    def __call__(self, key: str, **facts: object) -> str:
        text = self._own.gettext(key)
        return text.format(**facts) if facts else text

    def count(self, key: str, number: int, **facts: object) -> str:
        """A sentence that changes with a number, given to it as `{number}`."""
        return self._own.ngettext(key, key, number).format(number=number, **facts)

    def shared(self, key: str, **facts: object) -> str:
        text = self._shared.gettext(key)
        return text.format(**facts) if facts else text

    def knows_shared(self, key: str) -> bool:
        return self._shared.gettext(key) != key

    def time(self, at: datetime) -> str:
        return f"{at.astimezone():%H:%M}"

    def day(self, day: date) -> str:
        """Such as 11月21日 周六, or Sat 21 Nov."""
        return self("date.day", month=day.month, day=day.day, **self._names(day))

    def full_day(self, day: date) -> str:
        return self("date.full-day", year=day.year, month=day.month, day=day.day, **self._names(day))

    def near_day(self, day: date, today: date) -> str:
        """The day, called today, tomorrow or yesterday where it is."""
        names = {
            today: "date.today",
            today + timedelta(days=1): "date.tomorrow",
            today - timedelta(days=1): "date.yesterday",
        }
        return f"{self(names[day])} · {self.day(day)}" if day in names else self.day(day)

    def moment(self, at: datetime, today: date) -> str:
        """The time alone on the same day, with the day before it on any other."""
        local = at.astimezone()
        return self.time(at) if local.date() == today else f"{self.day(local.date())} {self.time(at)}"

    def window(self, window: Window) -> str:
        return f"{self.time(window.start)}–{self.time(window.end)}"

    def money(self, fen: int) -> str:
        return f"¥{fen // 100:,}.{fen % 100:02d}"

    def _names(self, day: date) -> dict[str, str]:
        return {"weekday": self(f"date.weekday-{day.weekday()}"), "month_name": self(f"date.month-{day.month}")}
