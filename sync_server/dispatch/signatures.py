"""A signature drawn from its strokes, sharp at any size, on screen and on paper."""

from msgspec import Struct

from shared_schema.evidence import Signature


class Drawing(Struct, frozen=True):
    width: int
    height: int
    path: str
    """For the `d` of an SVG path."""


def drawing(signature: Signature) -> Drawing:
    """Lines through the points as they were drawn; a single point becomes a dot."""
    strokes: list[str] = []
    for stroke in signature.strokes:
        (x, y), *rest = stroke
        tail = " ".join(f"{px} {py}" for px, py in rest) if rest else f"{x} {y}"
        strokes.append(f"M{x} {y}L{tail}")
    return Drawing(max(signature.width, 1), max(signature.height, 1), "".join(strokes))
