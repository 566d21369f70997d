"""Every setting is in README's table, and every row of the table is a setting."""

import re

import msgspec

from sync_server.settings import PREFIX, Settings
from tests.repository.sources import ROOT, tracked

_NAMED = re.compile(r"\bDOORSTEP_[A-Z]+(?:_[A-Z]+)*\b")
_ROW = re.compile(r"^\| `(DOORSTEP_[A-Z_]+)`", re.MULTILINE)


def test_the_readmes_table_is_the_settings() -> None:
    documented = _ROW.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    server = {PREFIX + field.name.upper() for field in msgspec.structs.fields(Settings)}
    named = {
        name
        for path in tracked()
        if (path.suffix == ".py" and "tests" not in path.relative_to(ROOT).parts) or path.name == "Makefile"
        for name in _NAMED.findall(path.read_text(encoding="utf-8"))
    }
    assert len(documented) == len(set(documented)), "a setting is explained twice"
    assert set(documented) == server | named
