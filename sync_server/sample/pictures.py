"""The photos of the sample visits: drawn rooms, one before the work and one after it, no two with the same bytes."""

from functools import cache
from io import BytesIO
from random import Random

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 1280, 960
"""What is drawn on."""

TAKEN = (1024, 768)
"""What comes out."""

_Colours = tuple[str, str, str]
_ROOMS: tuple[_Colours, ...] = (
    ("#E7E2D8", "#B99B78", "#D3C8B6"),
    ("#DDE3E1", "#A98D6C", "#C5D0CD"),
    ("#EAE0DA", "#9C8468", "#DCCCC2"),
    ("#E2E1E8", "#B39A80", "#CFCDDA"),
)


@cache
def draw(scene: str, *, mended: bool, room: int, shot: int) -> bytes:
    """A JPEG as a phone would take it, a little noisy; the same room looks the same in every shot."""
    random = Random(room)  # noqa: S311 — a picture, not a secret
    wall, ground, skirting = random.choice(_ROOMS)
    image = Image.new("RGB", (WIDTH, HEIGHT), wall)
    pen = ImageDraw.Draw(image, "RGBA")
    pen.rectangle((0, 690, WIDTH, HEIGHT), fill=ground)
    for plank in range(-400, WIDTH + 400, 150):
        pen.line((plank + 200, 690, plank, HEIGHT), fill=_shaded(ground, 0.9), width=3)
    pen.rectangle((0, 668, WIDTH, 690), fill=skirting)
    {
        "bed": _bed,
        "cabinet": _cabinet,
        "floor": _floor,
        "lamp": _lamp,
        "sofa": _sofa,
        "table": _table,
        "wall": _wall,
    }[scene](pen, mended, random)
    return _photographed(image, Random(f"{room} {shot}"))  # noqa: S311


def _photographed(drawn: Image.Image, random: Random) -> bytes:
    width, height = TAKEN
    turned = drawn.rotate(random.uniform(-1.2, 1.2), Image.Resampling.BILINEAR, fillcolor="#8B8680")
    image = turned.resize(TAKEN, Image.Resampling.BILINEAR)
    left, top = random.randrange(60), random.randrange(60)
    shadow = Image.radial_gradient("L").crop((left, top, left + 190, top + 190)).resize(TAKEN)
    image = Image.composite(Image.new("RGB", TAKEN, "#1B1D22"), image, shadow.point(lambda value: value // 4))
    grain = Image.frombytes("L", (width // 4, height // 4), random.randbytes(width // 4 * (height // 4)))
    noise = grain.resize(TAKEN, Image.Resampling.BILINEAR).convert("RGB")
    out = BytesIO()
    Image.blend(image, noise, 0.035).save(out, "JPEG", quality=82)
    return out.getvalue()


def _cabinet(pen: ImageDraw.ImageDraw, mended: bool, random: Random) -> None:
    wood = random.choice(("#C8A77E", "#EDEAE3", "#A6B2AC", "#8A6E54"))
    left = random.randrange(180, 300)
    pen.rectangle((left, 150, left + 760, 700), fill=_shaded(wood, 0.82))
    for door in range(4):
        x = left + 12 + door * 186
        slip = 0 if mended or door != 2 else random.randrange(26, 40)
        pen.polygon(
            [(x, 164), (x + 178, 164 + slip), (x + 178 - slip // 2, 688 + slip), (x - slip // 2, 688)],
            fill=wood,
            outline=_shaded(wood, 0.7),
        )
        pen.rounded_rectangle(
            (x + (150 if door % 2 == 0 else 18), 390 + slip, x + (160 if door % 2 == 0 else 28), 470 + slip),
            5,
            fill="#4A4A48",
        )
    pen.rectangle((left, 130, left + 760, 152), fill=_shaded(wood, 0.9))


def _lamp(pen: ImageDraw.ImageDraw, mended: bool, random: Random) -> None:
    middle = random.randrange(520, 760)
    if mended:
        for reach in range(400, 60, -26):
            pen.ellipse((middle - reach, 256 - reach, middle + reach, 256 + reach), fill=(255, 240, 190, 26))
    pen.line((middle, 0, middle, 170), fill="#3A3A38", width=7)
    pen.pieslice((middle - 210, 90, middle + 210, 390), 180, 360, fill="#2F4A47")
    bulbs = (-140, -70, 0, 70, 140)
    dark = () if mended else random.sample(bulbs, 3)
    for bulb in bulbs:
        colour = "#6B6A66" if bulb in dark else "#FFF3C4"
        pen.ellipse((middle + bulb - 30, 226, middle + bulb + 30, 286), fill=colour, outline="#55534E", width=3)
    pen.rounded_rectangle((middle - 330, 640, middle + 330, 700), 16, fill="#7D6652")


def _shaded(colour: str, share: float) -> str:
    return "#" + "".join(f"{min(255, round(int(colour[place : place + 2], 16) * share)):02X}" for place in (1, 3, 5))


def _sofa(pen: ImageDraw.ImageDraw, mended: bool, random: Random) -> None:
    cloth = random.choice(("#7C5A43", "#5E6E78", "#8C8577"))
    pen.rounded_rectangle((170, 380, 1110, 640), 50, fill=_shaded(cloth, 0.9))
    pen.rounded_rectangle((130, 470, 270, 760), 44, fill=cloth)
    pen.rounded_rectangle((1010, 470, 1150, 760), 44, fill=cloth)
    for seat in range(3):
        x = 272 + seat * 246
        sunk = 0 if mended or seat != 1 else 46
        pen.rounded_rectangle(
            (x, 560 + sunk, x + 240, 730), 34, fill=_shaded(cloth, 1.12), outline=_shaded(cloth, 0.75), width=4
        )
        if sunk:
            pen.arc((x + 30, 560, x + 210, 660), 20, 160, fill=_shaded(cloth, 0.6), width=6)
    pen.rectangle((190, 730, 1090, 768), fill=_shaded(cloth, 0.7))


def _bed(pen: ImageDraw.ImageDraw, mended: bool, random: Random) -> None:
    wood = random.choice(("#C9AC85", "#9B7B5C"))
    pen.rounded_rectangle((250, 260, 1030, 640), 18, fill=wood)
    for post in range(290, 1010, 60):
        pen.line((post, 280, post, 520), fill=_shaded(wood, 0.85), width=8)
    lift = 120 if mended else 0
    pen.polygon([(250, 560 - lift), (1030, 560 - lift), (1130, 780), (150, 780)], fill="#F2EFE8", outline="#CFC9BD")
    pen.rectangle((150, 780, 1130, 860), fill=_shaded(wood, 0.9))
    for pillow in (330, 690):
        pen.rounded_rectangle(
            (pillow, 520 - lift, pillow + 260, 600 - lift), 30, fill="#FFFFFF", outline="#D8D2C6", width=3
        )
    if mended:
        pen.line((180, 780, 250, 560), fill="#3C4144", width=12)
        pen.line((1100, 780, 1030, 560), fill="#3C4144", width=12)


def _table(pen: ImageDraw.ImageDraw, mended: bool, random: Random) -> None:
    stone = random.choice(("#D9D7D2", "#5C5E60", "#EAE6DE"))
    pen.polygon([(200, 470), (1080, 470), (1180, 620), (100, 620)], fill=stone)
    pen.rectangle((100, 620, 1180, 650), fill=_shaded(stone, 0.8))
    for leg in (190, 1040):
        pen.polygon([(leg, 650), (leg + 50, 650), (leg + 40, 900), (leg + 10, 900)], fill="#3B3835")
    for _ in range(16):
        x, y = random.randrange(220, 1040), random.randrange(490, 600)
        pen.line(
            (x, y, x + random.randrange(40, 130), y + random.randrange(-14, 14)), fill=_shaded(stone, 0.93), width=2
        )
    if not mended:
        pen.polygon([(1120, 606), (1184, 600), (1184, 654), (1140, 640)], fill="#2A2826")


def _floor(pen: ImageDraw.ImageDraw, mended: bool, random: Random) -> None:
    wood = random.choice(("#B98F62", "#8F6C4C", "#C9A67B"))
    for row in range(8):
        top = 330 + row * 80
        offset = random.randrange(-200, 0)
        for board in range(offset, WIDTH, 360):
            tone = _shaded(wood, random.uniform(0.9, 1.08))
            pen.rectangle((board, top, board + 356, top + 76), fill=tone)
    if not mended:
        x = random.randrange(380, 700)
        pen.polygon([(x, 570), (x + 356, 540), (x + 356, 616), (x, 646)], fill=_shaded(wood, 1.15), outline="#2E2620")
        pen.polygon([(x, 646), (x + 356, 616), (x + 356, 650), (x, 656)], fill="#2E2620")


def _wall(pen: ImageDraw.ImageDraw, mended: bool, random: Random) -> None:
    cloth = random.choice(("#C9CFC6", "#D8C9BC", "#BFC8D2"))
    for strip in range(4):
        x = strip * 340 - 40
        tone = cloth if mended or strip != 2 else _shaded(cloth, 0.9)
        pen.rectangle((x, 0, x + 340, 668), fill=tone)
        for y in range(40, 660, 90):
            shift = 0 if mended or strip != 2 else 38
            for sprig in range(x + 60, x + 320, 110):
                pen.ellipse((sprig, y + shift, sprig + 26, y + shift + 40), fill=_shaded(tone, 0.92))
    if not mended:
        x = 640
        pen.line((x, 120, x + 14, 300, x - 4, 520), fill=_shaded(cloth, 0.6), width=7)
