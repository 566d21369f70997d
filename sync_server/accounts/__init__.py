"""Who is asking: people at the desk with a password, phones with a token, and what each of them may see.

`Accounts` is the one object the application hands around. Endpoints take `identity` or `session` from
accounts.requests, and get a ticket through `access_ticket` and in no other way. Command-line subcommands are in
accounts.command_line.
"""

from sync_server.accounts.access import access_ticket
from sync_server.accounts.accounts import (
    Accounts,
    EnrolmentOffer,
    EnrolmentRefused,
    Session,
    SignInRefused,
)
from sync_server.accounts.requests import (
    SESSION_COOKIE,
    device_identity,
    office_session,
    remote_address,
    require_csrf,
    session_cookie,
    session_cookie_name,
    session_ended_cookie,
    session_of,
)
from sync_server.storage.people import DeviceIdentity, DeviceRow, LoginTaken, Person

__all__ = [
    "SESSION_COOKIE",
    "Accounts",
    "DeviceIdentity",
    "DeviceRow",
    "EnrolmentOffer",
    "EnrolmentRefused",
    "LoginTaken",
    "Person",
    "Session",
    "SignInRefused",
    "access_ticket",
    "device_identity",
    "office_session",
    "remote_address",
    "require_csrf",
    "session_cookie",
    "session_cookie_name",
    "session_ended_cookie",
    "session_of",
]
