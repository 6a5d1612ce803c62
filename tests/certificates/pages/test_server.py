"""The communication server's page: its files by their real paths, and a look at what it presents now."""

from pathlib import Path

import pytest

from pbxcerts.system.models import General
from tests.support.tls_server import TlsServer

PAGE = "/certificates/server/"


@pytest.fixture
def presenting(tmp_path):
    """A server that presents the pair behind this link of the store; its address stands under System / General."""
    servers = []

    def started(place):
        server = TlsServer(place / "fullchain.pem", place / "host.key", directory=tmp_path).start()
        servers.append(server)
        General.objects.update(tls_addresses=[server.address])
        return server.address

    yield started
    for server in servers:
        server.stop()


def test_it_names_the_files_by_their_real_paths(running, viewer_client, text, settings):
    page = text(viewer_client.get(PAGE))

    assert f"{settings.STORE}/current/fullchain.pem" in page
    assert f"private_key = {settings.STORE}/current/host.key" in page
    assert (Path(settings.STORE) / "current" / "fullchain.pem").exists()


def test_arguments_of_the_reload_command_are_for_administrators(
    running, viewer_client, administrator_client, text, settings
):
    settings.RELOAD_COMMAND = ["kamcmd", "--password=three-teapots"]

    assert "three-teapots" in text(administrator_client.get(PAGE))
    shown = text(viewer_client.get(PAGE))
    assert "kamcmd" in shown
    assert "three-teapots" not in shown


def test_without_a_reload_command_it_says_what_that_means(running, viewer_client, text, settings):
    settings.RELOAD_COMMAND = []

    assert "goes on with the files that it has read" in text(viewer_client.get(PAGE))


def test_a_look_says_that_the_server_presents_the_active_pair(running, operator_client, text, presenting):
    address = presenting(running.published("current"))
    page = text(operator_client.post(PAGE))

    assert f"{address}: generation 1, as it should be" in page


def test_a_look_says_that_it_has_not_read_the_files_of_the_active_one(handing_over, operator_client, text, presenting):
    presenting(handing_over.published("next"))
    page = text(operator_client.post(PAGE))

    assert "generation 2, which is prepared: the server has not read" in page


def test_an_address_that_nobody_listens_at_is_not_reached(running, operator_client, text):
    General.objects.update(tls_addresses=["127.0.0.1:1"])

    assert "127.0.0.1:1: not reached" in text(operator_client.post(PAGE))


def test_who_may_only_view_makes_nobody_look(running, viewer_client):
    assert viewer_client.post(PAGE).status_code == 403


@pytest.mark.parametrize("method", ["put", "delete"])
def test_nothing_else_can_be_done_there(running, administrator_client, method):
    assert getattr(administrator_client, method)(PAGE).status_code == 405
