"""The mark in the sizes a home screen, a tab and an installer want, from assets/icon.png (512 × 512 or larger).

A maskable icon is cut to the system's shape, so the mark keeps to the middle four fifths of it.
"""

from pathlib import Path

from PIL import Image, ImageDraw

GROUND = "#0A5C56"
SIZES = {"icons/icon-192.png": 192, "icons/icon-512.png": 512, "icons/apple-touch-icon.png": 180, "favicon.png": 48}
MASKABLE = {"icons/icon-maskable-192.png": 192, "icons/icon-maskable-512.png": 512}


def draw(source: Path, target: Path) -> None:
    mark = Image.open(source).convert("RGBA") if source.exists() else _door()
    for name, size in SIZES.items():
        _save(mark.resize((size, size), Image.Resampling.LANCZOS), target / name)
    for name, size in MASKABLE.items():
        ground = Image.new("RGBA", (size, size), mark.getpixel((mark.width // 2, mark.height // 16)) or GROUND)
        inner = size * 4 // 5
        small = mark.resize((inner, inner), Image.Resampling.LANCZOS)
        ground.alpha_composite(small, ((size - inner) // 2, (size - inner) // 2))
        _save(ground, target / name)


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)


def _door() -> Image.Image:
    """A door ajar, until the mark is drawn."""
    picture = Image.new("RGBA", (512, 512), GROUND)
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((136, 96, 376, 416), 16, fill="#FFFFFF")
    pen.polygon([(160, 120), (280, 152), (280, 416), (160, 392)], fill="#5CC8BC")
    pen.line([(304, 272), (328, 296), (360, 240)], fill=GROUND, width=16)
    return picture
