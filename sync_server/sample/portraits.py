"""The technicians' portraits on their work credentials, drawn flat: nobody's face is used."""

from io import BytesIO

from PIL import Image, ImageDraw

from sync_server.sample.company import Portrait

WIDTH, HEIGHT = 480, 600
_FINE = 3
"""Drawn this much larger and scaled down, so that edges are smooth."""

_JACKET, _JACKET_SHADE, _SHIRT, _BADGE = "#0A5C56", "#084A45", "#F4F6F3", "#E9C46A"


def draw(portrait: Portrait) -> bytes:
    """A JPEG of WIDTH × HEIGHT."""
    image = Image.new("RGB", (WIDTH * _FINE, HEIGHT * _FINE), portrait.backdrop)
    pen = _Pen(ImageDraw.Draw(image))
    pen.ellipse(40, 96, 440, 496, _mixed(portrait.backdrop, "#FFFFFF", 0.35))
    if portrait.cut in {"bob", "tied"}:
        _long_hair(pen, portrait)
    _shoulders(pen, portrait)
    _head(pen, portrait)
    _hair(pen, portrait)
    _face(pen, portrait)
    out = BytesIO()
    image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(out, "JPEG", quality=88, optimize=True)
    return out.getvalue()


class _Pen:
    """Draws in the portrait's own units."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def ellipse(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        self._draw.ellipse(_fine(left, top, right, bottom), fill=colour)

    def block(self, left: float, top: float, right: float, bottom: float, colour: str, radius: float = 0) -> None:
        self._draw.rounded_rectangle(_fine(left, top, right, bottom), radius * _FINE, fill=colour)

    def shape(self, colour: str, *points: tuple[float, float]) -> None:
        self._draw.polygon([(x * _FINE, y * _FINE) for x, y in points], fill=colour)

    def arc(self, box: tuple[float, float, float, float], start: float, end: float, colour: str, width: float) -> None:
        self._draw.arc(_fine(*box), start, end, fill=colour, width=round(width * _FINE))

    def pie(self, box: tuple[float, float, float, float], start: float, end: float, colour: str) -> None:
        self._draw.pieslice(_fine(*box), start, end, fill=colour)

    def line(self, colour: str, width: float, *points: tuple[float, float]) -> None:
        self._draw.line([(x * _FINE, y * _FINE) for x, y in points], fill=colour, width=round(width * _FINE))


def _fine(*figures: float) -> list[float]:
    return [figure * _FINE for figure in figures]


def _mixed(first: str, second: str, share: float) -> str:
    def channels(colour: str) -> list[int]:
        return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]

    mixed = (round(a + (b - a) * share) for a, b in zip(channels(first), channels(second), strict=True))
    return "#" + "".join(f"{channel:02X}" for channel in mixed)


def _shoulders(pen: _Pen, portrait: Portrait) -> None:
    shade = _mixed(portrait.skin, "#7A3B1D", 0.22)
    pen.ellipse(52, 424, 428, 760, _JACKET)
    pen.shape(_SHIRT, (186, 420), (294, 420), (240, 540))
    pen.block(204, 352, 276, 452, shade, 20)
    pen.pie((196, 404, 284, 484), 0, 180, portrait.skin)
    pen.block(207, 372, 273, 446, _mixed(portrait.skin, shade, 0.45), 16)
    pen.shape(_JACKET_SHADE, (184, 424), (150, 446), (236, 574), (240, 540))
    pen.shape(_JACKET_SHADE, (296, 424), (330, 446), (244, 574), (240, 540))
    pen.line(_JACKET_SHADE, 3, (240, 556), (240, 600))
    pen.block(300, 520, 362, 560, "#FFFFFF", 6)
    pen.block(306, 526, 326, 554, _BADGE, 4)
    pen.line("#9AA6A2", 3, (332, 534), (356, 534))
    pen.line("#9AA6A2", 3, (332, 545), (350, 545))


def _head(pen: _Pen, portrait: Portrait) -> None:
    ear = _mixed(portrait.skin, "#A85A32", 0.18)
    pen.ellipse(144, 268, 174, 318, ear)
    pen.ellipse(306, 268, 336, 318, ear)
    pen.block(156, 176, 324, 330, portrait.skin, 76)
    pen.ellipse(156, 236, 324, 406, portrait.skin)


def _long_hair(pen: _Pen, portrait: Portrait) -> None:
    if portrait.cut == "bob":
        pen.block(134, 156, 346, 412, portrait.hair, 92)
    else:
        pen.block(140, 150, 340, 330, portrait.hair, 96)
        pen.ellipse(298, 300, 372, 452, portrait.hair)


def _hair(pen: _Pen, portrait: Portrait) -> None:
    hair = portrait.hair
    match portrait.cut:
        case "crew":
            pen.pie((152, 150, 328, 320), 180, 360, hair)
            pen.block(152, 228, 164, 276, hair, 5)
            pen.block(316, 228, 328, 276, hair, 5)
        case "short":
            pen.pie((146, 136, 334, 340), 180, 360, hair)
            pen.shape(portrait.skin, (172, 240), (214, 222), (300, 214), (314, 240))
            pen.shape(hair, (160, 200), (316, 176), (322, 236), (262, 214), (170, 240))
            pen.block(148, 226, 164, 286, hair, 7)
            pen.block(316, 226, 332, 286, hair, 7)
        case "parted":
            pen.pie((144, 132, 336, 344), 180, 360, hair)
            pen.shape(portrait.skin, (176, 242), (204, 206), (306, 242))
            pen.shape(hair, (196, 190), (326, 196), (326, 250), (290, 236), (222, 204))
            pen.block(146, 224, 162, 278, hair, 7)
            pen.block(318, 224, 334, 278, hair, 7)
        case "bob":
            pen.pie((138, 132, 342, 350), 180, 360, hair)
            pen.shape(portrait.skin, (168, 246), (178, 238), (302, 238), (312, 246))
            pen.block(136, 220, 166, 390, hair, 14)
            pen.block(314, 220, 344, 390, hair, 14)
        case "tied":
            pen.pie((142, 134, 338, 346), 180, 360, hair)
            pen.shape(portrait.skin, (170, 246), (240, 198), (310, 246))
            pen.block(142, 224, 160, 282, hair, 8)
            pen.block(320, 224, 338, 282, hair, 8)
        case "cap":
            pen.block(150, 226, 166, 290, hair, 7)
            pen.block(314, 226, 330, 290, hair, 7)
            pen.pie((142, 128, 338, 336), 180, 360, _JACKET)
            pen.block(142, 220, 338, 240, _JACKET_SHADE, 6)
            pen.block(150, 230, 330, 252, _JACKET, 11)
            pen.ellipse(224, 168, 256, 200, _BADGE)


def _face(pen: _Pen, portrait: Portrait) -> None:
    ink, lip = "#2A1E1A", _mixed(portrait.skin, "#9B3A34", 0.6)
    shade = _mixed(portrait.skin, "#A85A32", 0.28)
    brow = _mixed(portrait.hair, ink, 0.4)
    for left in (186, 262):
        pen.arc((left - 4, 262, left + 36, 296), 205, 335, brow, 6)
        pen.ellipse(left + 8, 288, left + 24, 306, ink)
        pen.ellipse(left + 17, 291, left + 22, 296, "#FFFFFF")
    pen.arc((226, 300, 254, 338), 20, 160, shade, 5)
    pen.ellipse(168, 322, 200, 344, _mixed(portrait.skin, "#E2725B", 0.22))
    pen.ellipse(280, 322, 312, 344, _mixed(portrait.skin, "#E2725B", 0.22))
    if portrait.beard:
        pen.pie((186, 316, 294, 408), 20, 160, _mixed(portrait.skin, portrait.hair, 0.35))
    pen.arc((206, 322, 274, 368), 28, 152, lip, 6)
    if portrait.glasses:
        for left in (178, 248):
            pen.arc((left, 274, left + 54, 324), 0, 360, "#38302C", 4)
        pen.line("#38302C", 4, (231, 296), (249, 296))
        pen.line("#38302C", 4, (178, 294), (158, 288))
        pen.line("#38302C", 4, (302, 294), (322, 288))
