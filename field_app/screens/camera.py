"""The camera, full screen: the shutter at the thumb, what was taken in a strip, the gallery where there is no camera.

A photo is kept, hashed and flushed before its small picture appears.
"""

from typing import Any

import flet as ft
import flet_camera as fc

from field_app import theme
from field_app.components import buttons, photos, text
from field_app.components.boundary import component
from field_app.components.frame import centred
from field_app.components.identifiers import identified
from field_app.screens.ticket import gone
from field_app.state.app import AppState, Handler
from field_app.state.current import use_app
from shared_schema.evidence import PhotoSlot
from shared_schema.ticket import Ticket

_WHITE = "#FFFFFF"
_QUIET = "#C9D1CE"
_BLACK = "#0B0E0D"
_ROOM = ft.Padding.symmetric(horizontal=12, vertical=14)

_STARTING, _READY, _TAKING = "starting", "ready", "taking"


def _back_camera(cameras: list[fc.CameraDescription]) -> fc.CameraDescription | None:
    """The one that looks away from the person: the others give mirrored pictures."""
    for wanted in (fc.CameraLensDirection.BACK, fc.CameraLensDirection.EXTERNAL):
        for camera in cameras:
            if camera.lens_direction is wanted:
                return camera
    return cameras[0] if cameras else None


def _trouble(fault: Exception) -> str:
    """A key of the catalogue; the camera plugin says what is wrong only in words."""
    said = str(fault).lower()
    if any(sign in said for sign in ("denied", "permission", "notallowed", "restricted")):
        return "camera.denied"
    if any(sign in said for sign in ("notfound", "not found", "nocamera", "unsupported", "mediadevices")):
        return "camera.none"
    return "camera.trouble"


def _can_show_camera(page: ft.Page) -> bool:
    return page.web or page.platform in {ft.PagePlatform.ANDROID, ft.PagePlatform.IOS}


@component
def CameraPage(key: str = "") -> ft.Control:  # noqa: ARG001
    app = use_app()
    parameters = ft.use_route_params()
    ticket_id, slot_name = parameters.get("ticket", ""), parameters.get("slot", "")
    ticket = app.ticket(ticket_id)
    if ticket is None or slot_name not in {slot.value for slot in PhotoSlot}:
        return gone(app, ticket_id)
    return CameraView(app, ticket, PhotoSlot(slot_name))


@component
def CameraView(app: AppState, ticket: Ticket, slot: PhotoSlot) -> ft.Control:
    phase, set_phase = ft.use_state(_STARTING)
    trouble, set_trouble = ft.use_state("")
    shown: ft.MutableRef[fc.Camera] = ft.use_ref(None)
    # What the customer photographs stays within the customer's pages, from which the browser's back leads nowhere.
    theirs = slot is PhotoSlot.OBJECTION
    place = f"/tickets/{ticket.id}/hand-over" if theirs else f"/tickets/{ticket.id}"
    back = f"{place}/objection" if theirs else place
    is_taking: ft.MutableRef[bool] = ft.use_ref(False)
    is_leaving: ft.MutableRef[bool] = ft.use_ref(False)

    def leave() -> None:
        """Not before the picture is kept that is just being taken: without its page the camera never gives it. A second
        tap leaves all the same, should the camera have died over it."""
        if is_taking.current and not is_leaving.current:
            is_leaving.current = True
        else:
            app.go(back)

    def left() -> None:
        if is_taking.current:
            app.say(app.words("camera.not-kept"))

    async def start() -> None:
        camera = shown.current
        if camera is None:
            set_trouble("camera.none")
            return
        try:
            chosen = _back_camera(await camera.get_available_cameras())
            if chosen is None:
                set_trouble("camera.none")
                return
            await shown.current.initialize(chosen, fc.ResolutionPreset.VERY_HIGH, enable_audio=False)
        except Exception as fault:  # whatever a camera may say, the gallery is still there
            app.record_fault(fault)
            set_trouble(_trouble(fault))
            return
        set_phase(_READY)

    def keep(data: bytes) -> bool:
        return app.perform(lambda: app.phone.actions.add_photo(ticket.id, data, slot))

    async def take() -> None:
        camera = shown.current
        if camera is None or phase != _READY or is_taking.current:
            return
        is_taking.current, is_leaving.current = True, False
        set_phase(_TAKING)
        try:
            data = await camera.take_picture()
        except Exception as fault:
            app.record_fault(fault)
            set_trouble(_trouble(fault))
            return
        finally:
            is_taking.current = False
            set_phase(_READY)
        if keep(bytes(data)) and is_leaving.current:
            app.go(back)

    def picked(event: Any) -> None:
        refused = None
        for file in event.files or []:
            keep(bytes(file.bytes or b""))
            refused = app.notice or refused
        # A picture that was kept must not take away the sentence about the file before it that was not.
        app.notice = refused

    # The client is told of the picker the moment it is made; a handler given to it later would never be called.
    picker: ft.MutableRef[ft.FilePicker] = ft.use_ref(lambda: ft.FilePicker(on_result=app.handling(picked)))
    ft.use_effect(start, dependencies=[], cleanup=left)
    assert picker.current is not None

    page = ft.context.page
    if trouble or not _can_show_camera(page):
        shown.current = None
        finder: ft.Control = _no_camera(app, trouble or "camera.none")
    else:
        # A control that has been shown is frozen: it must be a new one each time, and the ref must follow it.
        camera = fc.Camera(expand=True, preview_enabled=True)
        shown.current = camera
        finder = ft.Stack(
            [
                ft.Container(camera, expand=True, alignment=ft.Alignment.CENTER),
                *([] if phase != _STARTING else [_starting(app)]),
            ],
            expand=True,
            fit=ft.StackFit.EXPAND,
        )
    taken = [photo for photo in ticket.photos if photo.slot is slot]
    return ft.View(
        route=f"{place}/camera/{slot.value}",
        bgcolor=_BLACK,
        padding=0,
        spacing=0,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        controls=[
            ft.SafeArea(
                ft.Column(
                    [
                        _top(app, slot, app.doing(leave)),
                        ft.Container(finder, expand=True, clip_behavior=ft.ClipBehavior.HARD_EDGE),
                        _notice(app),
                        ft.Container(
                            ft.Row(
                                photos.strip(app, taken, size=56),
                                scroll=ft.ScrollMode.AUTO,
                                spacing=8,
                            ),
                            height=72 if taken else 0,
                            padding=ft.Padding.symmetric(horizontal=16, vertical=8),
                        ),
                        _controls(
                            app,
                            len(taken),
                            bool(trouble),
                            phase == _READY,
                            app.doing(take),
                            picker.current,
                            app.doing(leave),
                        ),
                    ],
                    spacing=0,
                    expand=True,
                    horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
                ),
                expand=True,
            )
        ],
    )


def _top(app: AppState, slot: PhotoSlot, on_leave: Handler) -> ft.Control:
    return ft.Row(
        [
            buttons.round_icon("back", ft.Icons.CLOSE, app.words("camera.close"), on_leave, color=_WHITE),
            identified("camera", text.strong(app.words.shared(f"slot.{slot.value}"), color=_WHITE)),
        ]
    )


def _starting(app: AppState) -> ft.Control:
    return ft.Container(
        ft.Column(
            [
                ft.ProgressRing(width=28, height=28, stroke_width=2, color=_WHITE),
                identified("camera-starting", text.note(app.words("camera.starting"), color=_QUIET)),
            ],
            alignment=ft.MainAxisAlignment.CENTER,
            horizontal_alignment=ft.CrossAxisAlignment.CENTER,
            spacing=12,
        ),
        alignment=ft.Alignment.CENTER,
    )


def _no_camera(app: AppState, key: str) -> ft.Control:
    return ft.Container(
        identified(
            "camera-message",
            ft.Column(
                [
                    ft.Icon(ft.Icons.NO_PHOTOGRAPHY_OUTLINED, size=48, color=_QUIET),
                    text.body(app.words(key), color=_WHITE, align=ft.TextAlign.CENTER),
                ],
                alignment=ft.MainAxisAlignment.CENTER,
                horizontal_alignment=ft.CrossAxisAlignment.CENTER,
                spacing=16,
            ),
            live=True,
        ),
        alignment=ft.Alignment.CENTER,
        padding=32,
        expand=True,
    )


def _notice(app: AppState) -> ft.Control:
    if app.notice is None:
        return ft.Container()
    return identified(
        "notice",
        ft.Container(text.note(app.notice.text, color=_WHITE), padding=ft.Padding.symmetric(horizontal=16, vertical=8)),
        live=True,
    )


def _controls(
    app: AppState, count: int, no_camera: bool, ready: bool, on_take: Handler, picker: ft.FilePicker, on_leave: Handler
) -> ft.Control:
    words = app.words
    gallery = identified(
        "camera-gallery",
        ft.TextButton(
            words("camera.gallery"),
            icon=ft.Icons.PHOTO_LIBRARY_OUTLINED,
            # Opened by the client itself: a browser allows it only while the finger is still on the button.
            action=ft.PickFiles(picker, file_type=ft.FilePickerFileType.IMAGE, allow_multiple=True, with_data=True),
            style=ft.ButtonStyle(
                color=_WHITE,
                icon_color=_WHITE,
                padding=_ROOM,
                text_style=ft.TextStyle(size=theme.NOTE, font_family=theme.FONT),
            ),
        ),
    )
    done = identified(
        "camera-done",
        ft.TextButton(
            words("camera.done"),
            on_click=on_leave,
            style=ft.ButtonStyle(
                color=_WHITE,
                padding=_ROOM,
                text_style=ft.TextStyle(size=theme.BODY, weight=ft.FontWeight.W_600, font_family=theme.FONT),
            ),
        ),
    )
    shutter = identified(
        "camera-shutter",
        ft.Container(
            ft.Container(bgcolor=_WHITE if ready else _QUIET, border_radius=theme.RADIUS_PILL),
            width=76,
            height=76,
            padding=5,
            border=ft.Border.all(3, _WHITE if ready else _QUIET),
            border_radius=theme.RADIUS_PILL,
            # Always there, also while it does nothing: Flutter forgets the identifier of a node that becomes a button.
            on_click=on_take,
        ),
        label=words("camera.shutter"),
    )
    kept = text.small(words.count("camera.kept", count), color=_QUIET) if count else text.small(" ", color=_QUIET)
    return ft.Container(
        ft.Column(
            [
                centred(
                    ft.Row(
                        [
                            ft.Container(gallery, expand=True, alignment=ft.Alignment.CENTER_LEFT),
                            ft.Container() if no_camera else shutter,
                            ft.Container(done, expand=True, alignment=ft.Alignment.CENTER_RIGHT),
                        ]
                    )
                ),
                identified("camera-count", kept, live=True),
            ],
            spacing=4,
            horizontal_alignment=ft.CrossAxisAlignment.CENTER,
        ),
        padding=ft.Padding.only(left=12, right=12, top=8, bottom=16),
    )
