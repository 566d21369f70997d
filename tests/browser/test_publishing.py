"""What is in the published folder, looked at without a browser."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from fontTools.pens.boundsPen import BoundsPen  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from sync_server.app_files import listing
from tools.publish import fonts, page
from tools.publish.__main__ import first_load_bytes, publish

FIRST_LOAD_BYTES = 15_000_000


@pytest.fixture(scope="session")
def published(app_folder: Path) -> listing.Published:
    found = listing.read(app_folder)
    assert found is not None
    return found


def test_the_phone_gets_its_own_code_and_nothing_of_the_server(app_folder: Path) -> None:
    """Our two packages, the entry, and the locked wheels; catalogues compiled, nothing that only a build needs."""
    with zipfile.ZipFile(io.BytesIO((app_folder / "app.zip").read_bytes())) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"main.py", "field_app", "shared_schema", "__pypackages__"}
    assert "field_app/device/opfs.js" in names
    assert "field_app/locale/zh_CN/LC_MESSAGES/field_app.mo" in names
    assert not [name for name in names if name.endswith((".po", ".pyc", ".pyi"))]
    packages = {name.split("/")[1] for name in names if name.startswith("__pypackages__/")}
    assert {"flet", "flet_camera", "httpx", "msgspec", "sqlite_utils"} <= packages
    assert not {"litestar", "sqlalchemy", "pip", "oauthlib"} & packages


def test_publishing_again_changes_nothing_and_takes_no_time(
    app_folder: Path, app_source: Path, published: listing.Published
) -> None:
    before = (app_folder / listing.LISTING).stat().st_mtime_ns
    assert publish(app_folder, source=app_source) == published
    assert (app_folder / listing.LISTING).stat().st_mtime_ns == before


def test_nothing_in_the_app_is_loaded_from_elsewhere(app_folder: Path) -> None:
    """The addresses that would be fetched at start or on a missing file; others only stand in texts and licences."""
    for name in ("main.dart.js", "flutter_bootstrap.js", "index.html", "shell.js", "python.js", "python-worker.js"):
        text = (app_folder / name).read_text(encoding="utf-8")
        assert "cdn.jsdelivr.net" not in text, name
        assert "unpkg.com" not in text, name


def test_everything_is_compressed_in_advance_and_the_first_load_is_small(
    app_folder: Path, published: listing.Published
) -> None:
    for name, file in published.files.items():
        assert (app_folder / name).stat().st_size == file.size_bytes
        if file.br_bytes is not None:
            assert (app_folder / f"{name}.br").stat().st_size == file.br_bytes
    assert first_load_bytes(published) <= FIRST_LOAD_BYTES


def test_the_service_worker_knows_every_file_an_offline_start_needs(
    app_folder: Path, published: listing.Published
) -> None:
    worker = (app_folder / "service_worker.js").read_text(encoding="utf-8")
    kept = set(re.findall(r'\["([^"]+)","[^"]+","[^"]+"\]', worker))
    assert set(published.files) - kept == page.NEVER_NEEDED_OFFLINE
    assert {f"assets/{name}" for name in (fonts.MAIN, fonts.REST, fonts.EMOJI)} <= kept


def test_the_fonts_hold_rare_characters_of_names(app_folder: Path) -> None:
    """The first has what nearly every text needs; 喆, 堃 and 玥 stand in many a name and in the second, 䶮 in a few.
    Emoji are in a third. What none has is drawn as a box, not as nothing."""
    files = [TTFont(app_folder / "assets" / name) for name in (fonts.MAIN, fonts.REST, fonts.EMOJI)]
    main, rest, emoji = (file.getBestCmap() for file in files)
    assert all(ord(sign) in main for sign in "上门服务工程师签名，：；、￥—×℃")
    assert all(ord(sign) in rest for sign in "喆堃玥䶮")
    assert all(
        ord(sign) in emoji for sign in "\N{GRINNING FACE}\N{THUMBS UP SIGN}\N{WARNING SIGN}\N{ZERO WIDTH JOINER}"
    )
    assert "CC-BY-SA-4.0" in files[2]["name"].getDebugName(0)
    for file in files:
        box = BoundsPen(file.getGlyphSet())
        file.getGlyphSet()[".notdef"].draw(box)
        assert box.bounds is not None


def test_the_shell_speaks_both_languages() -> None:
    words = page.words()
    assert set(words) == {"zh_CN", "en"}
    assert set(words["zh_CN"]) == set(words["en"])
    assert all(sentence for language in words.values() for sentence in language.values())
