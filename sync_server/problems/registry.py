"""The one list of problem codes. A code is a promise to every phone ever installed: add, never rename or reuse."""

from collections.abc import Mapping

STATUS_OF: dict[str, int] = {
    # the request itself
    "malformed-request": 400,
    "invalid-request": 400,
    "not-found": 404,
    "method-not-allowed": 405,
    "request-stalled": 408,
    "request-too-large": 413,
    "unsupported-media-type": 415,
    "upgrade-required": 426,
    "too-many-requests": 429,
    "internal-error": 500,
    "unavailable": 503,
    # who is asking
    "sign-in-needed": 401,
    "not-allowed": 403,
    "form-expired": 403,
    "device-unknown": 401,
    "device-revoked": 401,
    # enrolment
    "enrolment-unknown": 404,
    "enrolment-expired": 410,
    "enrolment-used": 410,
    "device-of-another-person": 409,
    # tickets and photos
    "ticket-unknown": 404,
    "photo-unknown": 404,
    "not-a-picture": 422,
    "photo-too-large": 413,
    "photo-unreadable": 422,
    # uploads (tus 1.0)
    "tus-version-unsupported": 412,
    "upload-header-malformed": 400,
    "upload-media-type": 415,
    "upload-unknown": 404,
    "upload-offset-wrong": 409,
    "upload-beyond-length": 413,
    "upload-locked": 423,
    "upload-stalled": 408,
    "upload-finished": 403,
    "too-many-uploads": 429,
    "checksum-unsupported": 400,
    "checksum-mismatch": 460,
    "office-storage-full": 507,
}
"""Code → HTTP status. 460 is the tus checksum extension's own."""


class Problem(Exception):
    """A fault with a stable code, raised where it is found and answered at the edge.

    `facts` fill the sentences of the catalogue and travel in the JSON: numbers and short plain strings only, nothing
    that is secret and nothing out of an exception's text.
    """

    def __init__(self, code: str, *, headers: Mapping[str, str] | None = None, **facts: str | int | None) -> None:
        assert code in STATUS_OF, code
        super().__init__(code)
        self.code = code
        self.headers = dict(headers or {})
        self.facts = facts

    @property
    def status(self) -> int:
        return STATUS_OF[self.code]
