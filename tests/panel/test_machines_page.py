"""System / Machines, and what `status` and `machines` say of them."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from pbxcerts.system import sealing
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.time import timekeeping
from tests.support.machine import Machine
from tests.support.machines import OTHER, OWN, add, publishes_here, read

PAGE = "/system/machines/"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _own_data(settings, tmp_path, key_file):
    settings.DATA = tmp_path
    (tmp_path / "run").mkdir()
    sealing.make_key_list()


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(timekeeping, "read_machine", machine.read)
    return machine


@pytest.fixture
def silent_publisher(db, machine):
    """Another machine published, and has shown no life for six minutes; here is a worker."""
    add(publishes=True, failing={"listeners": {"https": {"address": "0.0.0.0:8443", "reason": "in use"}}})
    Heartbeat.own().update(name="east", works=True, serves=True)
    read(machine)
    machine.run(6 * MINUTE)
    return read(machine)


def publisher():
    return Heartbeat.objects.get(publishes=True).key


def test_each_machine_stands_there_with_what_fails_on_it(viewer_client, machine):
    publishes_here()
    add(failing={"processes": {"worker": {"failures": 4, "last_end": "exit code 3"}}})
    page = viewer_client.get(PAGE).content.decode()

    assert "east" in page
    assert "west" in page
    assert "exit code 3" in page
    assert "take-over" not in page


def test_a_machine_takes_over_from_one_that_is_silent(administrator_client, silent_publisher):
    assert f"{PAGE}{OWN}/take-over/" in administrator_client.get(PAGE).content.decode()
    assert "west" in administrator_client.get(f"{PAGE}{OWN}/take-over/").content.decode()
    assert publisher() == OTHER

    administrator_client.post(f"{PAGE}{OWN}/take-over/")

    assert publisher() == OWN


def test_only_an_administrator_orders_that(operator_client, silent_publisher):
    assert operator_client.post(f"{PAGE}{OWN}/take-over/").status_code == 403
    assert operator_client.post(f"{PAGE}{OTHER}/remove/").status_code == 403
    assert publisher() == OTHER


def test_from_one_that_lives_it_is_refused_and_the_page_says_why(administrator_client, machine):
    add(publishes=True)
    Heartbeat.own().update(name="east", works=True)
    page = administrator_client.post(f"{PAGE}{OWN}/take-over/", follow=True).content.decode()

    assert publisher() == OTHER
    assert "west veröffentlicht noch" in page


def test_a_machine_that_is_gone_is_removed(administrator_client, silent_publisher, machine):
    administrator_client.post(f"{PAGE}{OWN}/take-over/")
    administrator_client.post(f"{PAGE}{OTHER}/remove/")

    assert [row.key for row in Heartbeat.objects.all()] == [OWN]
    assert administrator_client.get(f"{PAGE}{OTHER}/remove/").status_code == 404


def ran(*arguments):
    said = StringIO()
    call_command("machines", *arguments, stdout=said)
    return said.getvalue()


def test_the_command_says_and_does_the_same(silent_publisher):
    east, west = json.loads(ran("list", "--json"))["machines"]
    assert (east["name"], east["this_machine"]) == ("east", True)
    assert (west["publishes"], west["silent_for_seconds"]) == (True, 360)
    assert [warning["id"] for warning in west["warnings"]] == ["publisher_silent"]
    assert "west" in ran("list")

    ran("take-over", "east")
    assert publisher() == OWN
    ran("remove", OTHER[:8])
    assert not Heartbeat.objects.filter(key=OTHER).exists()


@pytest.mark.parametrize("arguments", [("take-over", "nobody"), ("remove", OWN)])
def test_what_can_not_be_is_refused(silent_publisher, arguments):
    with pytest.raises(CommandError):
        ran(*arguments)
    assert publisher() == OTHER
