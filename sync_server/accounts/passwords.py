"""Passwords: argon2id at OWASP's 19 MiB, three passes, away from the event loop and never too many at once.

A sign-in for a name nobody has does the same work as any other, so the time it takes tells nothing.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LONGEST = 1000
"""Characters of a password; more is refused unread, hashing a megabyte is an attack."""

_THREADS = 2
_QUEUE = 32


class TooBusy(Exception):
    """More sign-ins are waiting than would be answered in a reasonable time."""


class Passwords:
    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=3, memory_cost=19 * 1024, parallelism=1)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        self._nobody: str | None = None

    def hash_now(self, password: str) -> str:
        return self._hasher.hash(password)

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.hash_now, password)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is the one hashed; None does the same work and is never right. Raises TooBusy."""
        if self._waiting >= _QUEUE:
            raise TooBusy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._matches, password, password_hash)
        finally:
            self._waiting -= 1

    def is_outdated(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password: str, password_hash: str | None) -> bool:
        if self._nobody is None:
            self._nobody = self._hasher.hash("nobody's")
        try:
            right = self._hasher.verify(password_hash or self._nobody, password[:LONGEST])
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
        return right and password_hash is not None and len(password) <= LONGEST
