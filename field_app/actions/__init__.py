"""Everything a technician can do to a ticket: the only place on the phone where operations are made.

Each action keeps what was entered, durably, before it returns, and then wakes the sync engine. What may be done in
which state is shared_schema's to say; a refusal comes back as a value and nothing was written.
"""

from field_app.actions.actions import Actions, NotAPicture, Saved, TooLarge, next_action
from field_app.actions.refusals import Correction, FormInUse, NotPossibleNow, Refusal, Way, form_key, route_of

__all__ = [
    "Actions",
    "Correction",
    "FormInUse",
    "NotAPicture",
    "NotPossibleNow",
    "Refusal",
    "Saved",
    "TooLarge",
    "Way",
    "form_key",
    "next_action",
    "route_of",
]
