"""The app as `flet build apk` or `flet build ipa` makes it: the store in the folder the system keeps for the app.

An installed app belongs to no office until it is enrolled: the office's address comes out of the link (see
enrolment_link) and is kept in a small file beside the store.
"""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from field_app.device.contract import Shared, Sharing, SharingFailed, StorageMissing
from field_app.device.desktop import DesktopDevice
from field_app.device.enrolment_link import office_in


class PhoneDevice(DesktopDevice):
    def __init__(self, folder: str | Path | None = None) -> None:
        place = folder or os.environ.get("FLET_APP_STORAGE_DATA")
        if not place:
            raise StorageMissing("denied")
        self._office_file = Path(place) / "office"
        known = self._office_file.read_text(encoding="utf-8").strip() if self._office_file.exists() else ""
        self._to_share = Path(place) / "to-share"
        super().__init__(Path(place) / "doorstep.db", known, downloads=self._to_share)

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

    async def share(self, name: str, chunks: AsyncIterator[bytes]) -> Shared:
        """By the system's share sheet, which takes files and not streams: the last one offered stays until the next."""
        import flet as ft

        if self._to_share.is_dir():
            for old in self._to_share.iterdir():
                old.unlink()
        made = await super().share(name, chunks)
        try:
            result = await ft.Share().share_files([ft.ShareFile(path=made.place, name=name)])
        except RuntimeError as fault:
            raise SharingFailed(str(fault)) from fault
        done = result.status is ft.ShareResultStatus.SUCCESS  # where the system does not tell, nobody may rely on it
        return Shared(Sharing.SHARED if done else Sharing.CANCELLED, name)
