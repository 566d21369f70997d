"""Problems in the desk's dress. What they are called and which status they have is sync_server.problems'."""

from collections.abc import Callable
from typing import Any

from litestar import Request, Response

from sync_server.clock import Clock
from sync_server.dispatch.pages import page
from sync_server.dispatch.reader import Reader
from sync_server.problems import ProblemShown, page_behind
from sync_server.settings import Settings


def problem_page(settings: Settings, clock: Clock) -> Callable[[Request[Any, Any, Any], ProblemShown], Response[Any]]:
    """What `app.state.problem_page` is to be."""

    def shown_in_dress(request: Request[Any, Any, Any], shown: ProblemShown) -> Response[Any]:
        return page(
            "problem.html",
            Reader(request, None, settings, clock, language=shown.language),
            title=shown.title,
            detail=shown.detail,
            again=page_behind(request) if shown.code == "form-expired" else "",
            code=f"{shown.code} · {shown.reference}" if shown.reference else shown.code,
        )

    return shown_in_dress
