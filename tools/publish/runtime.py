"""The Flutter client and Pyodide out of the flet-web wheel, without what the app never uses, and put right.

Each replacement asserts that what it replaces is there once: a new version of flet-web that says it differently stops
the build instead of publishing an app that waits for a CDN in a house without a network.
"""

import hashlib
import io
import json
import shutil
import zipfile
from importlib.util import find_spec
from pathlib import Path

from tools.publish import fonts, packages

BASE = "/app/"

KEPT = (
    "assets/AssetManifest.bin.json",
    "assets/AssetManifest.bin",
    "assets/FontManifest.json",
    "assets/fonts/*",
    "assets/packages/cupertino_icons/**/*",
    "assets/packages/wakelock_plus/**/*",
    "assets/shaders/*",
    "flutter_bootstrap.js",
    "main.dart.js",
    "python-worker.js",
    "python.js",
    "version.json",
)
CANVASKIT = ("canvaskit.js", "canvaskit.wasm", "chromium/canvaskit.js", "chromium/canvaskit.wasm")
PYODIDE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")

RIVE = "https://cdn.jsdelivr.net/npm/@rive-app/flutter-native-wasm@44.0.0/"
RIVE_SCRIPT = "no-rive/wasm/rive_native.js"
"""What stands in for the runtime of an animation library the app does not use: a promise that is never kept."""


def web_folder() -> Path:
    spec = find_spec("flet_web")
    assert spec is not None, "flet-web is missing (extra: publish)"
    assert spec.origin is not None
    return Path(spec.origin).with_name("web")


def lay_out(target: Path) -> dict[str, str]:
    """Everything but our own code and page, in `target`; answers with the addresses of CanvasKit and Pyodide."""
    web = web_folder()
    for pattern in KEPT:
        for source in web.glob(pattern):
            if source.is_file():
                _copy(source, target / source.relative_to(web))
    canvaskit = _versioned(target, "canvaskit", {name: web / "canvaskit" / name for name in CANVASKIT})
    pyodide = _versioned(target, "pyodide", {name: web / "pyodide" / name for name in PYODIDE})
    _repair_pyodide(target / pyodide)
    _repair_client(target)
    _start_python_early(target)
    _write_font_manifest(target)
    return {"canvaskit": f"{BASE}{canvaskit}/", "pyodide": f"{BASE}{pyodide}/pyodide.mjs"}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _versioned(target: Path, name: str, sources: dict[str, Path]) -> str:
    """Copy into a folder named after its contents and this module's, so that the server may call it immutable."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for source in sources.values():
        digest.update(source.read_bytes())
    folder = f"{name}-{digest.hexdigest()[:12]}"
    for inside, source in sources.items():
        _copy(source, target / folder / inside)
    return folder


def _replace_once(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path.name} has changed in flet-web; look again at: {old[:80]!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def _repair_pyodide(folder: Path) -> None:
    lock = folder / "pyodide-lock.json"
    contents = json.loads(lock.read_text(encoding="utf-8"))
    python = contents["info"]["python"]
    abi = contents["info"]["abi_version"]
    assert python.startswith(f"{packages.PYTHON}."), python
    assert f"pyemscripten_{abi}_wasm32" == packages.PLATFORM, abi
    contents["packages"] = {}  # only for installing from Pyodide's own index, which never happens
    lock.write_text(json.dumps(contents), encoding="utf-8")

    # Stored, not deflated: brotli packs it a third smaller, and an import need not unpack it.
    library = folder / "python_stdlib.zip"
    packed = io.BytesIO()
    with zipfile.ZipFile(library) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as new:
        for item in old.infolist():
            new.writestr(zipfile.ZipInfo(item.filename, item.date_time), old.read(item))
    library.write_bytes(packed.getvalue())


def _repair_client(target: Path) -> None:
    _replace_once(target / "main.dart.js", RIVE, RIVE_SCRIPT.removesuffix("wasm/rive_native.js"))
    stand_in = target / RIVE_SCRIPT
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text("globalThis.RiveNative = () => new Promise(() => {});\n", encoding="utf-8")

    # Flutter would register a service worker of its own, which removes itself and any other.
    bootstrap = target / "flutter_bootstrap.js"
    text = bootstrap.read_text(encoding="utf-8")
    start = text.index("    serviceWorkerSettings: {")
    end = text.index("    },\n", start) + len("    },\n")
    text = text[:start] + text[end:]
    text = text.replace("//# sourceMappingURL=flutter.js.map\n", "")
    bootstrap.write_text(text, encoding="utf-8")


def _start_python_early(target: Path) -> None:
    """Start Pyodide beside Flutter instead of after it, with a way to ask the shell, and tell that when it answers."""
    page = target / "python.js"
    _replace_once(
        page,
        "let _apps = {};",
        """let _apps = {};
const _workerUrl = PYTHON_WORKER;
let _preWorker = new Worker(_workerUrl, { type: "module" });
_preWorker.postMessage({ preload: flet.pyodideUrl, page: shell.portForPython }, [shell.portForPython]);""",
    )
    _replace_once(
        page,
        """    app.worker = new Worker(
        (flet.entrypointBaseUrl.endsWith("/") ?
            flet.entrypointBaseUrl.slice(0, -1) : flet.entrypointBaseUrl) + "/python-worker.js",
        { type: "module" });""",
        """    app.worker = _preWorker || new Worker(_workerUrl, { type: "module" });
    _preWorker = null;""",
    )
    _replace_once(
        page,
        """    app.worker.onmessage = (event) => {
""",
        """    app.worker.onmessage = (event) => {
        if (event.data === "shown") {
            shell.pythonShown();
            return;
        }
""",
    )
    answered = "            app.dartOnMessage(event.data);"
    _replace_once(page, answered, f"{answered}\n            shell.pythonAnswered();")
    failed = '        console.error("Python worker init error:", error);'
    _replace_once(page, failed, f"{failed}\n        shell.pythonFailed();")

    worker = target / "python-worker.js"
    _replace_once(
        worker,
        """        self.pyodide = await loadPyodide({
            stdout: (text) => self.sendPythonOutput(text, false),
            stderr: (text) => self.sendPythonOutput(text, true),
        });""",
        "        self.pyodide = await (self.preloaded || self.startPyodide(loadPyodide));",
    )
    _replace_once(
        worker,
        "self.initPyodide = async function () {",
        """self.startPyodide = (loadPyodide) => loadPyodide({
    stdout: (text) => self.sendPythonOutput(text, false),
    stderr: (text) => self.sendPythonOutput(text, true),
});
self.initPyodide = async function () {""",
    )
    _replace_once(
        worker,
        "    // run only once\n",
        """    if (event.data && event.data.preload) {
        self.pagePort = event.data.page;
        self.preloaded = import(event.data.preload).then((module) => self.startPyodide(module.loadPyodide));
        self.preloaded.catch(() => {});
        return;
    }
    // run only once
""",
    )


def _write_font_manifest(target: Path) -> None:
    """The fonts loaded at start: not the twenty of a formula renderer, but ours."""
    manifest = target / "assets" / "FontManifest.json"
    families = json.loads(manifest.read_text(encoding="utf-8"))
    kept = [family for family in families if "flutter_math_fork" not in family["family"]]
    kept.append({"family": "Roboto", "fonts": [{"asset": "fonts/roboto.woff2"}]})
    kept.append({"family": fonts.FAMILY, "fonts": [{"asset": fonts.MAIN}]})
    manifest.write_text(json.dumps(kept), encoding="utf-8")
