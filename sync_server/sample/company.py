"""Who works at the sample company, and what its price list says.

Invented throughout: names, work numbers and certificates belong to nobody, telephone numbers lie in a block that was
never handed out.
"""

from datetime import timedelta

from msgspec import Struct

from shared_schema.credentials import Price
from shared_schema.lifecycle import Role

COMPANY = "上门家居"
OFFICE_PHONE = "400-000-0199"


class SampleCertificate(Struct, frozen=True):
    name: str
    number: str
    valid_days: int
    """From the day the sample is made; negative: expired."""


class Portrait(Struct, frozen=True):
    """What the drawn picture on the work credential looks like."""

    backdrop: str
    skin: str
    hair: str
    cut: str
    """"short", "parted", "crew", "bob", "tied" or "cap"."""
    glasses: bool = False
    beard: bool = False


class SamplePerson(Struct, frozen=True):
    id: str
    role: Role
    name: str
    number: str
    phone: str
    skills: tuple[str, ...] = ()
    certificates: tuple[SampleCertificate, ...] = ()
    portrait: Portrait | None = None
    login: str = ""
    handset: str = ""
    """The name this technician's phone was enrolled under."""


class Mishap(Struct, frozen=True):
    """What does not go smoothly, so that the pages for it have something to show."""

    silent_person: str
    """Whose second phone has been silent since `silent_for`, with work on it."""
    silent_handset: str
    silent_for: timedelta
    silent_operations: int
    silent_photos: int
    newer_person: str
    """Whose app was newer than the office for a moment: an operation that is not known here."""
    newer_words: str
    set_person: str
    """Whose phone's clock somebody has set, before the newest `set_entries`."""
    set_by: timedelta
    set_entries: int
    slept_for: timedelta
    """For so long a phone without a network slept before each entry."""
    unsigned_person: str
    """Whose phone cannot sign."""


MISHAPS = Mishap(
    silent_person="t-wang",
    silent_handset="王建国的旧华为",
    silent_for=timedelta(hours=30),
    silent_operations=4,
    silent_photos=2,
    newer_person="t-liu",
    newer_words="窗帘电机一台，轨道支架四个，从车上领用。",
    set_person="t-li",
    set_by=timedelta(hours=-26),
    set_entries=2,
    slept_for=timedelta(minutes=7),
    unsigned_person="t-zhou",
)


def _technician(
    person: str,
    name: str,
    number: int,
    handset: str,
    skills: str,
    certificates: tuple[SampleCertificate, ...],
    portrait: Portrait,
) -> SamplePerson:
    return SamplePerson(
        id=person,
        role=Role.TECHNICIAN,
        name=name,
        number=f"SZ-{number:04d}",
        phone=f"19900000{number:03d}",
        skills=tuple(skills.split()),
        certificates=certificates,
        portrait=portrait,
        handset=handset,
    )


PEOPLE: tuple[SamplePerson, ...] = (
    SamplePerson("lin", Role.DISPATCHER, "林静", "KF-0011", "19900000011", login="lin"),
    SamplePerson("zhao", Role.DISPATCHER, "赵敏", "KF-0012", "19900000012", login="zhao"),
    SamplePerson("sun", Role.SUPERVISOR, "孙立群", "ZG-0003", "19900000003", login="sun"),
    _technician(
        "t-chen",
        "陈志强",
        217,
        "陈志强的小米",
        "家具安装 柜体维修 灯具安装",
        (
            SampleCertificate("家具安装工（高级）", "JJ-440305-20217", 620),
            SampleCertificate("低压电工作业证", "T-440301-77820217", 410),
        ),
        Portrait("#CFE3DF", "#E9B994", "#221C1A", "short"),
    ),
    _technician(
        "t-li",
        "李晓梅",
        223,
        "李晓梅的 iPhone",
        "灯具安装 电路检修 智能家居",
        (
            SampleCertificate("低压电工作业证", "T-440301-77820223", 275),
            SampleCertificate("智能家居调试员", "ZN-2024-0223", 88),
        ),
        Portrait("#E9DCC9", "#F0C6A4", "#2B1F1C", "tied"),
    ),
    _technician(
        "t-wang",
        "王建国",
        189,
        "王建国的华为",
        "柜体维修 实木修复 软体维修",
        (SampleCertificate("手工木工（技师）", "MG-440106-10189", 905),),
        Portrait("#D8DCE8", "#DCA983", "#5A5652", "crew", glasses=True, beard=True),
    ),
    _technician(
        "t-huang",
        "黄俊杰",
        241,
        "黄俊杰的 OPPO",
        "家具安装 全屋定制 测量",
        (
            SampleCertificate("家具安装工（中级）", "JJ-440305-20241", 190),
            SampleCertificate("高处作业证", "T-440301-77820241", 33),
        ),
        Portrait("#E6D3CC", "#E3B08A", "#1D1A1C", "parted"),
    ),
    _technician(
        "t-liu",
        "刘洋",
        256,
        "刘洋的荣耀",
        "窗帘安装 墙纸墙布 地板",
        (SampleCertificate("装饰装修工（中级）", "ZS-440106-30256", 512),),
        Portrait("#D6E2D0", "#EABF9C", "#3A2A20", "bob"),
    ),
    _technician(
        "t-zhou",
        "周文博",
        262,
        "周文博的 vivo",
        "灯具安装 电路检修",
        (SampleCertificate("低压电工作业证", "T-440301-77820262", -41),),
        Portrait("#DCD7E6", "#E0AE88", "#26211F", "cap", glasses=True),
    ),
)

TECHNICIANS: tuple[SamplePerson, ...] = tuple(person for person in PEOPLE if person.role is Role.TECHNICIAN)


def _price(code: str, name: str, unit: str, yuan: int) -> Price:
    return Price(code, name, unit, yuan * 100)


PRICES: tuple[Price, ...] = (
    _price("SM-01", "上门费（市区）", "次", 50),
    _price("SM-02", "上门费（郊区）", "次", 80),
    _price("SM-03", "检测费（维修则免）", "次", 60),
    _price("AZ-01", "床架安装", "张", 120),
    _price("AZ-02", "衣柜安装", "延米", 90),
    _price("AZ-03", "餐桌安装", "张", 80),
    _price("AZ-04", "书柜安装", "组", 100),
    _price("AZ-05", "电视柜安装", "组", 90),
    _price("AZ-06", "壁挂层板安装", "块", 35),
    _price("AZ-07", "旧家具拆卸", "件", 60),
    _price("DJ-01", "吸顶灯安装", "盏", 50),
    _price("DJ-02", "吊灯安装（5 kg 以下）", "盏", 90),
    _price("DJ-03", "水晶灯安装", "盏", 260),
    _price("DJ-04", "筒灯、射灯安装", "盏", 20),
    _price("DJ-05", "轨道灯安装", "米", 45),
    _price("DJ-06", "LED 驱动更换（不含件）", "个", 40),
    _price("DJ-07", "开关、插座更换", "个", 25),
    _price("DJ-08", "线路故障排查", "次", 100),
    _price("DJ-09", "智能面板调试", "个", 60),
    _price("WX-01", "铰链更换", "个", 30),
    _price("WX-02", "阻尼滑轨更换", "副", 65),
    _price("WX-03", "柜门校正", "扇", 40),
    _price("WX-04", "台面小面积修补", "处", 150),
    _price("WX-05", "实木划痕修复", "处", 120),
    _price("WX-06", "真皮修复", "处", 180),
    _price("WX-07", "沙发弹簧更换", "组", 220),
    _price("WX-08", "电动沙发电机更换（不含件）", "台", 150),
    _price("WX-09", "气压杆更换（不含件）", "根", 50),
    _price("ZS-01", "窗帘轨道安装", "米", 30),
    _price("ZS-02", "电动窗帘安装调试", "套", 160),
    _price("ZS-03", "墙布接缝修补", "米", 45),
    _price("ZS-04", "墙纸局部更换", "平方米", 55),
    _price("ZS-05", "地板局部更换（不含板）", "平方米", 85),
    _price("ZS-06", "踢脚线更换", "米", 18),
    _price("ZS-07", "美缝", "米", 12),
    _price("PJ-01", "缓冲铰链", "个", 18),
    _price("PJ-02", "三节阻尼滑轨 450 mm", "副", 58),
    _price("PJ-03", "LED 驱动 24 W", "个", 45),
    _price("PJ-04", "LED 驱动 60 W", "个", 98),
    _price("PJ-05", "电动沙发电机", "台", 380),
    _price("PJ-06", "床箱气压杆 800 N", "对", 120),
    _price("PJ-07", "窗帘电机", "台", 460),
)
