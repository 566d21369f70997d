"""The dispatcher's desk: pages rendered here, kept current by server-sent events, usable without JavaScript.

Handlers translate between forms and operations and decide nothing: what may be done is shared_schema.apply's, what is
stored services.desk's, who may see it accounts'. The look is templates/ and static/, the words are sync_server/locale.
"""

from litestar import Router
from litestar.di import Provide

from sync_server.accounts import office_session
from sync_server.dispatch import (
    assets,
    attention_pages,
    entrance,
    health_pages,
    intake,
    live_pages,
    picture_pages,
    rescue_pages,
    technician_pages,
    ticket_pages,
)
from sync_server.dispatch.problem_pages import problem_page
from sync_server.dispatch.reader import reader, visitor

__all__ = ["problem_page", "route_handlers"]

desk = Router(
    path="/",
    route_handlers=[
        assets.asset,
        *entrance.route_handlers,
        *ticket_pages.route_handlers,
        *intake.route_handlers,
        *attention_pages.route_handlers,
        *technician_pages.route_handlers,
        *health_pages.route_handlers,
        *rescue_pages.route_handlers,
        *picture_pages.route_handlers,
        *live_pages.route_handlers,
    ],
    dependencies={
        "session": Provide(office_session),
        "reader": Provide(reader),
        "visitor": Provide(visitor),
    },
)

route_handlers = [desk]
