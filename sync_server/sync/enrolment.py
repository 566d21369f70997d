"""`POST /sync/v1/enrol`: the one-time key of a QR code against a device token. See accounts for the rules."""

from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK

from shared_schema import wire
from shared_schema.sync_protocol import OLDEST_PROTOCOL, PROTOCOL, EnrolRequest
from sync_server.accounts import Accounts, EnrolmentRefused
from sync_server.problems import Problem, decoded_body

_LIMIT_BYTES = 16_000


@post("/sync/v1/enrol", status_code=HTTP_200_OK, request_max_body_size=None)
async def enrol(request: Request[Any, Any, Any], accounts: NamedDependency[Accounts]) -> Response[bytes]:
    asked = await decoded_body(request, EnrolRequest, _LIMIT_BYTES)
    if not OLDEST_PROTOCOL <= asked.protocol <= PROTOCOL:
        raise Problem("upgrade-required")
    reply = await accounts.enrol(asked)
    if isinstance(reply, EnrolmentRefused):
        raise Problem(reply.code)
    return Response(wire.encode(reply), media_type="application/json", headers={"Cache-Control": "no-store"})


route_handlers = [enrol]
