"""How what is on this phone and what is in the office become the same.

`SyncEngine` runs rounds against any SyncService; `OfficeOverHttp` is the one that life has. What is kept and filed is
field_app.store's, the messages are shared_schema.sync_protocol's.
"""

from field_app.sync.engine import SyncEngine
from field_app.sync.office_over_http import OfficeOverHttp
from field_app.sync.photo_sender import FOR_GOOD
from field_app.sync.rescue_file import NotPossible, WhyNot, make_rescue_file
from field_app.sync.status import RoundOutcome, SyncStatus, UploadProgress

__all__ = [
    "FOR_GOOD",
    "NotPossible",
    "OfficeOverHttp",
    "RoundOutcome",
    "SyncEngine",
    "SyncStatus",
    "UploadProgress",
    "WhyNot",
    "make_rescue_file",
]
