"""What surrounds the app: page, shell, manifest, service worker, filled in with names and hashes."""

import json
from pathlib import Path
from urllib.parse import quote

from babel.messages.pofile import read_po

from tools.publish import fonts, output, runtime

HERE = Path(__file__).resolve().parent
NAME = "上门 Doorstep"
SHORT_NAME = "上门"

BY_HASH = {"shell.js", "python.js", "python-worker.js", "flutter_bootstrap.js", "main.dart.js", "app.zip"}
"""The files that are asked for with `?v=` and their hash."""
STAND_INS = [
    (f"assets/{fonts.EMOJI_WANTED}", f"assets/{fonts.EMOJI}"),
    ("assets/fonts/", f"assets/{fonts.REST}"),
]
"""See listing.Published.stand_ins."""
NEVER_NEEDED_OFFLINE = {"service_worker.js", "version.json", "assets/AssetManifest.bin"}


def versioned(folder: Path, name: str) -> str:
    """The address of a file with its hash, so that it may be kept for ever."""
    return f"{name}?v={output.sha256_of(folder / name)[:12]}"


def words() -> dict[str, dict[str, str]]:
    """The shell's words by language."""
    found = {}
    for catalogue in sorted(HERE.glob("locale/*/LC_MESSAGES/shell.po")):
        with catalogue.open("rb") as text:
            found[catalogue.parent.parent.name] = {
                str(message.id): str(message.string) for message in read_po(text) if message.id
            }
    return found


def manifest() -> str:
    icons = [
        {"src": f"icons/icon-{kind}{size}.png", "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for kind, purpose in (("", "any"), ("maskable-", "maskable"))
        for size in (192, 512)
    ]
    return json.dumps(
        {
            "id": runtime.BASE,
            "name": NAME,
            "short_name": SHORT_NAME,
            "lang": "zh-CN",
            "start_url": runtime.BASE,
            "scope": runtime.BASE,
            "display": "standalone",
            "orientation": "any",
            "background_color": "#F6F6F2",
            "theme_color": "#F6F6F2",
            "icons": icons,
        },
        ensure_ascii=False,
        indent=1,
    )


def write(folder: Path, places: dict[str, str]) -> None:
    """Everything but the service worker, which names the hashes of all the rest."""
    _fill(
        folder / "flutter_bootstrap.js",
        {'"mainJsPath":"main.dart.js"': f'"mainJsPath":"{versioned(folder, "main.dart.js")}"'},
    )
    _fill(folder / "python.js", {"PYTHON_WORKER": json.dumps(runtime.BASE + versioned(folder, "python-worker.js"))})
    addresses = {
        "base": runtime.BASE,
        "canvaskit": places["canvaskit"],
        "pyodide": places["pyodide"],
        "app": runtime.BASE + versioned(folder, "app.zip"),
        "python": versioned(folder, "python.js"),
        "bootstrap": versioned(folder, "flutter_bootstrap.js"),
    }
    shell = (HERE / "page" / "shell.js").read_text(encoding="utf-8")
    (folder / "shell.js").write_text(shell, encoding="utf-8")
    _fill(
        folder / "shell.js",
        {
            "/*WORDS*/{}": json.dumps(words(), ensure_ascii=False),
            "/*PLACES*/{}": json.dumps(addresses),
        },
    )
    index = (HERE / "page" / "index.html").read_text(encoding="utf-8")
    for mark, text in (
        ("%BASE%", runtime.BASE),
        ("%NAME%", NAME),
        ("%SHORT_NAME%", SHORT_NAME),
        ("%SHELL%", versioned(folder, "shell.js")),
    ):
        index = index.replace(mark, text)
    (folder / "index.html").write_text(index, encoding="utf-8")
    (folder / "manifest.json").write_text(manifest(), encoding="utf-8")


def write_service_worker(folder: Path) -> None:
    files = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in NEVER_NEEDED_OFFLINE:
            sha256 = output.sha256_of(path)
            address = f"{quote(name)}?v={sha256[:12]}" if name in BY_HASH else quote(name)
            files.append([name, "./" if name == "index.html" else address, output.integrity(sha256)])
    worker = (HERE / "page" / "service_worker.js").read_text(encoding="utf-8")
    (folder / "service_worker.js").write_text(worker, encoding="utf-8")
    _fill(
        folder / "service_worker.js",
        {
            "/*FILES*/[]": json.dumps(files, separators=(",", ":")).replace("],[", "],\n["),
            "/*STAND_INS*/[]": json.dumps(STAND_INS),
        },
    )


def _fill(path: Path, marks: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for mark, value in marks.items():
        assert text.count(mark) == 1, (path.name, mark, text.count(mark))
        text = text.replace(mark, value)
    path.write_text(text, encoding="utf-8")
