"""`python -m field_app`: the phone's app in an ordinary process, with a browser as its screen (development).

The store is a plain file under DOORSTEP_DATA, so that it can be looked into with any SQLite tool.
"""

import os
import sys

import flet as ft

from field_app.main import main
from field_app.settings import from_environment


def run() -> None:
    try:
        settings = from_environment(os.environ)
    except ValueError:
        sys.exit("DOORSTEP_APP_PORT must be a number, such as 8550.")
    assets = settings.app_folder.resolve() / "assets"
    # Without this Flet would fetch its native window from the network.
    os.environ.setdefault("FLET_FORCE_WEB_SERVER", "true")
    sys.stdout.write(f"http://localhost:{settings.app_port}\n")
    sys.stdout.flush()
    ft.run(
        main,
        view=ft.AppView.WEB_BROWSER,
        host="127.0.0.1",
        port=settings.app_port,
        assets_dir=str(assets) if assets.is_dir() else None,
        web_renderer=ft.WebRenderer.CANVAS_KIT,  # the one the published app is drawn with
        no_cdn=True,
    )


if __name__ == "__main__":
    run()
