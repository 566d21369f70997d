"""What whoever runs the server may choose: environment variables, read once at start and passed on from there.

Every setting is in the table of README.md. There is no other place that reads the environment.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from shared_schema.identifiers import Line, RequiredLine
from shared_schema.sync_protocol import OLDEST_PROTOCOL, PROTOCOL


class SettingUnusable(Exception):
    """A setting has a value the server cannot start with; the message names it and says what it expects."""


class Settings(Struct, frozen=True, kw_only=True):
    data: Path = Path(".data")
    """DOORSTEP_DATA: the folder that holds everything: database, photos, generated secrets."""
    host: str = "127.0.0.1"
    """DOORSTEP_HOST: the address listened on."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8000
    """DOORSTEP_PORT."""
    database_url: str = ""
    """DOORSTEP_DATABASE_URL: empty for SQLite in the data folder, or postgresql://user:password@host/name."""
    public_url: str = ""
    """DOORSTEP_PUBLIC_URL: how phones and browsers reach this server (QR codes, cookies); empty for localhost."""
    tls_certificate: Path | None = None
    """DOORSTEP_TLS_CERTIFICATE: PEM file; together with tls_key the server speaks HTTPS itself."""
    tls_key: Path | None = None
    """DOORSTEP_TLS_KEY."""
    trusted_proxies: str = ""
    """DOORSTEP_TRUSTED_PROXIES: addresses (1.2.3.4,…) whose X-Forwarded-For is believed; empty for nobody's."""
    app_folder: Path | None = None
    """DOORSTEP_APP_FOLDER: the published phone app; empty for `app` in the data folder."""
    company: RequiredLine = "Doorstep"
    """DOORSTEP_COMPANY: the name on pages and work credentials."""
    office_phone: Line = ""
    """DOORSTEP_OFFICE_PHONE: what a technician calls."""
    time_zone: str = "Asia/Shanghai"
    """DOORSTEP_TIME_ZONE: in which days begin and times are shown."""
    expiry_days: Annotated[int, Meta(ge=0, le=3650)] = 7
    """DOORSTEP_EXPIRY_DAYS: how long a closed or cancelled ticket stays on its technician's phone."""
    round_bytes: Annotated[int, Meta(ge=1_048_576)] = 16 * 2**20
    """DOORSTEP_ROUND_BYTES: the largest sync round accepted."""
    scrub_days: Annotated[float, Meta(ge=0, le=3650)] = 7
    """DOORSTEP_SCRUB_DAYS: every so many days each photo is read from the disk again and hashed; 0 for never. A week,
    as Ceph's deep scrubs: a phone lets go of a photo's bytes no sooner than a week after they were received."""
    oldest_protocol: Annotated[int, Meta(ge=OLDEST_PROTOCOL, le=PROTOCOL)] = OLDEST_PROTOCOL
    """DOORSTEP_OLDEST_PROTOCOL: a phone's app that speaks an older one can still bring what it holds, and no more."""

    @property
    def address(self) -> str:
        """Where the server is reached, without a slash at the end."""
        return self.public_url.rstrip("/") or f"{self.scheme}://localhost:{self.port}"

    @property
    def scheme(self) -> str:
        return "https" if self.tls_certificate else "http"

    @property
    def database(self) -> str:
        """An address the storage can open."""
        return self.database_url or f"sqlite:///{self.data / 'doorstep.db'}"

    @property
    def database_file(self) -> Path | None:
        """Where the database is a SQLite file; None where it is a PostgreSQL."""
        if self.database.startswith("sqlite:///"):
            return Path(self.database.removeprefix("sqlite:///"))
        return None

    @property
    def published_app(self) -> Path:
        return self.app_folder or self.data / "app"


PREFIX = "DOORSTEP_"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises SettingUnusable."""
    given = {
        field.name: environment[PREFIX + field.name.upper()]
        for field in msgspec.structs.fields(Settings)
        if environment.get(PREFIX + field.name.upper(), "")
    }
    try:
        settings = msgspec.convert(given, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as fault:
        reason, _, place = str(fault).partition(" - at `$.")
        raise SettingUnusable(f"{PREFIX}{place.rstrip('`').upper()}: {reason}") from fault
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise SettingUnusable(f"{PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY go together")
    try:
        ZoneInfo(settings.time_zone)
    except (KeyError, ValueError, OSError) as fault:
        raise SettingUnusable(f"{PREFIX}TIME_ZONE: {settings.time_zone} is no time zone") from fault
    return settings


def _path(kind: type, value: object) -> object:
    if issubclass(kind, Path) and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(kind)
