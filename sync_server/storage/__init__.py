"""The database: the only importer of SQLAlchemy.

`Storage` is opened once and handed around. Work is a function of what it sees: `await storage.read(lambda reading:
reading.tickets.by_id(ids))`. An area (`tickets`, `journal`, `keys`, `attention`, `rescues`, `people`, `uploads`,
`scrubs`, `prices`, `feed`) is a class over one transaction; it speaks in domain values and works on many at a time.
"""

from sync_server.storage.areas import Looking, Reading, Rows, Values, Writing
from sync_server.storage.engine import Storage, StorageUnavailable

__all__ = ["Looking", "Reading", "Rows", "Storage", "StorageUnavailable", "Values", "Writing"]
