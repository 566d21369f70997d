"""A place to sign. What is drawn is kept as strokes, not as a picture, so that it prints sharp at any size."""

from collections.abc import Callable
from typing import Any, TypeAlias

import flet as ft
import flet.canvas as cv

from field_app import theme
from field_app.components.boundary import component
from field_app.components.identifiers import identified
from field_app.state.app import AppState
from shared_schema.evidence import Signature

Stroke: TypeAlias = list[tuple[int, int]]

_MOST_STROKES = 200
_MOST_POINTS = 5_000
_LARGEST = 10_000
_SAMPLE_MS = 10


class Strokes:
    """What has been drawn so far, in whole units of the pad."""

    def __init__(self, drawn: list[Stroke]) -> None:
        self.drawn = drawn
        self.width = 0
        self.height = 0
        self._is_taken = False
        """Whether the stroke being drawn is one of them."""

    def begin(self, x: float, y: float) -> None:
        self._is_taken = len(self.drawn) < _MOST_STROKES
        if self._is_taken:
            self.drawn.append([self._inside(x, y)])

    def go_on(self, x: float, y: float) -> None:
        point = self._inside(x, y)
        if self._is_taken and len(self.drawn[-1]) < _MOST_POINTS and self.drawn[-1][-1] != point:
            self.drawn[-1].append(point)

    def signature(self) -> Signature:
        reached = [point for stroke in self.drawn for point in stroke]
        return Signature(
            width=max(self.width, *(x for x, _ in reached)),
            height=max(self.height, *(y for _, y in reached)),
            strokes=tuple(tuple(stroke) for stroke in self.drawn),
        )

    def _inside(self, x: float, y: float) -> tuple[int, int]:
        right, bottom = self.width or _LARGEST, self.height or _LARGEST
        return min(max(round(x), 0), right), min(max(round(y), 0), bottom)


def _shape(stroke: Stroke, ink: str) -> cv.Shape:
    if len(stroke) == 1:
        x, y = stroke[0]
        return cv.Circle(x, y, 1.8, paint=ft.Paint(color=ink))
    (left, top), *others = stroke
    return cv.Path(
        [cv.Path.MoveTo(left, top), *(cv.Path.LineTo(x, y) for x, y in others)],
        paint=ft.Paint(
            color=ink,
            stroke_width=3,
            style=ft.PaintingStyle.STROKE,
            stroke_cap=ft.StrokeCap.ROUND,
            stroke_join=ft.StrokeJoin.ROUND,
        ),
    )


@component
def SignaturePad(
    app: AppState,
    strokes: Strokes,
    label: str,
    on_stroke: Callable[[], None],
    ink: str = theme.PAPER.ink,
    key: str = "",  # noqa: ARG001
) -> ft.Control:
    _, set_points = ft.use_state(0)

    def drawn() -> None:
        set_points(sum(len(stroke) for stroke in strokes.drawn))

    def start(event: Any) -> None:
        strokes.begin(event.local_position.x, event.local_position.y)
        drawn()

    def update(event: Any) -> None:
        strokes.go_on(event.local_position.x, event.local_position.y)
        drawn()

    def resized(event: Any) -> None:
        strokes.width, strokes.height = round(event.width), round(event.height)

    return identified(
        "signature-pad",
        cv.Canvas(
            [_shape(stroke, ink) for stroke in strokes.drawn],
            expand=True,
            on_resize=app.handling(resized),
            content=ft.GestureDetector(
                on_pan_down=app.handling(start),
                on_pan_update=app.handling(update),
                on_pan_end=app.doing(on_stroke),
                drag_interval=_SAMPLE_MS,
                mouse_cursor=ft.MouseCursor.PRECISE,
                content=ft.Container(expand=True),
            ),
        ),
        label=label,
        expand=True,
    )
