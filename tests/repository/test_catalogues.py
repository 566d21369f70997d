"""What people read: complete in both languages, with the same facts in it, and nothing that nobody says."""

import ast
import re
import string
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from tests.repository.sources import ROOT, tracked, tree

LANGUAGES = ("zh_CN", "en")
SAYING = frozenset({"words", "_words", "shared", "count", "knows_shared", "say", "t", "_", "gettext", "ngettext"})
"""Names of what is called with a key."""


def _domains() -> list[str]:
    """`package/domain` of every catalogue, whatever language it is in."""
    found = {
        f"{path.relative_to(ROOT).parents[3].as_posix()}/{path.stem}" for path in tracked() if path.suffix == ".po"
    }
    return sorted(found)


def _catalogue(domain: str, language: str) -> Catalog:
    package, _, name = domain.rpartition("/")
    path = ROOT / package / "locale" / language / "LC_MESSAGES" / f"{name}.po"
    with path.open("rb") as text:
        return read_po(text, locale=language, abort_invalid=True)


def _forms(catalogue: Catalog) -> dict[str, list[str]]:
    """Key → the sentence, or its plural forms."""
    return {
        (message.id if isinstance(message.id, str) else message.id[0]): (
            [message.string] if isinstance(message.string, str) else list(message.string or ())
        )
        for message in catalogue
        if message.id
    }


def _facts(sentences: list[str]) -> set[str]:
    named = {name for sentence in sentences for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}
    return {re.split(r"[.\[]", name)[0] for name in named}


@pytest.mark.parametrize("domain", _domains())
def test_both_languages_say_everything(domain: str) -> None:
    chinese, english = (_forms(_catalogue(domain, language)) for language in LANGUAGES)
    assert set(chinese) == set(english)
    for key in chinese:
        assert all(chinese[key]), f"{key} is empty in Chinese"
        assert all(english[key]), f"{key} is empty in English"


@pytest.mark.parametrize("domain", _domains())
def test_both_languages_are_given_the_same_facts(domain: str) -> None:
    """A date may be put together from other parts; everything else names the same placeholders."""
    chinese, english = (_forms(_catalogue(domain, language)) for language in LANGUAGES)
    for key in chinese:
        if not key.startswith("date."):
            assert _facts(chinese[key]) == _facts(english[key]), key


def _texts() -> dict[Path, str]:
    """Everything that may name a key, tests apart."""
    kinds = {".py", ".html", ".jinja", ".j2", ".js", ".svg", ".txt"}
    return {
        path: path.read_text(encoding="utf-8")
        for path in tracked()
        if path.suffix in kinds and path.relative_to(ROOT).parts[0] not in {"tests", "docs"}
    }


def _put_together() -> tuple[set[str], set[str]]:
    """Keys made while running: how they begin (`f"status.{…}"`) and how they end (`f"{field}.label"`)."""
    begun, ended = set(), set()
    for path, text in _texts().items():
        if path.suffix == ".py":
            for node in ast.walk(tree(path)):
                if isinstance(node, ast.JoinedStr):
                    first, last = node.values[0], node.values[-1]
                    if isinstance(first, ast.Constant):
                        begun.add(str(first.value))
                    elif isinstance(last, ast.Constant) and len(node.values) == 2:
                        ended.add(str(last.value))
        else:
            begun |= set(re.findall(r"""["']([a-z][a-z0-9_.-]*[._-])["']\s*[~+]""", text))
            begun |= set(re.findall(r"`([a-z][a-z0-9_.-]*[._-])\$\{", text))
            ended |= set(re.findall(r"""[~+]\s*["']([.][a-z0-9_.-]+)["']""", text))
    return (
        {start for start in begun if re.fullmatch(r"[a-z][a-z0-9_-]*\.[a-z0-9_.-]*", start)},
        {end for end in ended if re.fullmatch(r"[.-][a-z0-9_.-]+", end)},
    )


@pytest.mark.parametrize("domain", _domains())
def test_every_sentence_is_said_somewhere(domain: str) -> None:
    """A key that no code names is left over from something that is gone."""
    everything = "\n".join(_texts().values())
    begun, ended = _put_together()

    def is_written(text: str) -> bool:
        return re.search(rf"""["'`]{re.escape(text)}["'`]""", everything) is not None

    unused = {
        key
        for key in _forms(_catalogue(domain, "en"))
        if not key.startswith(tuple(begun))
        and not is_written(key)
        and not any(is_written(key.removesuffix(end)) for end in ended if key.endswith(end))
    }
    assert unused == set()


def test_every_key_that_is_said_has_a_sentence() -> None:
    """Looked up by a constant: `words("today.empty")`."""
    known = {key for domain in _domains() for key in _forms(_catalogue(domain, "en"))}
    missing = set()
    for path in _texts():
        if path.suffix != ".py" or path.relative_to(ROOT).parts[0] == "tools":
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                key = node.args[0].value
                if name in SAYING and isinstance(key, str) and "." in key and key not in known:
                    missing.add(f"{path.relative_to(ROOT)}:{node.lineno} {key}")
    assert missing == set()
