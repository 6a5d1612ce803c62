"""Takes the picture at the beginning of README.md, of the demonstration in the middle of a rollout:
`.venv/bin/pytest tests/browser/picture.py` writes it to `demonstration.webp`.
"""

import base64
import re

import pytest

from tests.browser.test_first_start import page
from tests.browser.test_tour import Visitor
from tests.support.demonstration import Demonstration
from tests.support.product import ROOT

__all__ = ["page"]

pytestmark = [pytest.mark.browser, pytest.mark.process]

PICTURE = ROOT / "demonstration.webp"
WIDTH, HEIGHT, QUALITY = 1200, 820, 60
AT_MOST = 60_000
"""Bytes."""


def test_take_the_picture(page, tmp_path):
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    with Demonstration(tmp_path) as demonstration:
        visitor = Visitor(page, demonstration)
        visitor.log_in()
        visitor.generates()
        visitor.sees("Step 2 of 6")
        visitor.goes_there()
        visitor.presses("It is night")
        # Some have it, some restart, some wait.
        visitor.sees(re.compile(r"left: (1\d|2[0-5])\)"))
        visitor.page.reload()
        visitor.sees("Step 2 of 6")
        # The browser itself writes WebP, and needs no other program for that.
        taken = page.context.new_cdp_session(page).send(
            "Page.captureScreenshot", {"format": "webp", "quality": QUALITY}
        )
        page.goto("about:blank")
    octets = base64.b64decode(taken["data"])
    assert len(octets) < AT_MOST
    PICTURE.write_bytes(octets)
