"""The part of a region that tells one visit's place from another's.

A region is written from the large to the small (浙江省杭州市西湖区), and where there is room for a few characters only,
the large swallows what a reader looks for.
"""

import re

_PROVINCE = re.compile(r"^[^省区]{2,8}(?:省|自治区)\s*")
_PREFECTURE = re.compile(r"^[^区县]{2,12}?(?:市|自治州|地区|盟)\s*(?=..)")
"""What follows must be a name of its own: 东莞市 has no districts, and 恩施市 is named like its prefecture."""


def district(region: str) -> str:
    """A region without the province and the city its district lies in; as it is where it names no district."""
    below = _PROVINCE.sub("", region.strip())
    return _PREFECTURE.sub("", below) or region
