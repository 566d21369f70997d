"""The price list that travels with every phone."""

from collections.abc import Sequence

import sqlalchemy as sa

from shared_schema.credentials import Price
from sync_server.storage.feed import Feed
from sync_server.storage.metadata import Number, clean, metadata

prices = sa.Table(
    "prices",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("place", Number, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("price_fen", Number, nullable=False),
)


class Prices:
    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self) -> tuple[Price, ...]:
        """In the order they were given."""
        rows = self._connection.execute(
            sa.select(prices.c.code, prices.c.name, prices.c.unit, prices.c.price_fen).order_by(prices.c.place)
        )
        return tuple(Price(*row) for row in rows)

    def replace(self, listed: Sequence[Price]) -> None:
        self._connection.execute(sa.delete(prices))
        if listed:
            self._connection.execute(
                sa.insert(prices),
                [
                    {
                        "code": clean(price.code),
                        "place": place,
                        "name": clean(price.name),
                        "unit": clean(price.unit),
                        "price_fen": price.price_fen,
                    }
                    for place, price in enumerate(listed)
                ],
            )
        Feed(self._connection).reference_changed()
