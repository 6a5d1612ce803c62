"""A browser in words, by what it says of itself (User-Agent, RFC 9110 section 10.1.5): "Firefox, Windows".

It may say anything, so only names of ours are shown, never its own words.
"""

from django.utils.translation import gettext as _

BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("python", "Python"),
)
"""The first that is in it: most name others besides, because they want to be taken for those."""
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
)
LONGEST = 256
"""Characters of it that are kept."""


def kept(user_agent: str) -> str:
    """What is kept of it, fit for any database."""
    return "".join(character for character in user_agent[:LONGEST] if character.isprintable())


def words(user_agent: str) -> str:
    browser = next((name for sign, name in BROWSERS if sign.lower() in user_agent.lower()), "")
    system = next((name for sign, name in SYSTEMS if sign in user_agent), "")
    return ", ".join(filter(None, (browser, system))) or _("unknown browser")
