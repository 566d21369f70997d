"""How often somebody may try a password.

Counted before the password is looked at, so that many tries at once do not slip through together. In memory: a restart
forgets, and several processes count apart, which multiplies a small number by a small number.

Three counts: one name from one address (somebody guessing a colleague's password), one address (guessing everybody's)
and, much higher, one name from everywhere, so that a stranger cannot easily lock a dispatcher out.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

WINDOW_SECONDS = 15 * 60
PER_LOGIN_AND_ADDRESS = 8
PER_ADDRESS = 40
PER_LOGIN = 100

_REMEMBERED = 50_000


class Attempts:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._counts: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        """What is counted → when each attempt of the window was made."""

    def begin(self, login: str, address: str) -> float | None:
        """Count an attempt; where there were too many already, the seconds until one is allowed again."""
        now = self._monotonic()
        counted = self._counted(login, address)
        waits = [wait for key, limit in counted if (wait := self._wait(key, limit, now)) is not None]
        if waits:
            return max(waits)
        for key, _ in counted:
            self._counts.setdefault(key, []).append(now)
            self._counts.move_to_end(key)
        while len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)
        return None

    def succeeded(self, login: str, address: str) -> None:
        """The password was right: this name from this address starts afresh, and the attempt counts nowhere."""
        (own, _), *others = self._counted(login, address)
        self._counts.pop(own, None)
        for key, _ in others:
            if made := self._counts.get(key):
                made.pop()

    def _wait(self, key: tuple[str, str], limit: int, now: float) -> float | None:
        made = self._counts.get(key)
        if made is None:
            return None
        made[:] = [moment for moment in made if moment > now - WINDOW_SECONDS]
        if len(made) < limit:
            return None
        return made[-limit] + WINDOW_SECONDS - now

    @staticmethod
    def _counted(login: str, address: str) -> list[tuple[tuple[str, str], int]]:
        network = _network(address)
        return [
            ((login, network), PER_LOGIN_AND_ADDRESS),
            (("", network), PER_ADDRESS),
            ((login, ""), PER_LOGIN),
        ]


def _network(address: str) -> str:
    """An IPv6 customer has 2⁶⁴ addresses and counts as one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)
