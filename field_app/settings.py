"""What the app is told from outside where it runs as an ordinary process (`python -m field_app`).

In the browser and on a phone nothing is set: the office is where the app came from.
"""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

VERSION = "0.1.0"
"""The app's version, as shown on its last page; held equal to pyproject.toml by a test."""


class Settings(Struct, frozen=True):
    data: Path
    """Folder that holds the phone's store."""
    office_url: str
    app_port: int
    enrolment_key: str | None
    """Stands for the link that a phone would be enrolled by."""
    app_folder: Path
    """The published app, whose fonts are used here too."""

    @property
    def store_path(self) -> Path:
        return self.data / "phone" / "store.db"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Read the variables that begin with DOORSTEP_; each is explained in the README."""
    office_port = environment.get("DOORSTEP_PORT", "8000")
    return Settings(
        data=Path(environment.get("DOORSTEP_DATA", ".data")),
        office_url=environment.get("DOORSTEP_OFFICE_URL", f"http://localhost:{office_port}").rstrip("/"),
        app_port=int(environment.get("DOORSTEP_APP_PORT", "8550")),
        enrolment_key=environment.get("DOORSTEP_ENROLMENT_KEY") or None,
        app_folder=Path(environment.get("DOORSTEP_APP_FOLDER", ".build/app")),
    )
