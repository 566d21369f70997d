"""The dispatcher's hands: the desk's pages, found by their fields' names and never by their words."""

import datetime
from dataclasses import dataclass

from playwright.sync_api import Page

from tools.driving import Office, until


@dataclass(frozen=True)
class Request:
    """What a customer asks for."""

    name: str = "顾女士"
    phone: str = "13900000017"
    region: str = "浙江省杭州市西湖区"
    address: str = "文三路 90 号 3 幢 1202"
    problem: str = "吊灯一开就闪，关掉再开也一样。"
    category: str = "灯具"
    model: str = "云栖 800 吸顶灯"
    serial: str = "YQ800-2026-00017"


class Desk:
    def __init__(self, page: Page, office: Office) -> None:
        self.page = page
        self._office = office

    def sign_in(self, login: str = "lin") -> None:
        self.page.goto(f"{self._office.address}/sign-in")
        self.page.fill("[name=login]", login)
        self.page.fill("[name=password]", self._office.password())
        self.page.click("form[action='/sign-in'] button.primary")
        self.page.wait_for_url("**/tickets**")

    def take(self, request: Request) -> str:
        """A ticket of it; its id. Leaves its page open."""
        page = self.page
        page.goto(f"{self._office.address}/tickets/new")
        for name in ("name", "phone", "region", "address", "problem", "category", "model", "serial"):
            page.fill(f"#intake [name={name}]", getattr(request, name))
        page.select_option("[name=ticket_kind]", "repair")
        page.select_option("[name=channel]", "phone")
        page.click("#intake footer button.primary")
        page.wait_for_selector("#ticket")
        ticket = page.get_attribute("#ticket", "data-id")
        assert ticket
        page.goto(f"{self._office.address}/tickets/{ticket}")
        return ticket

    def confirm(self) -> None:
        self._act("confirm_ticket")
        self.page.check("#act-form [name=severity][value=ordinary]", force=True)
        self._do()

    def assign(self, technician: str, start: datetime.datetime) -> None:
        self._act("assign_ticket")
        page = self.page
        for name, value in (
            ("date", start.date().isoformat()),
            ("start", f"{start:%H:%M}"),
            ("end", f"{start + datetime.timedelta(hours=2):%H:%M}"),
        ):
            field = page.locator(f"#act-form [name={name}]")
            if field.input_value() != value:
                # Who is free then is looked up again, and stands in the place of those who may be chosen now.
                page.evaluate("document.getElementById('technicians').dataset.before = ''")
                field.fill(value)
                page.wait_for_selector("#technicians:not([data-before])")
        page.check(f"#act-form [name=technician][value={technician}]", force=True)
        self._do()

    def offer_enrolment(self, technician: str) -> str:
        """The link in the QR code."""
        self.page.goto(f"{self._office.address}/technicians/{technician}/enrol")
        self.page.click("form[action$='/enrol'] button.primary")
        link = self.page.text_content("#offer .link-by-hand .code")
        assert link
        return link.strip()

    def open(self, ticket: str) -> None:
        self.page.goto(f"{self._office.address}/tickets/{ticket}")
        self.page.wait_for_selector("#ticket")

    def number(self) -> str:
        return (self.page.text_content("#ticket .ticket-number") or "").strip()

    def version(self) -> int:
        return int(self.page.get_attribute("#ticket", "data-version") or 0)

    def see_photos(self, count: int) -> None:
        """So many small photos of the ticket, drawn and not only promised."""
        photos = self.page.locator("#ticket .photos img")
        photos.nth(count - 1).scroll_into_view_if_needed()
        until(lambda: photos.evaluate_all("all => all.filter((one) => one.naturalWidth).length") >= count, "the photos")

    def _act(self, kind: str) -> None:
        self.page.click(f"#ticket .act-bar a[href$='act={kind}']")
        self.page.wait_for_selector("#act-form form")

    def _do(self) -> None:
        before = self.version()
        self.page.click("#act-form footer button.primary")
        until(lambda: self.version() > before, "the ticket has changed on the desk")
