"""Every page that asks for the password once more says what is wrong with it, and slows who guesses."""

import pytest

from certificates.models import Generation, Settings

ROLL_BACK, WITHDRAW, GENERATE, OVERVIEW = (
    "/certificates/1/roll-back/",
    "/certificates/2/withdraw/",
    "/certificates/generate/",
    "/certificates/",
)
CHANGE = {
    "version": "0",
    "interval_days": "365",
    "generation_time": "02:00",
    "overlap_days": "30",
    "handover_counts": "automatic",
    "key_type": "rsa2048",
    "confirmed": "1",
}


def pages():
    return [
        (ROLL_BACK, {"reason": "no calls"}),
        (WITHDRAW, {"reason": "leaked"}),
        (GENERATE, {"how": "at_once", "newest": "2", "reason": "new name"}),
        (OVERVIEW, CHANGE),
    ]


def stored():
    return list(Generation.objects.values_list("number", "state")), Settings.load().key_type


@pytest.mark.parametrize(("page", "typed"), pages(), ids=["roll back", "withdraw", "generate", "settings"])
def test_it_says_so_and_keeps_what_was_typed(switched, administrator_client, page, typed, password):
    before = stored()
    empty = administrator_client.post(page, typed)
    wrong = [administrator_client.post(page, {**typed, "password": f"wrong {number}"}) for number in range(10)]
    right = administrator_client.post(page, {**typed, "password": password})

    assert "Enter your password." in empty.content.decode()
    assert {answer.status_code for answer in (empty, *wrong)} == {200}
    assert all("This is not your password." in answer.content.decode() for answer in wrong)
    assert all("Enter your password." not in answer.content.decode() for answer in wrong)
    assert (right.status_code, right.headers["Retry-After"]) == (429, "1")
    assert "Try again in 1 second." in right.content.decode()
    assert typed.get("reason", "") in right.content.decode()
    assert stored() == before
