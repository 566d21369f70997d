"""Coming in: sign-in, what is refused, the choice of language and theme, and what every page leaves with."""

import re

import pytest
from litestar.testing import TestClient
from msgspec.structs import replace

from sync_server.accounts import SESSION_COOKIE
from sync_server.accounts.attempts import PER_LOGIN_AND_ADDRESS
from sync_server.app import create_app
from sync_server.settings import Settings
from sync_server.storage import Storage
from sync_server.words import LANGUAGES, words_in
from tests.sync_server.desk_browser import PASSWORD, Browser, give_password, signed_in
from tests.sync_server.office import LIN, Office, StandingClock


def sign_in(browser: Browser, password: str, login: str = "lin") -> object:
    form = browser.get("/sign-in").page.form("/sign-in")
    return browser.send("/sign-in", form, login=login, password=password)


def test_a_dispatcher_signs_in_and_lands_where_they_were_going(office: Office) -> None:
    """The first address a person opens is often a link from a colleague."""
    give_password(office)
    browser = Browser(office)
    turned_away = browser.get("/tickets?status=received")
    assert turned_away.status == 303
    form = browser.get(turned_away.location).page.form("/sign-in")
    answer = browser.send("/sign-in", form, login="lin", password=PASSWORD)
    assert (answer.status, answer.location) == (303, "/tickets?status=received")
    assert browser.get(answer.location).status == 200


def test_a_wrong_password_says_so_and_keeps_the_name(office: Office) -> None:
    give_password(office)
    browser = Browser(office)
    form = browser.get("/sign-in").page.form("/sign-in")
    answer = browser.send("/sign-in", form, login="lin", password="guess")
    assert answer.status == 422
    assert words_in("zh-CN")("sign_in.wrong") in answer.page.text
    assert answer.page.form("/sign-in").fields["login"] == "lin"
    assert "guess" not in answer.text
    assert SESSION_COOKIE not in browser.cookies


def test_too_many_guesses_have_to_wait(office: Office) -> None:
    give_password(office)
    browser = Browser(office)
    form = browser.get("/sign-in").page.form("/sign-in")
    for _ in range(PER_LOGIN_AND_ADDRESS):
        browser.send("/sign-in", form, login="lin", password="guess")
    answer = browser.send("/sign-in", form, login="lin", password=PASSWORD)
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "15 分钟" in answer.page.text


def test_the_session_is_a_new_one_after_signing_in(office: Office) -> None:
    """A cookie that somebody planted before is worth nothing afterwards."""
    give_password(office)
    browser = Browser(office)
    browser.cookies[SESSION_COOKIE] = "planted-by-somebody-else"
    form = browser.get("/sign-in").page.form("/sign-in")
    answer = browser.send("/sign-in", form, login="lin", password=PASSWORD)
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(SESSION_COOKIE))
    assert browser.cookies[SESSION_COOKIE] != "planted-by-somebody-else"
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()


def test_over_https_no_other_site_of_the_domain_can_plant_a_session(
    settings: Settings, storage: Storage, clock: StandingClock
) -> None:
    """`__Host-` (RFC 6265bis): the browser takes it from this very host only, and for the whole of it."""
    https = replace(settings, public_url="https://office.example")
    with TestClient(create_app(https, storage, clock)) as client:
        office = Office(storage, clock, client)
        give_password(office)
        browser = Browser(office)
        form = browser.get("/sign-in").page.form("/sign-in")
        answer = browser.send("/sign-in", form, login="lin", password=PASSWORD)
        name = f"__Host-{SESSION_COOKIE}"
        cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(name)).lower()
        assert "secure" in cookie
        assert "path=/;" in f"{cookie};"
        assert "domain" not in cookie
        assert browser.get("/tickets").status == 200
        token = browser.cookies.pop(name)
        browser.cookies[SESSION_COOKIE] = token
        assert browser.get("/tickets").status == 303, "under the plain name anybody could have put it"
        del browser.cookies[SESSION_COOKIE]
        browser.cookies[name] = token
        browser.post("/sign-out", {"csrf": browser.get("/tickets").page.form("/sign-out").fields["csrf"]})
        assert name not in browser.cookies


@pytest.mark.parametrize("address", ["/health", "/", "/sign-in", "/tickets", "/technicians", "/devices", "/prices"])
def test_head_is_answered_where_get_is(office: Office, address: str) -> None:
    browser = signed_in(office)
    got, asked = browser.get(address), browser.request("HEAD", address)
    assert asked.status == got.status
    assert asked.text == ""
    assert asked.headers.get("content-type") == got.headers.get("content-type")


def test_a_phone_is_told_what_can_be_done_with_a_round(office: Office) -> None:
    answer = office.client.options("/sync/v1/round")
    assert (answer.status_code, answer.headers["Allow"]) == (204, "OPTIONS, POST")


def test_a_sign_in_form_from_elsewhere_is_refused(office: Office) -> None:
    """Signing a person in under somebody else's name is an attack, too."""
    give_password(office)
    answer = Browser(office).post(
        "/sign-in", {"login": "lin", "password": PASSWORD, "csrf": "invented-by-another-site"}
    )
    assert answer.status == 403
    assert "form-expired" in answer.text


def test_nobody_is_sent_to_another_site_after_signing_in(office: Office) -> None:
    give_password(office)
    for place in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        browser = Browser(office)
        form = browser.get("/sign-in").page.form("/sign-in")
        answer = browser.send("/sign-in", form, login="lin", password=PASSWORD, next=place)
        assert answer.location == "/tickets"


def test_signing_out_ends_the_session(office: Office) -> None:
    browser = signed_in(office)
    token = browser.cookies[SESSION_COOKIE]
    form = browser.get("/tickets").page.form("/sign-out")
    assert browser.send("/sign-out", form).location == "/sign-in"
    browser.cookies[SESSION_COOKIE] = token
    assert browser.get("/tickets").status == 303


def test_a_changing_request_without_the_sessions_token_is_refused(office: Office) -> None:
    """Missing, wrong, or another session's: a page that explains, and nothing is done."""
    browser, other = signed_in(office), signed_in(office)
    ticket = office.received()
    stolen = other.get("/tickets").page.form("/sign-out").fields["csrf"]
    for fields in ({}, {"csrf": "wrong"}, {"csrf": stolen}):
        answer = browser.post(f"/tickets/{ticket}/act/add_note", fields | {"text": "来自别处"})
        assert answer.status == 403
        assert "form-expired" in answer.text
    assert office.ticket(ticket).notes == ()


def test_the_language_is_remembered_and_goes_before_the_persons_own(office: Office) -> None:
    browser = signed_in(office)
    page = browser.get("/tickets").page
    assert page.elements[0][1]["lang"] == "zh-CN"
    answer = browser.send("/preferences", page.form("/preferences"), language="en")
    assert answer.location == "/tickets"
    page = browser.get("/tickets").page
    assert page.elements[0][1]["lang"] == "en"
    assert words_in("en")("tickets.search") in str(page.elements)


def test_the_language_can_be_chosen_before_signing_in(office: Office) -> None:
    browser = Browser(office)
    form = browser.get("/sign-in").page.form("/preferences")
    assert browser.send("/preferences", form, language="en").location == "/sign-in"
    assert words_in("en")("sign_in.password") in browser.get("/sign-in").page.text


@pytest.mark.parametrize("chosen", [None, "zh-CN", "en"])
@pytest.mark.parametrize("browsers", ["zh-CN", "en"])
def test_a_page_that_is_not_there_is_told_in_one_language(office: Office, chosen: str | None, browsers: str) -> None:
    """The one that was chosen here, else the browser's own: all of the page."""
    browser = Browser(office)
    if chosen is not None:
        browser.cookies["doorstep_language"] = chosen
    language = chosen or browsers
    other = words_in("en" if language == "zh-CN" else "zh-CN")
    answer = browser.request("GET", "/nowhere", headers={"Accept-Language": browsers})
    assert (answer.status, answer.page.elements[0][1]["lang"]) == (404, language)
    for key in ("problem.not-found.title", "problem.not-found.detail", "problem.back"):
        assert words_in(language)(key) in answer.page.text
        assert other(key) not in answer.page.text


def test_the_theme_is_the_systems_until_one_is_chosen(office: Office) -> None:
    browser = signed_in(office)
    page = browser.get("/tickets").page
    assert "data-theme" not in page.elements[0][1]
    browser.send("/preferences", page.form("/preferences"), theme="dark")
    assert browser.get("/tickets").page.elements[0][1]["data-theme"] == "dark"


def test_every_page_leaves_with_a_policy_that_allows_nothing_inline(office: Office) -> None:
    browser, ticket = signed_in(office), office.assigned()
    for address in (
        "/tickets",
        f"/tickets/{ticket}",
        f"/tickets/{ticket}?act=assign_ticket",
        "/tickets/new",
        "/technicians",
        "/technicians/t-chen/enrol",
        "/devices",
        "/prices",
    ):
        answer = browser.get(address)
        policy = answer.headers["content-security-policy"]
        assert answer.status == 200, address
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=|javascript:", answer.text), address


def test_everything_a_page_is_made_of_comes_from_the_office(office: Office) -> None:
    """The product works on a closed network: no address of another host in any page, style or script."""
    browser = signed_in(office)
    page = browser.get("/tickets").page
    wanted = {
        attributes.get("src") or attributes.get("href", "") for tag, attributes in page.elements if tag in _LOADED
    }
    assert wanted
    for address in wanted:
        assert address.startswith("/"), address
        answer = browser.get(address)
        assert answer.status == 200
        if address.startswith("/static/") and not address.endswith("htmx.min.js"):
            assert not re.search(r"https?://(?!www\.w3\.org/)", answer.text), address


_LOADED = {"script", "link", "img"}


def test_an_asset_is_kept_for_ever_because_its_address_names_its_content(office: Office) -> None:
    browser = Browser(office)
    address = browser.get("/sign-in").page.elements
    style = next(each["href"] for tag, each in address if tag == "link" and each["href"].endswith("desk.css"))
    answer = browser.get(style)
    assert "immutable" in answer.headers["cache-control"]
    digest = style.split("/")[2]
    assert browser.get(style.replace(digest, "0" * len(digest))).status == 404


def test_a_page_that_is_not_there_says_so_in_the_desks_dress(office: Office) -> None:
    browser = signed_in(office)
    answer = browser.get("/tickets/no-such-ticket")
    assert answer.status == 404
    assert "desk.css" in answer.text
    assert "ticket-unknown" in answer.page.text


def test_both_catalogues_say_everything_and_nothing_is_said_twice() -> None:
    """A key without a sentence would be shown as it is."""
    keys = [set(words_in(language)._catalogue._catalog) for language in LANGUAGES]  # type: ignore[attr-defined]
    plain = [{key[0] if isinstance(key, tuple) else key for key in each} for each in keys]
    assert plain[0] == plain[1]


def test_a_person_whose_language_is_english_reads_english(office: Office) -> None:
    office.storage.write_now(
        lambda writing: writing.people.save(
            type(LIN)(id="p-lin", role=LIN.role, name="Lin", login="lin", language="en"), 0
        )
    )
    assert signed_in(office).get("/tickets").page.elements[0][1]["lang"] == "en"
