"""Which browser it is, in the few words the office reads beside a phone's name.

Nothing but a warning is decided by it: what a browser can do is asked of the browser (see browser.py).
"""

import re

_BROWSERS = (
    ("WeChat", r"MicroMessenger/(\d+)"),
    ("Edge", r"Edg\w*/(\d+)"),
    ("Samsung Internet", r"SamsungBrowser/(\d+)"),
    ("Huawei Browser", r"HuaweiBrowser/(\d+)"),
    ("MIUI Browser", r"MiuiBrowser/(\d+)"),
    ("Firefox", r"(?:Firefox|FxiOS)/(\d+)"),
    ("Chrome", r"(?:Chrome|CriOS)/(\d+)"),
    ("Safari", r"Version/(\d+)[\d.]* .*Safari"),
)
"""The particular before the general: nearly all of them also call themselves Chrome or Safari."""
_SYSTEMS = (
    ("Android", "Android"),
    ("iOS", "iPhone|iPad"),
    ("Windows", "Windows"),
    ("macOS", "Macintosh"),
    ("Linux", "Linux"),
)


def browser_name(user_agent: str) -> str:
    """Such as "Chrome 156, Android"; the beginning of what it calls itself where none of these is recognised."""
    for name, pattern in _BROWSERS:
        if found := re.search(pattern, user_agent):
            system = next((f", {system}" for system, sign in _SYSTEMS if re.search(sign, user_agent)), "")
            return f"{name} {found.group(1)}{system}"
    return user_agent[:80]


def forgets_when_idle(user_agent: str) -> bool:
    """Whether it is WebKit, as Safari and every browser on an iPhone or iPad, which says it is a Mac."""
    is_apple = any(mark in user_agent for mark in ("iPhone", "iPad", "iPod", "Macintosh"))
    return is_apple and "AppleWebKit" in user_agent and "Chrome/" not in user_agent
