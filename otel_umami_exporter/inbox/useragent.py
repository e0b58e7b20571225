"""What Umami reads from a User-Agent: bot or not, browser, operating system, device."""

import re
from typing import Final

# Umami asks the npm package `isbot`, a list of some hundred patterns. This is an approximation of it: right for
# every User-Agent in the recorded cases, and strict where it is not sure, since a stand-in that lets pass what the
# real server drops would hide the loss.
_BOT_WORDS: Final = re.compile(
    r"bot(?![a-z])|crawl|spider|slurp|scrap|fetch|headless|phantom|preview|monitor|lighthouse|validator"
    r"|curl|wget|python|perl|ruby|java(?!script)|httpclient|http-client|okhttp|https?://|@[\w-]+\.",
    re.IGNORECASE,
)
_BROWSER_LIKE: Final = re.compile(r"(?:Mozilla|Opera)/\d+(?:\.\d+)* \S")
_COMPATIBLE: Final = re.compile(r"^Mozilla/\d\.\d \(compatible(?!; ?MSIE)", re.IGNORECASE)

# In the order in which they are tried: most browsers also carry the names of those they descend from.
_BROWSERS: Final = (
    ("edge-chromium", r"\bEdg[AiO\w]*/"),
    ("samsung", r"SamsungBrowser/"),
    ("yandexbrowser", r"YaBrowser/"),
    ("opera", r"\bOPR/|Opera/"),
    ("crios", r"CriOS/"),
    ("fxios", r"FxiOS/"),
    ("chromium-webview", r"; wv\).*Chrome/"),
    ("chrome", r"Chrom(?:e|ium)/"),
    ("firefox", r"Firefox/"),
    ("ie", r"MSIE |Trident/"),
    ("ios", r"(?:iPhone|iPad|iPod).*Version/.*Mobile.*Safari/"),
    ("ios-webview", r"(?:iPhone|iPad|iPod).*AppleWebKit/"),
    ("safari", r"Version/.*Safari/"),
)
_SYSTEMS: Final = (
    ("iOS", r"iPhone|iPad|iPod"),
    ("Android OS", r"Android"),
    ("Windows 10", r"Windows NT 10\.0"),
    ("Windows 8.1", r"Windows NT 6\.3"),
    ("Windows 8", r"Windows NT 6\.2"),
    ("Windows 7", r"Windows NT 6\.1"),
    ("Chrome OS", r"CrOS"),
    ("Mac OS", r"Mac OS X|Macintosh"),
    ("Open BSD", r"OpenBSD"),
    ("Linux", r"Linux|X11"),
)
_TABLET: Final = re.compile(r"iPad|Android(?!.*Mobile)")
_MOBILE: Final = re.compile(r"Mobile|iPhone|iPod")
_WIDEST_LAPTOP: Final = 1920


def is_bot(user_agent: str) -> bool:
    """
    Say whether Umami would drop what this User-Agent sends. An approximation of its `isbot`.

    No User-Agent is no bot. A browser says "Mozilla/5.0" and something after it that is not "(compatible; …".
    """
    if not user_agent:
        return False
    browser_like = _BROWSER_LIKE.match(user_agent) and not _COMPATIBLE.match(user_agent)
    return not browser_like or _BOT_WORDS.search(user_agent) is not None


def browser(user_agent: str) -> str | None:
    """Return Umami's name of the browser; an approximation for rare ones."""
    return _first_match(_BROWSERS, user_agent)


def operating_system(user_agent: str) -> str | None:
    """Return Umami's name of the operating system; an approximation for rare ones."""
    return _first_match(_SYSTEMS, user_agent)


def device(user_agent: str, screen: str | None) -> str:
    """Return mobile, tablet, laptop or desktop; a desktop with a screen of at most 1920 pixels is a laptop."""
    if _TABLET.search(user_agent):
        return "tablet"
    if _MOBILE.search(user_agent):
        return "mobile"
    width = (screen or "").split("x")[0]
    return "laptop" if width.isascii() and width.isdigit() and int(width) <= _WIDEST_LAPTOP else "desktop"


def _first_match(names: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for name, pattern in names if re.search(pattern, user_agent)), None)
