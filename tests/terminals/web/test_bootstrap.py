"""Bootstrap windows: opened on the page, kept by the listener over plain HTTP."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation

from pbxcerts.system.models import EventMessage
from terminals.web import bootstrap, snapshot
from terminals.web.models import BootstrapWindow
from tests.support.provisioning import Provisioning, fetch
from tests.support.running import wait_for

PAGE = "/terminals/bootstrap/"
NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture
def two(fleet):
    fleet.world.set(language="en")
    return [phone.terminal for phone in fleet.add(2)]


def test_an_operator_opens_a_window_for_named_terminals_and_closes_it(operator_client, two):
    answer = operator_client.post(PAGE, {"minutes": "10", "numbers": two[0].number})
    assert answer.status_code == 302
    window = BootstrapWindow.objects.get()
    assert (window.opened_by, window.all_terminals) == ("otto", False)
    assert window.closes_at - window.opened_at == timedelta(minutes=10)
    assert list(window.terminals.all()) == [two[0]]
    assert re.search(r"Open until .+, opened by otto\.", operator_client.get(PAGE).content.decode())

    operator_client.post(f"{PAGE}{window.pk}/close/")

    assert "No bootstrap window is open." in operator_client.get(PAGE).content.decode()
    kinds = EventMessage.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["bootstrap_window_opened", "bootstrap_window_closed"]


@pytest.mark.parametrize(
    "data",
    [
        {"minutes": "10"},
        {"minutes": "0", "all_terminals": "on"},
        {"minutes": "241", "all_terminals": "on"},
        {"minutes": "10", "numbers": "999"},
        {"minutes": "x", "numbers": ""},
    ],
)
def test_what_names_nobody_or_stays_open_for_long_is_refused(operator_client, two, data):
    assert operator_client.post(PAGE, data).status_code == 200
    assert not BootstrapWindow.objects.exists()


def test_who_may_only_look_opens_and_closes_nothing(viewer_client, two):
    window = bootstrap.open_window(None, minutes=5, by="otto", now=datetime.now(UTC))

    assert viewer_client.get(PAGE).status_code == 200
    assert viewer_client.post(PAGE, {"minutes": "10", "all_terminals": "on"}).status_code == 403
    assert viewer_client.post(f"{PAGE}{window.pk}/close/").status_code == 403
    assert bootstrap.windows_open_at(datetime.now(UTC)).count() == 1


def test_a_window_closes_by_itself_and_is_for_those_that_it_names(two):
    now = datetime.now(UTC)
    bootstrap.open_window([two[0]], minutes=5, by="otto", now=now)
    known = snapshot.read_snapshot()
    first, second = (next(one for one in known.terminals if one.key == terminal.pk) for terminal in two)

    assert known.window_for(first, now) is not None
    assert known.window_for(second, now) is None
    assert known.window_for(first, now + timedelta(minutes=5)) is None


OPEN = """
from datetime import UTC, datetime
from terminals.web import bootstrap
from terminals.models import Terminal
bootstrap.open_window(list(Terminal.objects.filter(number="100")), minutes=5, by="otto", now=datetime.now(UTC))
"""


@pytest.mark.process
def test_within_a_window_a_named_phone_fetches_its_files_over_plain_http_and_that_is_logged(tmp_path):
    with Provisioning(tmp_path) as product:
        product.open(phones=2)
        phone, other = product.phone(100), product.phone(101)
        agent = {"User-Agent": phone.user_agent}
        assert fetch(product.http, f"/{phone.mac}.cfg", headers=agent).status == 404

        product.run(OPEN)
        answer = wait_for(
            lambda: (got := fetch(product.http, f"/{phone.mac}.cfg", headers=agent)).status == 200 and got,
            what="the file",
        )
        body = answer.body.decode()
        url = next(line for line in body.splitlines() if "https user certificates" in line).partition(": ")[2]
        assert url.startswith(f"http://localhost:{product.http}/")
        assert "password" not in body
        assert fetch(product.http, "/" + url.split("/", 3)[3], headers=agent).body.count(b"BEGIN CERTIFICATE") == 2
        for path in (f"/{other.mac}.cfg", f"/{phone.secret}/{phone.mac}.cfg", "/login/"):
            assert fetch(product.http, path).status == 404

        def logged():
            rows = product.rows("system.EventMessage", "kind", "params", "cleared_at")
            return [row["params"] for row in rows if row["kind"] == "fetched_over_http" and row["cleared_at"]]

        wait_for(lambda: logged() == [{"number": "100", "address": "127.0.0.1"}], what="an event message")
