"""The switch to another pair, as the terminals' listeners show it."""

import http.client
import socket
import ssl
from contextlib import closing

import pytest

from tests.support.ports import free_port
from tests.support.provisioning import Provisioning, fetch, trusting
from tests.support.running import wait_for

pytestmark = pytest.mark.process


@pytest.fixture
def product(tmp_path):
    with Provisioning(tmp_path) as product:
        yield product.open(phones=2)


def confirmed(product, phone):
    rows = product.rows("terminals.Installation", "terminal", "generation", "state")
    return {row["generation"] for row in rows if row["terminal"] == phone.key and row["state"] == "confirmed"}


def root_of(product, number):
    return next(
        row["root_pem"]
        for row in product.rows("certificates.Generation", "number", "root_pem")
        if row["number"] == number
    )


def presents(port, root, *, at_most=None):
    """Whether what is presented there is signed by this root."""
    try:
        fetch(port, "/", context=trusting(root, at_most=at_most))
    except ssl.SSLCertVerificationError:
        return False
    return True


def test_a_phone_fetches_before_and_after_the_switch_and_an_old_version_confirms_only_what_it_held(product):
    phone, late = product.phone(100), product.phone(101)
    phone.restart()
    late.restart()
    first, old_path = root_of(product, 1), phone.trust_path

    assert product.generate() == 2
    second = root_of(product, 2)
    wait_for(lambda: phone.configuration()["https user certificates"].count("/2-1."), what="the new version")

    # The version of before is served, and says nothing about the new pair.
    assert phone.get(old_path).body.decode() == phone.trusts
    phone.restart()
    assert phone.trusts.count("BEGIN CERTIFICATE") == 4
    wait_for(lambda: confirmed(product, phone) == {1, 2}, what="both confirmed")
    assert confirmed(product, late) == {1}
    # The proof listener shows the prepared pair, the other one still the active.
    wait_for(lambda: presents(product.proof, second), what="the prepared pair")
    assert presents(product.https, first)

    open_one = http.client.HTTPSConnection("127.0.0.1", product.https, timeout=20, context=trusting(first))
    old_session = trusting(first, at_most=ssl.TLSVersion.TLSv1_2)
    with closing(open_one):
        open_one.request("GET", "/startup.cfg")
        open_one.getresponse().read()
        its_socket = open_one.sock
        with old_session.wrap_socket(_connected(product.https), server_hostname="localhost") as connection:
            session = connection.session

        product.activate()
        wait_for(lambda: presents(product.https, second), what="the new pair")

        open_one.request("GET", "/startup.cfg")
        assert open_one.getresponse().status == 200
        assert open_one.sock is its_socket
    # A session of before would hide the new certificate from who does not trust it.
    with pytest.raises(ssl.SSLCertVerificationError):
        old_session.wrap_socket(_connected(product.https), server_hostname="localhost", session=session)

    phone.restart()
    phone.at_most = ssl.TLSVersion.TLSv1_2
    phone.restart()
    with pytest.raises(ssl.SSLCertVerificationError):
        late.configuration()


def _connected(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def test_a_version_without_the_root_of_the_active_pair_is_not_given_out(product):
    phone = product.phone(100)
    phone.restart()
    old_path = phone.trust_path
    product.generate()
    wait_for(lambda: phone.configuration()["https user certificates"].count("/2-1."), what="the new version")
    phone.restart()
    assert phone.get(old_path).status == 200
    product.activate()

    # With it the phone could not place a call any more.
    wait_for(lambda: phone.get(old_path).status == 404, what="the refusal")


def test_the_listeners_open_with_their_first_pair_and_a_port_in_use_stops_nothing_else(tmp_path):
    with Provisioning(tmp_path) as product, socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken, https, plain = squatter.getsockname()[1], free_port(), free_port()
        product.start(
            PBXCERTS_TERMINALS_HTTPS=f"127.0.0.1:{https}",
            PBXCERTS_TERMINALS_HTTP=f"127.0.0.1:{taken}",
            PBXCERTS_TERMINALS_PROOF=f"127.0.0.1:{plain}",
        )
        told = "from pbxcerts.system.run_files import FAILING_LISTENERS\nfrom django.conf import settings\n"
        told += "print(*sorted(FAILING_LISTENERS.read(settings.DATA)))"
        wait_for(lambda: product.run(told).split() == ["http"], what="a message")
        assert product.run(MESSAGES).split() == ["critical"]
        squatter.close()
        wait_for(lambda: product.run(told).split() == [], what="the listener")
        with pytest.raises(ConnectionRefusedError):
            fetch(https, "/", context=trusting_nothing())
        assert fetch(taken, "/root.pem").status == 404
        assert product.answers()

        product.run(NAMED)
        product.generate()
        wait_for(lambda: opens(https) and opens(plain), what="the listeners with their first pair")


NAMED = """
from pbxcerts.system.models import General
General.load()
General.objects.update(fqdn="pbx.example.com", on_this_machine=False)
"""
MESSAGES = """
from pbxcerts.panel import process_warnings
from pbxcerts.heartbeat import beat
from pbxcerts.system.models import EventMessage
beat()
print(*EventMessage.objects.filter(kind="terminals_listener_fails", cleared_at=None).values_list("severity", flat=True))
"""


def opens(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False


def trusting_nothing():
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
