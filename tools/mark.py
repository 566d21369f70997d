"""Render the mark: assets/icon.svg → assets/icon.png, from which every other size is made (tools.publish, flet build).

python -m tools.mark        after icon.svg was changed; both files are committed
"""

import os
from pathlib import Path

from playwright.sync_api import sync_playwright

from tools.browser import obtain

ASSETS = Path(__file__).resolve().parent.parent / "assets"
SIZE = 1024


def main() -> None:
    browser = obtain()
    page = f"<style>body{{margin:0}}svg{{display:block;width:{SIZE}px}}</style>{(ASSETS / 'icon.svg').read_text()}"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=browser.path, env={**os.environ, **browser.environment}, args=["--no-sandbox"]
        )
        view = running.new_page(viewport={"width": SIZE, "height": SIZE})
        view.set_content(page)
        view.screenshot(path=ASSETS / "icon.png")
        running.close()


if __name__ == "__main__":
    main()
