"""What phones can ask, as OpenAPI 3.1: `GET /sync/openapi.json`, for whoever is signed in at the desk.

The forms come out of shared_schema by msgspec, the refusals out of the registry of problems. Made by hand and not by
Litestar, which knows neither: bodies are decoded by shared_schema.wire, uploads speak in headers. A test holds it
against the routes, and Schemathesis against the answers.
"""

from typing import Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from shared_schema.evidence import PHOTO_BYTES
from shared_schema.operations import Envelope
from shared_schema.sync_protocol import (
    OLDEST_PROTOCOL,
    PROTOCOL,
    Change,
    EnrolReply,
    EnrolRequest,
    PhotosOffered,
    PhotosUnheld,
    RoundReply,
    RoundRequest,
    Verdict,
)
from sync_server.accounts import Session, office_session, session_cookie_name
from sync_server.problems import STATUS_OF
from sync_server.settings import Settings
from sync_server.sync import uploads

_Object = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_ANYWHERE = ("malformed-request", "internal-error", "unavailable")
_UNKNOWN_PHONE = ("device-unknown", "device-revoked")

_TUS_VERSION: _Object = {"type": "string", "enum": ["1.0.0"]}
_OFFSET: _Object = {"type": "integer", "minimum": 0, "maximum": PHOTO_BYTES}
_BASE64 = {
    24: "[A-Za-z0-9+/]{21}[AQgw]==",
    28: "[A-Za-z0-9+/]{26}[AEIMQUYcgkosw048]=",
    44: "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=",
    88: "[A-Za-z0-9+/]{85}[AQgw]==",
}
"""Length of the text → pattern: 16, 20, 32 and 64 bytes in their one spelling (RFC 4648, section 3.5)."""
_BASE64_OF_65_BYTES = "[A-Za-z0-9+/]{86}[AEIMQUYcgkosw048]="
"""As long as that of 64."""
_CHECKSUM: _Object = {
    "anyOf": [
        {"type": "string", "pattern": f"^{algorithm} {_BASE64[length]}$"}
        for algorithm, length in zip(uploads.CHECKSUMS, (44, 28, 24), strict=True)
    ]
}


@get("/sync/openapi.json", dependencies={"session": office_session})
async def openapi(session: NamedDependency[Session], settings: NamedDependency[Settings]) -> Response[bytes]:
    """Nothing in it is secret; but what nobody needs to ask, nobody is told."""
    del session  # that there is one is all that matters
    return Response(msgspec.json.encode(description(settings)), media_type="application/json")


def description(settings: Settings) -> _Object:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Doorstep: what phones can ask",
            "version": str(PROTOCOL),
            "description": "docs/sync-protocol.md tells the story; docs/security.md, who may do what.",
        },
        "security": [{"device": []}],
        "paths": {
            "/health": {"get": _health(), "head": _health()},
            "/sync/openapi.json": {"get": _own_description()},
            "/sync/v1/enrol": {"post": _enrol()},
            "/sync/v1/round": {"post": _round(settings), "options": _methods("OPTIONS, POST")},
            uploads.UNHELD: {"post": _unheld()},
            uploads.PATH: {"post": _create(), "options": _tus_options()},
            uploads.PATH + "/{upload_id}": {
                "head": _tell(),
                "patch": _append(),
                "delete": _end(),
                "post": _another_method(),
                "options": _tus_options() | {"parameters": [_upload({"type": "string"})]},
            },
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "device": {"type": "http", "scheme": "bearer", "description": "The token of an enrolled phone."},
                "session": {"type": "apiKey", "in": "cookie", "name": session_cookie_name(settings)},
            },
        },
    }


# -- the requests --------------------------------------------------------------------------------------------------


def _health() -> _Object:
    body = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
    return {
        "summary": "Whether the office is there.",
        "security": [],
        "responses": {"200": _json("It is.", body)} | _problems("internal-error"),
    }


def _own_description() -> _Object:
    return {
        "summary": "This description.",
        "security": [{"session": []}],
        "responses": {"200": _json("OpenAPI 3.1.", {"type": "object"})} | _problems("sign-in-needed", *_ANYWHERE),
    }


def _enrol() -> _Object:
    return {
        "summary": "Turn the one-time key of the QR code into a device token. Safe to ask again.",
        "security": [],
        "requestBody": _body(_ref("EnrolRequest")),
        "responses": {"200": _json("This phone is enrolled.", _ref("EnrolReply"))}
        | _problems(
            "enrolment-unknown",
            "enrolment-expired",
            "enrolment-used",
            "device-of-another-person",
            "upgrade-required",
            "request-stalled",
            "request-too-large",
            *_ANYWHERE,
        ),
    }


def _round(settings: Settings) -> _Object:
    return {
        "summary": "Bring operations, hear what happened.",
        "description": f"At most {settings.round_bytes} bytes. Operations are judged each by itself: one that cannot be"
        " read is refused in its verdict, and the round succeeds.",
        "parameters": [
            _header("Doorstep-Holding", {"type": "string"}, "What the phone still holds: `operations=3; photos=2`.")
        ],
        "requestBody": _body(_ref("RoundRequest")),
        "responses": {"200": _json("The office's answer.", _ref("RoundReply"))}
        | _problems(
            *_UNKNOWN_PHONE, "not-allowed", "upgrade-required", "request-stalled", "request-too-large", *_ANYWHERE
        ),
    }


def _unheld() -> _Object:
    return {
        "summary": "Which of these photos the office holds nothing of: their bytes may come with their creation.",
        "requestBody": _body(_ref("PhotosOffered")),
        "responses": {"200": _json("These.", _ref("PhotosUnheld"))}
        | _problems(*_UNKNOWN_PHONE, "request-stalled", "request-too-large", *_ANYWHERE),
    }


def _create() -> _Object:
    size = {"type": "integer", "minimum": 1, "maximum": PHOTO_BYTES}
    metadata = {"type": "string", "pattern": "^sha256 [A-Za-z0-9+/]{86}==$"}
    return {
        "summary": "Announce a photo, bring as much of it as is known at once, or find how much the office already has"
        " (tus 1.0, creation and creation-with-upload).",
        "parameters": [
            _tus(),
            _header("Upload-Length", size, "Bytes.", required=True),
            _header("Upload-Metadata", metadata, "The whole's SHA-256 in hexadecimal, as Base64.", required=True),
            _header("Upload-Checksum", _CHECKSUM, "Of what comes along."),
        ],
        "requestBody": {"content": {"application/offset+octet-stream": {"schema": {}}}},
        "responses": {
            "201": _empty("Where the bytes go.", "Location", "Upload-Offset", expires=True),
        }
        | _problems(
            *_UNKNOWN_PHONE,
            "upload-header-malformed",
            "tus-version-unsupported",
            "photo-too-large",
            "not-a-picture",
            "upload-locked",
            "too-many-uploads",
            "office-storage-full",
            "upload-beyond-length",
            "upload-stalled",
            "checksum-unsupported",
            "checksum-mismatch",
            *_ANYWHERE,
        ),
    }


def _tell() -> _Object:
    return {
        "summary": "How far an upload has come.",
        "parameters": [_upload(), _tus()],
        "responses": {
            "200": _empty("So far.", "Upload-Offset", "Upload-Length", "Upload-Metadata", expires=True),
        }
        | _problems(*_OF_AN_UPLOAD, with_content=False),
    }


def _append() -> _Object:
    return {
        "summary": "More of the photo, from where the office is.",
        "parameters": [
            _upload(),
            _tus(),
            _header("Upload-Offset", _OFFSET, "Bytes.", required=True),
            _header("Upload-Checksum", _CHECKSUM, "Of this piece."),
        ],
        "requestBody": {"content": {"application/offset+octet-stream": {"schema": {}}}, "required": True},
        "responses": {"204": _empty("Flushed to disk up to the offset.", "Upload-Offset", expires=True)}
        | _problems(*_OF_AN_UPLOAD, *_OF_APPENDING),
    }


def _end() -> _Object:
    return {
        "summary": "Forget an upload that is not finished.",
        "parameters": [_upload(), _tus()],
        "responses": {"204": _empty("Forgotten.")} | _problems("upload-finished", *_OF_AN_UPLOAD),
    }


def _another_method() -> _Object:
    return {
        "summary": "PATCH, DELETE or HEAD for networks that know only GET and POST.",
        "parameters": [
            _upload(),
            _tus(),
            _header(
                "X-HTTP-Method-Override", {"type": "string", "enum": ["PATCH", "DELETE", "HEAD"]}, "", required=True
            ),
            _header("Upload-Offset", _OFFSET, "For PATCH."),
            _header("Upload-Checksum", _CHECKSUM, "For PATCH."),
        ],
        "requestBody": {"content": {"application/offset+octet-stream": {"schema": {}}}},
        "responses": {
            "200": _empty("As for HEAD.", "Upload-Offset", "Upload-Length", "Upload-Metadata", expires=True),
            "204": _empty("As for PATCH or DELETE."),
        }
        | _problems("method-not-allowed", "upload-finished", *_OF_AN_UPLOAD, *_OF_APPENDING),
    }


def _tus_options() -> _Object:
    names = ("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm")
    return {
        "summary": "What is spoken here (tus 1.0).",
        "security": [],
        "responses": {"204": _empty("This.", *names)} | _problems("internal-error"),
    }


def _methods(allowed: str) -> _Object:
    return {
        "summary": f"The methods: {allowed}.",
        "security": [],
        "responses": {"204": {"description": "These.", "headers": {"Allow": _told()}}} | _problems("internal-error"),
    }


_OF_AN_UPLOAD = (
    *_UNKNOWN_PHONE,
    "upload-unknown",
    "tus-version-unsupported",
    "not-a-picture",
    "upload-locked",
    "office-storage-full",
    *_ANYWHERE,
)
_OF_APPENDING = (
    "upload-header-malformed",
    "upload-media-type",
    "upload-offset-wrong",
    "upload-beyond-length",
    "upload-stalled",
    "checksum-unsupported",
    "checksum-mismatch",
)


# -- forms ---------------------------------------------------------------------------------------------------------


def _schemas() -> _Object:
    forms = [RoundRequest, RoundReply, EnrolRequest, EnrolReply, PhotosOffered, PhotosUnheld, Envelope, Verdict, Change]
    _, schemas = msgspec.json.schema_components(forms, ref_template=_REFERENCE)
    schemas = {name: _for_everybody(schema) for name, schema in schemas.items()}
    version = {"type": "integer", "minimum": OLDEST_PROTOCOL, "maximum": PROTOCOL}
    for name in ("RoundRequest", "EnrolRequest"):
        schemas[name]["properties"]["protocol"] = version
    schemas["Reference"]["properties"]["rescue_key"]["pattern"] = f"^{_BASE64_OF_65_BYTES}$"
    # What is left undecoded in the messages (Raw). Anything may be brought as an operation; what is answered is known.
    schemas["RoundRequest"]["properties"]["ops"]["items"] = {"anyOf": [_ref("Envelope"), {}]}
    schemas["RoundReply"]["properties"]["verdicts"]["items"] = _ref("Verdict")
    schemas["RoundReply"]["properties"]["changes"]["items"] = {
        "oneOf": [_ref("PutTicket"), _ref("WithdrawTicket"), _ref("OwnWork")]
    }
    schemas["Problem"] = {
        "description": "RFC 9457. `code` is stable; `title` and `detail` are in the reader's language.",
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "instance"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string", "minLength": 1},
            "status": {"type": "integer"},
            "detail": {"type": "string", "minLength": 1},
            "code": {"enum": sorted(STATUS_OF)},
            "instance": {"type": "string", "format": "uri"},
        },
    }
    return schemas


def _for_everybody(schema: Any) -> Any:
    """msgspec's patterns are Python's; JSON Schema's dialect (ECMA 262) has no `\\Z`: its `$` is what that means."""
    if isinstance(schema, list):
        return [_for_everybody(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: _for_everybody(value) for key, value in schema.items()}
    if isinstance(pattern := told.get("pattern"), str):
        told["pattern"] = pattern.replace(r"\Z", "$")
    if told.get("contentEncoding") == "base64" and told.get("minLength") in _BASE64:
        told["pattern"] = f"^{_BASE64[told['minLength']]}$"
    return told


def _ref(name: str) -> _Object:
    return {"$ref": _REFERENCE.format(name=name)}


def _json(what: str, schema: _Object) -> _Object:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


def _body(schema: _Object) -> _Object:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _header(name: str, schema: _Object, what: str, *, required: bool = False) -> _Object:
    return {"name": name, "in": "header", "required": required, "schema": schema, "description": what}


def _upload(form: _Object | None = None) -> _Object:
    form = form or {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    return {"name": "upload_id", "in": "path", "required": True, "schema": form}


def _tus() -> _Object:
    return _header("Tus-Resumable", _TUS_VERSION, "The version spoken.", required=True)


def _told() -> _Object:
    return {"schema": {"type": "string"}, "required": True}


def _empty(what: str, *headers: str, expires: bool = False) -> _Object:
    """An answer of tus: without a body, all in headers."""
    told = {name: _told() for name in headers} | {"Tus-Resumable": {"schema": _TUS_VERSION, "required": True}}
    if expires:
        told["Upload-Expires"] = {"schema": {"type": "string"}, "description": "Absent once the upload is complete."}
    return {"description": what, "headers": told}


def _problems(*codes: str, with_content: bool = True) -> _Object:
    """The refusals, by status."""
    told: _Object = {}
    for status in sorted({STATUS_OF[code] for code in codes}):
        of_status = sorted(code for code in set(codes) if STATUS_OF[code] == status)
        form = {"allOf": [_ref("Problem"), {"properties": {"code": {"enum": of_status}}}]}
        told[str(status)] = {
            "description": ", ".join(of_status),
            "headers": {"Doorstep-Problem": {"schema": {"enum": of_status}, "required": True}},
        } | ({"content": {"application/problem+json": {"schema": form}}} if with_content else {})
    return told


route_handlers = [openapi]
