"""A dispatcher's browser for tests: keeps its own cookies, reads forms out of pages and sends them back filled in."""

import hashlib
import itertools
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any

import httpx

from sync_server.accounts import SESSION_COOKIE, Person
from sync_server.accounts.accounts import SESSION_LONGEST
from sync_server.accounts.passwords import Passwords
from sync_server.clock import milliseconds
from tests.sync_server.office import LIN, Office, StandingClock

PASSWORD = "安静-的-早晨-42"
PASSWORD_HASH = Passwords().hash_now(PASSWORD)

HTMX = {"HX-Request": "true"}

_tokens = itertools.count(1)


class Form:
    def __init__(self, attributes: dict[str, str]) -> None:
        self.attributes = attributes
        self.action = attributes.get("action", "")
        self.fields: dict[str, str] = {}


class Page(HTMLParser):
    """What a page says, links to and asks for."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.markup = markup
        self.forms: list[Form] = []
        self.links: list[dict[str, str]] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._words: list[str] = []
        self._textarea: str | None = None
        self._select: str | None = None
        self.feed(markup)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._words).split())

    def form(self, action: str) -> Form:
        return next(form for form in self.forms if form.action == action)

    def with_id(self, name: str) -> dict[str, str]:
        return next(attributes for _, attributes in self.elements if attributes.get("id") == name)

    def links_to(self, start: str) -> list[str]:
        return [link["href"] for link in self.links if link.get("href", "").startswith(start)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append((tag, given))
        if tag == "a":
            self.links.append(given)
        elif tag == "form":
            self.forms.append(Form(given))
        elif tag == "input" and self.forms and given.get("name") and "form" not in given:
            self._input(given)
        elif tag == "textarea":
            self._textarea = given.get("name", "")
        elif tag == "select":
            self._select = given.get("name", "")
        elif tag == "option" and self._select and self.forms:
            fields = self.forms[-1].fields
            if "selected" in given or self._select not in fields:
                fields[self._select] = given.get("value", "")

    def _input(self, given: dict[str, str]) -> None:
        chosen = given.get("type") not in {"radio", "checkbox"} or "checked" in given
        if chosen and given.get("type") != "file":
            self.forms[-1].fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._textarea is not None and self.forms:
            fields = self.forms[-1].fields
            fields[self._textarea] = fields.get(self._textarea, "") + data.removeprefix("\n")
        self._words.append(data)


class Answer:
    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.headers = response.headers
        self.text = response.text
        self.page = Page(response.text) if "html" in response.headers.get("content-type", "") else Page("")

    @property
    def location(self) -> str:
        return str(self.headers["location"])


class Browser:
    """One person's browser; several of them use one server."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.cookies: dict[str, str] = {}

    def request(self, method: str, address: str, **more: Any) -> Answer:
        headers = {"Accept": "text/html", **more.pop("headers", {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.office.client.cookies.clear()
        response = self.office.client.request(method, address, headers=headers, follow_redirects=False, **more)
        for line in response.headers.get_list("set-cookie"):
            for name, crumb in SimpleCookie(line).items():
                if crumb.value and crumb["max-age"] != "0":
                    self.cookies[name] = crumb.value
                else:
                    self.cookies.pop(name, None)
        self.office.client.cookies.clear()
        return Answer(response)

    def get(self, address: str, **headers: str) -> Answer:
        return self.request("GET", address, headers=headers)

    def post(self, address: str, fields: dict[str, str], **more: Any) -> Answer:
        return self.request("POST", address, data=fields, **more)

    def send(self, address: str, form: Form, /, **typed: str) -> Answer:
        """Fill the form in and send it to where it belongs."""
        assert form.action == address, form.action
        return self.post(address, form.fields | typed)

    def act(self, ticket: str, kind: str, **typed: str) -> Answer:
        """Open the form for an act on the ticket's page and send it."""
        address = f"/tickets/{ticket}/act/{kind}"
        opened = self.get(f"/tickets/{ticket}?act={kind}")
        assert opened.status == 200, opened.text
        return self.send(address, opened.page.form(address), **typed)


def give_password(office: Office, person: Person = LIN) -> None:
    office.storage.write_now(lambda writing: writing.people.set_password_hash(person.id, PASSWORD_HASH))


def signed_in(office: Office, person: Person = LIN) -> Browser:
    """A browser in which the person has signed in already, without the work that a password costs."""
    browser = Browser(office)
    token, clock = f"token-{next(_tokens)}-of-{person.id}", office.clock
    _begin(office, person, token, clock)
    browser.cookies[SESSION_COOKIE] = token
    return browser


def _begin(office: Office, person: Person, token: str, clock: StandingClock) -> None:
    now = clock.now()
    office.storage.write_now(
        lambda writing: writing.people.begin_session(
            hashlib.sha256(token.encode()).hexdigest(),
            person.id,
            f"csrf-of-{token}",
            milliseconds(now),
            milliseconds(now + SESSION_LONGEST),
        )
    )
