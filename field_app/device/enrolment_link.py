"""The link a technician's phone is enrolled by, shown by the desk as a QR code.

It is `<office>/app/#enrol=<key>`. The key stands in the fragment because a browser never sends that part over the
network: it stays out of access logs and Referer headers, it needs no route in Flet, and the service worker sees the
same page as ever. The office makes the link in `sync_server.accounts`; nothing else writes it.
"""

import re
from urllib.parse import parse_qs, urlsplit

_KEY = re.compile(r"[A-Za-z0-9_-]{8,200}\Z")


def key_in(text: str) -> str | None:
    """The one-time key in a link, or in the key itself as somebody typed or pasted it."""
    words = text.strip()
    if _KEY.match(words):
        return words
    keys = parse_qs(urlsplit(words).fragment).get("enrol", [])
    return keys[0] if keys and _KEY.match(keys[0]) else None


def office_in(link: str) -> str | None:
    """The office's address in a whole link, without a slash at the end; None for a bare key."""
    parts = urlsplit(link.strip())
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        return None
    path = parts.path[: parts.path.rindex("/app")] if "/app" in parts.path else parts.path
    return f"{parts.scheme}://{parts.netloc}{path}".rstrip("/")
