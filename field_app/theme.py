"""The tokens of the phone's look (docs: design), as roles a control names instead of a colour.

Roles are slots of Flet's colour scheme, so that light and dark change in the client at once and nothing is rendered
again. The customer's page after the hand-over is always PAPER.
"""

from dataclasses import dataclass

import flet as ft

FONT = "NotoSansSC"
"""The family; the published app and the one on a phone carry it (tools.publish.fonts)."""
FONT_FILE = "fonts/NotoSansSC.otf"
"""Where the development mode finds it among its assets."""

SMALL, NOTE, BODY, TITLE, LARGE = 13, 15, 17, 22, 30
"""The sizes of text there are."""

RADIUS_CARD, RADIUS_FIELD, RADIUS_PILL = 12, 8, 999
TOUCH = 52
"""Height of what a thumb presses, at least."""

GROUND = ft.Colors.SURFACE_CONTAINER_LOWEST
SURFACE = ft.Colors.SURFACE
INK = ft.Colors.ON_SURFACE
QUIET = ft.Colors.ON_SURFACE_VARIANT
LINE = ft.Colors.OUTLINE_VARIANT
PRIMARY = ft.Colors.PRIMARY
ON_PRIMARY = ft.Colors.ON_PRIMARY
RECEIVED = ft.Colors.TERTIARY
SAVED = ft.Colors.SECONDARY
ATTENTION = ft.Colors.ERROR
INFORMATION = ft.Colors.INVERSE_PRIMARY


@dataclass(frozen=True)
class Tones:
    ground: str
    surface: str
    ink: str
    quiet: str
    line: str
    primary: str
    on_primary: str
    received: str
    saved: str
    attention: str
    information: str


# `saved` is a shade darker here than in design.md (#9A6700), which falls short of 4.5 : 1 on the ground.
LIGHT = Tones(
    ground="#F6F6F2",
    surface="#FFFFFF",
    ink="#17201E",
    quiet="#5B6663",
    line="#DEE2DE",
    primary="#0A5C56",
    on_primary="#FFFFFF",
    received="#1F7A3F",
    saved="#906000",
    attention="#B3261E",
    information="#1F5FA8",
)
DARK = Tones(
    ground="#101413",
    surface="#181D1C",
    ink="#E8EDEB",
    quiet="#9AA6A2",
    line="#2A3230",
    primary="#5CC8BC",
    on_primary="#06201D",
    received="#6FCF8E",
    saved="#E3B341",
    attention="#F2867E",
    information="#7FB2EE",
)
PAPER = Tones(
    ground="#FFFDF5",
    surface="#FFFDF5",
    ink="#17201E",
    quiet="#5B6663",
    line="#DEDACB",
    primary="#0A5C56",
    on_primary="#FFFFFF",
    received="#1F7A3F",
    saved="#906000",
    attention="#B3261E",
    information="#1F5FA8",
)


def tint(role: ft.Colors) -> str:
    """A ground in the role's colour, light enough for text in that colour to stay readable on it."""
    return ft.Colors.with_opacity(0.07, role)


def theme(tones: Tones) -> ft.Theme:
    still = ft.PageTransitionTheme.NONE
    return ft.Theme(
        font_family=FONT,
        color_scheme=ft.ColorScheme(
            primary=tones.primary,
            on_primary=tones.on_primary,
            primary_container=tones.primary,
            on_primary_container=tones.on_primary,
            secondary=tones.saved,
            on_secondary=tones.surface,
            secondary_container=tones.line,
            on_secondary_container=tones.ink,
            tertiary=tones.received,
            on_tertiary=tones.surface,
            error=tones.attention,
            on_error=tones.surface,
            inverse_primary=tones.information,
            surface=tones.surface,
            on_surface=tones.ink,
            on_surface_variant=tones.quiet,
            surface_container_lowest=tones.ground,
            surface_container_low=tones.surface,
            surface_container=tones.surface,
            surface_container_high=tones.surface,
            surface_container_highest=tones.ground,
            outline=tones.quiet,
            outline_variant=tones.line,
            inverse_surface=tones.ink,
            on_inverse_surface=tones.ground,
            surface_tint=tones.surface,
        ),
        page_transitions=ft.PageTransitionsTheme(android=still, ios=still, linux=still, macos=still, windows=still),
        visual_density=ft.VisualDensity.STANDARD,
    )
