"""Every pair of text and ground can be read: 4.5 : 1 at least (WCAG 2.2, success criterion 1.4.3)."""

import pytest

from field_app.theme import DARK, LIGHT, PAPER, Tones

_TINT = 0.07


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _luminance(channels: tuple[float, float, float]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(text: tuple[float, float, float], ground: tuple[float, float, float]) -> float:
    lighter, darker = sorted((_luminance(text), _luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _tinted(ground: str, role: str) -> tuple[float, float, float]:
    mixed = [g * (1 - _TINT) + r * _TINT for g, r in zip(_channels(ground), _channels(role), strict=True)]
    return mixed[0], mixed[1], mixed[2]


@pytest.mark.parametrize("tones", [LIGHT, DARK, PAPER], ids=["light", "dark", "paper"])
@pytest.mark.parametrize("role", ["ink", "quiet", "primary", "received", "saved", "attention", "information"])
def test_text_can_be_read_on_every_ground_it_stands_on(tones: Tones, role: str) -> None:
    colour = getattr(tones, role)
    for ground in (tones.ground, tones.surface):
        assert contrast(_channels(colour), _channels(ground)) >= 4.5
        assert contrast(_channels(colour), _tinted(ground, colour)) >= 4.5


@pytest.mark.parametrize("tones", [LIGHT, DARK, PAPER], ids=["light", "dark", "paper"])
def test_the_next_action_can_be_read(tones: Tones) -> None:
    assert contrast(_channels(tones.on_primary), _channels(tones.primary)) >= 4.5
