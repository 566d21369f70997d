"""The app as `flet build apk` or `flet build ipa` makes it: the store in the folder the system keeps for the app.

An installed app belongs to no office until it is enrolled: the office's address comes out of the link (see
enrolment_link) and is kept in a small file beside the store.
"""

import os
import sys
from pathlib import Path

from field_app.device.contract import StorageMissing
from field_app.device.desktop import DesktopDevice
from field_app.device.enrolment_link import office_in


class PhoneDevice(DesktopDevice):
    def __init__(self, folder: str | Path | None = None) -> None:
        place = folder or os.environ.get("FLET_APP_STORAGE_DATA")
        if not place:
            raise StorageMissing("denied")
        self._office_file = Path(place) / "office"
        known = self._office_file.read_text(encoding="utf-8").strip() if self._office_file.exists() else ""
        super().__init__(Path(place) / "doorstep.db", known)

    @property
    def platform(self) -> str:
        return f"phone · {sys.platform}"

    def belong_to(self, link: str, /) -> bool:
        """Keep the office's address out of an enrolment link; False where the text names no office."""
        office = office_in(link)
        if office is None:
            return False
        unfinished = self._office_file.with_suffix(".new")
        unfinished.write_text(office, encoding="utf-8")
        unfinished.replace(self._office_file)
        self._office_url = office
        return True
