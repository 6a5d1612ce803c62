"""What a terminal's listener refuses has a clear answer without a secret, and is counted for the page, by listener and reason."""

import re
import socket
from collections import Counter
from contextlib import closing, suppress

import pytest

from tests.support.panel import Browser
from tests.support.provisioning import Provisioning, fetch, trusting

pytestmark = pytest.mark.process

PASSWORD = "seven copper kettles"
OTTO = f"""
from pbxcerts.system.models import Role, User
User.objects.create_user("otto", password="{PASSWORD}", role=Role.OPERATE)
"""
ROW = re.compile(r"<td[^>]*>(\w+)</td>\s*<td[^>]*>\s*<code>(\w+)</code>[^<]*</td>\s*<td[^>]*>(\d+)</td>", re.ASCII)


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with Provisioning(tmp_path_factory.mktemp("refusals")) as product:
        yield product.open(phones=3)


@pytest.fixture(scope="module")
def otto(product):
    product.run(OTTO)
    return Browser(f"http://127.0.0.1:{product.port}").log_in("otto", PASSWORD)


@pytest.fixture
def counted(otto):
    """What the page has counted since the test began."""

    def on_the_page():
        rows = ROW.findall(otto.page("/terminals/bootstrap/"))
        return Counter({(listener, reason): int(count) for listener, reason, count in rows})

    before = on_the_page()
    return lambda: dict(on_the_page() - before)


def assert_is_clear(answer, secrets):
    assert 400 <= answer.status < 500
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert len(answer.body) < 100
    said = answer.body + str(answer.headers).encode()
    assert not [secret for secret in secrets if secret.encode() in said]
    assert b"Traceback" not in said


def test_each_is_counted_by_listener_and_reason(product, counted):
    phone, other = product.phone(100), product.phone(101)
    phone.configuration()
    context = trusting(phone.trusts)
    over = {"https": product.https, "proof": product.proof, "http": product.http}

    def ask(listener, path, **options):
        return fetch(over[listener], path, context=None if listener == "http" else context, **options)

    agent = {"headers": {"User-Agent": phone.user_agent}}
    foreign = {"headers": {"User-Agent": other.user_agent}}
    unknown = {"headers": {"User-Agent": "Mitel6940 MAC:14-00-E9-1E-DB-52 V:6.4.0.140-SIP"}}
    secret_of_nobody = "/" + "a" * 43 + f"/{phone.mac}.cfg"
    refused = [
        (("https", "404"), ask("https", "/../../etc/passwd")),
        (("https", "404"), ask("https", "/login/")),
        (("https", "405"), ask("https", f"/{phone.mac}.cfg", method="DELETE", **agent)),
        (("https", "foreign_mac"), ask("https", f"/{phone.mac}.cfg", **foreign)),
        (("https", "unknown_phone"), ask("https", "/1400E91EDB52.cfg", **unknown)),
        (("https", "unknown_path"), ask("https", secret_of_nobody, **agent)),
        (("http", "404"), ask("http", "/login/")),
        (("http", "405"), ask("http", "/root.pem", method="PUT")),
        (("proof", "404"), ask("proof", "/startup.cfg")),
    ]

    secrets = [row["path_secret"] for row in product.rows("terminals.Terminal", "path_secret")]
    for _key, answer in refused:
        assert_is_clear(answer, secrets)
    assert counted() == dict(Counter(key for key, _answer in refused))
    assert "Traceback" not in product.log.read_text()


def test_what_is_answered_is_not_counted(product, counted):
    phone = product.phone(102)
    phone.restart()
    phone.get("/startup.cfg", headers={"User-Agent": ""})
    fetch(product.http, "/root.sha256")

    assert counted() == {}


@pytest.mark.parametrize("listener", ["https", "http", "proof"])
def test_a_head_of_a_megabyte_is_refused_and_counted(product, counted, listener):
    port = getattr(product, listener)
    root = product.root()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as plain:
        connection = plain if listener == "http" else trusting(root).wrap_socket(plain, server_hostname="localhost")
        with closing(connection), suppress(OSError):
            connection.sendall(
                b"GET /root.pem HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 1_000_000 + b"\r\n\r\n"
            )
            # It may be cut off while it still speaks; what is read then is a matter of luck.
            answer = connection.recv(1000)
            assert answer[9:12] in {b"431", b"400", b""}

    assert counted() == {(listener, "431"): 1}
    assert product.root() == root
