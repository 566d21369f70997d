"""What is said, and how days and times are written; and that no code says anything itself."""

import ast
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

import field_app
from field_app.state.rejections import sentence
from field_app.state.statement import statement
from field_app.words import LANGUAGES, Words
from shared_schema.evidence import Arrival
from shared_schema.lifecycle import Role, Status
from shared_schema.rejections import MoveNotAllowed, RoleNotAllowed, StepMissing
from tests.builders.tickets import an_assigned_ticket, new_id

CODE = sorted(Path(field_app.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize(
    ("language", "said"),
    [("zh_CN", ["11月22日 周日", "2026年11月22日"]), ("en", ["Sun 22 Nov", "22 Nov 2026"])],
)
def test_days_are_written_as_the_language_does(language: str, said: list[str]) -> None:
    words, day = Words.load(language), date(2026, 11, 22)
    assert [words.day(day), words.full_day(day)] == said


def test_near_days_have_names() -> None:
    words = Words.load("zh_CN")
    assert words.near_day(date(2026, 11, 23), date(2026, 11, 22)) == "明天 · 11月23日 周一"
    assert words.near_day(date(2026, 11, 25), date(2026, 11, 22)) == "11月25日 周三"


def test_an_unknown_language_is_the_usual_one() -> None:
    assert Words.load("xx").language == "zh_CN"


def test_a_refusal_names_moves_steps_and_people_in_the_language() -> None:
    words = Words.load("zh_CN")
    assert sentence(MoveNotAllowed("finish_work", Status.CANCELLED), words) == "工单目前为“已取消”，不能进行“完工”。"
    assert "出示证件" in sentence(StepMissing("show_credential"), words)
    assert "调度" in sentence(RoleNotAllowed(Role.DISPATCHER), words)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_refusal_for_an_unknown_reason_still_has_a_sentence(language: str) -> None:
    assert not sentence(None, Words.load(language)).startswith("rejection.")


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every string in the code but the docstrings, with its line."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(Path(field_app.__file__).parent)))
def test_no_code_speaks_chinese(path: Path) -> None:
    """Whatever a person reads comes out of the catalogues."""
    for line, text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
        assert not any("\u4e00" <= sign <= "\u9fff" for sign in text), f"line {line}: {text}"


@pytest.mark.parametrize("path", [path for path in CODE if "screens" in path.parts or "components" in path.parts])
def test_no_screen_speaks_english(path: Path) -> None:
    """A sentence is three words in a row; keys and routes have no spaces."""
    for line, text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
        words = [word for word in text.split() if word.isalpha()]
        assert len(words) < 3 or " " not in text, f"line {line}: {text}"


def test_the_statement_names_the_day_the_technician_came() -> None:
    """Promised for Friday, come on Wednesday at the customer's wish: what is signed says Wednesday."""
    words = Words.load("en")
    ticket = an_assigned_ticket()
    assert ticket.assignment is not None
    promised = ticket.assignment.window.start.astimezone()
    came = promised - timedelta(days=2)
    arrived = replace(ticket, arrivals=(Arrival(new_id(), "t-chen", came),))
    assert words.full_day(came.date()) in statement(arrived, words, "陈志强", "上门家居").text
    assert words.full_day(promised.date()) in statement(ticket, words, "陈志强", "上门家居").text
