"""How much travels at once.

A company of ten phones fills no page of two hundred changes and no piece of half a megabyte: in most worlds these are
so small that lists, journals and photos come in many parts, and the line between two of them is where things are
killed, cut off and begun anew.
"""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from field_app.sync import engine, photo_sender
from sync_server.services import rescue, rounds
from sync_server.sync import uploads

_SMALL: tuple[tuple[Any, str, tuple[Any, ...]], ...] = (
    (rounds, "CHANGES_PER_ROUND", (2, 5)),
    (rounds, "CHANGES_BYTES", (2_000, 2**20)),
    (engine, "OPERATIONS_PER_ROUND", (2, 7)),
    (engine, "BYTES_PER_ROUND", (1_500, 100_000)),
    (engine, "SMALLEST_ROUND_BYTES", (500,)),
    (photo_sender, "PHOTOS_PER_OFFER", (1, 3)),
    (photo_sender, "SMALLEST_PIECE", (1_000,)),
    (photo_sender, "FIRST_PIECE", (2_000, 20_000)),
    (photo_sender, "LARGEST_PIECE", (16_000, 64_000)),
    (uploads, "_BLOCK", (1_000, 8_000)),
    (uploads, "_AT_ONCE_BYTES", (4_000, 2**20)),
    (rescue, "OPERATIONS_PER_ROUND", (2, 7)),
    (rescue, "_BATCH_BYTES", (2_000, 100_000)),
)
"""Where a size stands, under which name, and what it may be in a small world."""

FREED_SOON = timedelta(minutes=5)
"""A received photo makes room after that in a small world, whose phones are always short of it; in life after days."""


@contextmanager
def of_a_world(dice: random.Random) -> Iterator[None]:
    with ExitStack() as stack:
        if dice.random() < 0.7:
            for place, name, sizes in _SMALL:
                stack.enter_context(patch.object(place, name, dice.choice(sizes)))
        if dice.random() < 0.5:
            stack.enter_context(patch.object(photo_sender, "FREED_AFTER", FREED_SOON))
            stack.enter_context(patch.object(photo_sender, "LOOK_FOR_ROOM_SECONDS", 30.0))
        yield
