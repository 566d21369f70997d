"""Chinese for a renderer that has none: CanvasKit draws only with the fonts it is given.

Noto Sans SC (SIL Open Font License 1.1), out of the wheel pylopdf-fonts-zh-cn, cut in two. The first part holds
GB 2312 and the signs our texts use, and belongs to the app's typeface. The second holds the rest of GBK and the rarer
characters of the national list of names and terms, as far as the typeface has them; it answers every request Flutter
makes for a font that is not there. Both are plain OpenType: brotli over the wire makes them as small as WOFF2 would,
and the browser unpacks them faster than CanvasKit.
"""

import hashlib
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

FAMILY = "NotoSansSC"
"""The name for `ft.Theme(font_family=…)`; see field_app.theme."""
MAIN = "fonts/NotoSansSC.otf"
REST = "fonts/NotoSansSC-rest.otf"
"""Both under assets/."""

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


def _source() -> Path:
    spec = find_spec("pylopdf_fonts_zh_cn")
    assert spec is not None, "pylopdf-fonts-zh-cn is missing (extra: publish)"
    assert spec.origin is not None
    return Path(spec.origin).with_name("NotoSansSC-Regular.otf")


def _cut(characters: set[int], target: Path) -> None:
    from fontTools import subset  # type: ignore[import-untyped]

    options = subset.Options()
    options.layout_features = ["kern", "locl", "ccmp"]
    options.hinting = False
    options.notdef_outline = True  # what neither part has is seen as a box: a gap in a signed name would go unnoticed
    options.desubroutinize = True  # larger as a file, smaller once brotli has had it
    options.drop_tables += ["vhea", "vmtx", "VORG", "BASE", "DSIG"]
    options.name_IDs = [0, 1, 2, 13, 14]  # names and licence
    font = subset.load_font(str(_source()), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    unfinished = target.with_suffix(".unfinished")
    subset.save_font(font, str(unfinished), options)
    unfinished.rename(target)


def cut(cache: Path) -> dict[str, Path]:
    """The two parts by their names under assets/."""
    main = _characters("gb2312") | {ord(sign) for sign in SIGNS}
    parts = {MAIN: main, REST: (_characters("gbk") | _NAMES_BEYOND_GBK) - main}
    digest = hashlib.sha256(Path(__file__).read_bytes() + version("pylopdf-fonts-zh-cn").encode()).hexdigest()[:16]
    made = {name: cache / f"{Path(name).stem}-{digest}.otf" for name in parts}
    missing = [name for name, path in made.items() if not path.exists()]
    if missing:
        with ProcessPoolExecutor() as workers:
            list(workers.map(_cut, [parts[name] for name in missing], [made[name] for name in missing]))
    return made
