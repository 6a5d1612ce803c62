"""Whatever a listener refuses is said in words."""

import re
from pathlib import Path

from terminals import web
from terminals.rollout.words import REFUSALS


def test_every_reason_for_a_refusal_has_its_words():
    source = "".join(file.read_text() for file in Path(web.__file__).parent.glob("*.py"))
    reasons = set(re.findall(r'refused="(\w+)"', source))

    assert {"no_window", "wrong_token"} <= reasons
    assert reasons - REFUSALS.keys() == set()
