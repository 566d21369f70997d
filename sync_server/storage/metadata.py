"""The one collection every table is on, and the column types all areas share.

Each area defines its tables beside the code that reads and writes them; `storage` imports them all.
"""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A whole number up to 2⁵³: a feed position, a sequence number, a Unix time in milliseconds.

INTEGER on SQLite, because only that makes a primary key the row's own number.
"""


def clean(text: str) -> str:
    """`text` as a text column can hold it: PostgreSQL knows no NUL. What was really sent is in the raw bytes."""
    return text.replace("\x00", "")
