"""One of everything: an operation of each kind, and a ticket brought to each status by operations."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from shared_schema import operations as op
from shared_schema.apply import apply
from shared_schema.evidence import PhotoSlot, Signature, Statement, digest
from shared_schema.lifecycle import Channel, Kind, Role, Severity, Status
from shared_schema.operations import Actor, Clock, Envelope, Operation, kind_of
from shared_schema.ticket import Customer, Product, Ticket, Window

TICKET = "019a0000-0000-7000-8000-000000000001"
NOON = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)
PROPOSED, EVIDENCE = "019a0000-0000-7000-8000-000000000701", "019a0000-0000-7000-8000-000000000702"
BEFORE, AFTER = "b" * 64, "a" * 64

LIN = Actor("lin", Role.DISPATCHER)
CHEN = Actor("t-chen", Role.TECHNICIAN)
WANG = Actor("t-wang", Role.TECHNICIAN)
STRANGER = Actor("t-nobody", Role.TECHNICIAN)

CUSTOMER = Customer("王女士", "19900001502", "广东省深圳市南山区", "荟芳园 3 栋 2 单元 1502")
PRODUCT = Product("定制橱柜", "晨光系列", "KI24021037", "DD202402110037", date(2024, 2, 11), date(2029, 2, 11))
WINDOW = Window(NOON + timedelta(hours=2), NOON + timedelta(hours=4))
FOUND, DONE = "铰链座螺丝孔拉豁。", "更换加长铰链座，孔内补胶，校平柜门。"
SIGNATURE = Signature(800, 320, (((80, 160), (120, 90), (180, 200)), ((220, 150),)))


def statement(found: str = FOUND, done: str = DONE, photos: Sequence[str] = ()) -> Statement:
    return Statement("zh-CN", f"检查发现\n{found}\n\n处理内容\n{done}", found, done, tuple(photos))


def sign_off(shown: Statement, *, sha256: str = "", rating: int = 5) -> op.SignOffVisit:
    return op.SignOffVisit(shown, sha256 or digest(shown), "王女士", rating, SIGNATURE, "很细心")


def objection(shown: Statement, *, sha256: str = "") -> op.RaiseObjection:
    return op.RaiseObjection(shown, sha256 or digest(shown), "门缝上宽下窄", ())


CREATE = op.CreateTicket(
    number="S-260302-001",
    ticket_kind=Kind.REPAIR,
    channel=Channel.PHONE,
    customer=CUSTOMER,
    product=PRODUCT,
    problem="吊柜右边那扇门掉下来一半。",
    wished_time="下午",
)
ASSIGN_CHEN = op.AssignTicket("t-chen", WINDOW)
ASSIGN_WANG = op.AssignTicket("t-wang", WINDOW, replaces="t-chen")

EVERY_OPERATION: tuple[Operation, ...] = (
    CREATE,
    op.CorrectDetails(Customer("王女士", "19900001503", CUSTOMER.region, CUSTOMER.address), PRODUCT, CUSTOMER, PRODUCT),
    op.ConfirmTicket(Severity.SEVERE, "上翻门，板材未断"),
    op.GradeTicket(Severity.ORDINARY),
    op.RecordRemoteHelp("请客户先不要开这扇门"),
    op.SolveRemotely("视频指导拧紧铰链后恢复"),
    ASSIGN_CHEN,
    op.CancelTicket("客户自行解决"),
    op.CloseTicket("回访满意"),
    op.ReopenTicket("一周后又松了"),
    op.MergeDuplicate("019a0000-0000-7000-8000-000000000002", "同一件事报了两次"),
    op.TakeProposal(PROPOSED, "他确实做完了"),
    op.DismissProposal(PROPOSED, "已由王师傅完成"),
    op.ReviewEvidence(EVIDENCE, "看过，照片留档"),
    op.AcceptTicket(),
    op.StartTravel(),
    op.Arrive(),
    op.ShowCredential(),
    op.ConfirmProblem("铰链座从板中拉出"),
    op.WaitFor("等加长铰链座到货"),
    op.ResumeWork(),
    op.FinishWork(FOUND, DONE),
    sign_off(statement()),
    objection(statement()),
    op.AnswerRefusal(PROPOSED, op.RefusalAnswer.NOTED, EVIDENCE),
    op.AddNote("旧孔已补胶"),
    op.AddPhoto(BEFORE, 48_211, "image/jpeg", PhotoSlot.BEFORE),
)
BY_KIND: dict[str, Operation] = {kind_of(operation): operation for operation in EVERY_OPERATION}

OFFICE_KINDS = frozenset(kind_of(operation) for operation in EVERY_OPERATION[:14])


class Tale:
    """Operations told one after another; each must be accepted."""

    def __init__(self) -> None:
        self.ticket: Ticket | None = None
        self.told: list[Envelope] = []

    def then(self, actor: Actor, operation: Operation, *, base_version: int | None = None) -> "Tale":
        version = self.version if base_version is None else base_version
        envelope = enveloped(operation, actor, number=len(self.told) + 1, base_version=version)
        after = apply(envelope, self.ticket)
        assert isinstance(after, Ticket), (after, operation)
        self.ticket = after
        self.told.append(envelope)
        return self

    @property
    def version(self) -> int:
        return self.ticket.version if self.ticket else 0

    @property
    def now(self) -> Ticket:
        assert self.ticket is not None
        return self.ticket


def enveloped(
    operation: Operation, actor: Actor, *, number: int = 900, base_version: int = 10_000, at: datetime | None = None
) -> Envelope:
    """`base_version` is, unless told otherwise, that of somebody who has seen everything."""
    return Envelope(
        id=f"019a0000-0000-7000-8000-{number:012d}",
        device="office" if actor.role is not Role.TECHNICIAN else f"phone-{actor.person}",
        sequence=number,
        ticket=TICKET,
        actor=actor,
        base_version=base_version,
        occurred_at=at or NOON + timedelta(minutes=number),
        clock=Clock(120, 40),
        previous_hash="0" * 64,
        operation=operation,
    )


def actor_for(kind: str) -> Actor:
    """Who makes operations of this kind when everything is as it should be."""
    return LIN if kind in OFFICE_KINDS else CHEN


def tale_until(status: Status) -> Tale:
    """A repair told until it stands in `status`, with t-chen wherever somebody has it."""
    tale = Tale().then(LIN, CREATE)
    if status is Status.RECEIVED:
        return tale
    if status is Status.CANCELLED:
        return tale.then(LIN, BY_KIND["cancel_ticket"])
    tale.then(LIN, BY_KIND["confirm_ticket"])
    if status is Status.CONFIRMED:
        return tale
    if status is Status.SOLVED_REMOTELY:
        return tale.then(LIN, BY_KIND["solve_remotely"])
    tale.then(LIN, ASSIGN_CHEN)
    way = [
        (Status.ASSIGNED, None),
        (Status.ACCEPTED, "accept_ticket"),
        (Status.TRAVELLING, "start_travel"),
        (Status.ARRIVED, "arrive"),
        (Status.WORKING, "confirm_problem"),
        (Status.WAITING, "wait_for"),
        (Status.WORK_DONE, "finish_work"),
    ]
    for reached, kind in way:
        if kind == "confirm_problem":
            tale.then(CHEN, op.ShowCredential())
        if kind == "wait_for" and status is not Status.WAITING:
            continue
        if kind:
            tale.then(CHEN, BY_KIND[kind])
        if reached is status:
            return tale
    if status is Status.OBJECTED:
        return tale.then(CHEN, objection(statement()))
    tale.then(CHEN, sign_off(statement()))
    if status is Status.SIGNED_OFF:
        return tale
    tale.then(LIN, BY_KIND["close_ticket"])
    if status is Status.CLOSED:
        return tale
    assert status is Status.REOPENED, status
    return tale.then(LIN, BY_KIND["reopen_ticket"])


def settled_tale() -> Tale:
    """t-chen works in a cellar while the ticket is given to t-wang; the desk then decides on what he brings."""
    tale = tale_until(Status.TRAVELLING)
    seen = tale.version
    tale.then(LIN, ASSIGN_WANG)
    late: list[str] = []
    for operation in (op.Arrive(), op.ConfirmProblem("铰链座从板中拉出"), op.FinishWork(FOUND, DONE)):
        tale.then(CHEN, operation, base_version=seen)
        late.append(tale.told[-1].id)
    arrived, confirmed, finished = late
    tale.then(LIN, op.ReviewEvidence(arrived, "他确实去过"))
    tale.then(LIN, op.DismissProposal(confirmed, "以完工单为准"))
    return tale.then(LIN, op.TakeProposal(finished, "他确实做完了"))
