"""How dates, times, numbers and money look to one reader at one moment. Sentences are sync_server.words."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from babel import dates, numbers
from markupsafe import Markup

from shared_schema import regions
from shared_schema.ticket import Window
from sync_server.words import Words


class Display:
    def __init__(self, words: Words, time_zone: str, now: datetime) -> None:
        self._words = words
        self._locale = words.locale
        self.zone = ZoneInfo(time_zone)
        self.now = now
        self.today = now.astimezone(self.zone).date()

    # -- moments -------------------------------------------------------------------------------------------------------

    def age(self, at: datetime) -> Markup:
        """How long ago (or how soon) in words; the exact time on hover. desk.js keeps it current."""
        return self._time(at, self._relative(at), self.exact(at), "relative")

    def moment(self, at: datetime) -> Markup:
        """Day and time as short as is clear; how long ago on hover."""
        return self._time(at, self.short(at), f"{self.exact(at)} · {self._relative(at)}", "")

    def between(self, earliest: datetime, latest: datetime) -> Markup:
        """When something happened that is known no better than to lie between two moments."""
        start, end = self._local(earliest), self._local(latest)
        later = f"{self._day_in_words(end.date())} " if end.date() != start.date() else ""
        words = f"{self.short(earliest)}–{later}{self._hour(end)}"
        return self._time(earliest, words, f"{self.exact(earliest)} – {self.exact(latest)}", "")

    def exact(self, at: datetime) -> str:
        return dates.format_datetime(self._local(at), "medium", locale=self._locale)

    def short(self, at: datetime) -> str:
        local = self._local(at)
        return f"{self._day_in_words(local.date())} {self._hour(local)}"

    def clock_time(self, at: datetime) -> str:
        return self._hour(self._local(at))

    def day(self, day: date) -> str:
        return dates.format_date(day, "medium", locale=self._locale)

    def window(self, window: Window, *, weekday: bool = True) -> Markup:
        """A visit window: the day in words, then from when to when."""
        start = self._local(window.start)
        words = f"{self._day_in_words(start.date(), weekday=weekday)} {self.hours(window)}"
        return self._time(window.start, words, f"{self.exact(window.start)} – {self.exact(window.end)}", "")

    def hours(self, window: Window) -> str:
        start, end = self._local(window.start), self._local(window.end)
        later = f"{self._day_in_words(end.date())} " if end.date() != start.date() else ""
        return f"{self._hour(start)}–{later}{self._hour(end)}"

    def span(self, span: timedelta) -> str:
        """How long, in words."""
        return dates.format_timedelta(span, threshold=1.2, locale=self._locale)

    def _local(self, at: datetime) -> datetime:
        try:
            return at.astimezone(self.zone)
        except OverflowError:  # a phone's clock in the year 9999
            return at

    @staticmethod
    def _hour(local: datetime) -> str:
        return f"{local:%H:%M}"

    def _day_in_words(self, day: date, *, weekday: bool = False) -> str:
        away = (day - self.today).days
        if -1 <= away <= 1:
            return self._words(("day.yesterday", "day.today", "day.tomorrow")[away + 1])
        skeleton = "MMMd" if day.year == self.today.year else "yMMMd"
        return dates.format_skeleton(skeleton + ("E" if weekday else ""), day, locale=self._locale)

    def _relative(self, at: datetime) -> str:
        away = at - self.now
        if abs(away) < timedelta(minutes=1):
            return self._words("time.just_now")
        return dates.format_timedelta(away, add_direction=True, threshold=1.2, locale=self._locale)

    @staticmethod
    def _time(at: datetime, words: str, exact: str, kind: str) -> Markup:
        mark = Markup(" data-relative") if kind == "relative" else ""
        return Markup('<time datetime="{}" title="{}"{}>{}</time>').format(at.isoformat(), exact, mark, words)

    @staticmethod
    def district(region: str) -> str:
        """For where there is little room, and province and city would swallow what tells the places apart."""
        return regions.district(region)

    # -- numbers -------------------------------------------------------------------------------------------------------

    def number(self, number: float) -> str:
        return numbers.format_decimal(number, locale=self._locale)

    def money(self, fen: int) -> str:
        return numbers.format_currency(fen / 100, "CNY", locale=self._locale)
