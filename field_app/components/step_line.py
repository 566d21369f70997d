"""The visit as a vertical line: what is done, what is open now, what is still to come."""

from collections.abc import Sequence
from datetime import date

import flet as ft

from field_app import theme
from field_app.components import text
from field_app.components.identifiers import identified
from field_app.state.steps import Place, Step
from field_app.words import Words


def _mark(step: Step, number: int) -> ft.Control:
    if step.place is Place.DONE:
        return ft.Icon(ft.Icons.CHECK_CIRCLE, size=24, color=theme.PRIMARY)
    is_open = step.place is Place.OPEN
    return ft.Container(
        text.figure(number, theme.ON_PRIMARY if is_open else theme.QUIET),
        width=24,
        height=24,
        alignment=ft.Alignment.CENTER,
        bgcolor=theme.PRIMARY if is_open else None,
        border=None if is_open else ft.Border.all(1, theme.LINE),
        border_radius=theme.RADIUS_PILL,
    )


def step_line(line: Sequence[Step], words: Words, today: date, inside: Sequence[ft.Control] = ()) -> ft.Control:
    """`inside` is what belongs to the open step."""
    rows: list[ft.Control] = []
    for number, step in enumerate(line, start=1):
        is_open = step.place is Place.OPEN
        name = words(f"step.{step.kind}")
        head: list[ft.Control] = [
            text.strong(name, expand=True)
            if is_open
            else text.note(name, color=theme.INK if step.place is Place.DONE else theme.QUIET, expand=True)
        ]
        if step.at is not None:
            head.append(text.small(words.moment(step.at, today)))
        content: list[ft.Control] = [ft.Row(head)]
        if is_open:
            content.append(text.note(words(f"step-hint.{step.kind}")))
            content += inside
        last = number == len(line)
        rows.append(
            identified(
                f"step-{step.kind}",
                ft.Row(
                    [
                        ft.Column(
                            [
                                _mark(step, number),
                                *(
                                    []
                                    if last
                                    else [
                                        ft.Container(
                                            width=2,
                                            expand=True,
                                            bgcolor=theme.PRIMARY if step.place is Place.DONE else theme.LINE,
                                        )
                                    ]
                                ),
                            ],
                            width=24,
                            spacing=1,
                            horizontal_alignment=ft.CrossAxisAlignment.CENTER,
                        ),
                        ft.Container(
                            ft.Column(content, spacing=8, horizontal_alignment=ft.CrossAxisAlignment.STRETCH),
                            expand=True,
                            padding=ft.Padding.only(bottom=0 if last else 14 if is_open else 6),
                        ),
                    ],
                    spacing=12,
                    intrinsic_height=True,
                    vertical_alignment=ft.CrossAxisAlignment.STRETCH,
                ),
            )
        )
    return ft.Column(rows, spacing=2, horizontal_alignment=ft.CrossAxisAlignment.STRETCH)
