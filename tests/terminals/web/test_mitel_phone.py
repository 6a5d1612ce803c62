"""A Mitel phone and the real web process: it fetches its configuration and the trust file, and that is recorded."""

import socket
import ssl
import time
from contextlib import closing

import pytest

from tests.support.provisioning import Provisioning, fetch, trusting
from tests.support.running import wait_for

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with Provisioning(tmp_path_factory.mktemp("provisioning")) as product:
        yield product.open(phones=12)


def installations(product, phone):
    rows = product.rows(
        "terminals.Installation",
        "terminal",
        "generation",
        "state",
        "evidence",
        "user_agent",
        "address_differs",
        "fetched_file",
        "fetched_at",
    )
    return {row["generation"]: row for row in rows if row["terminal"] == phone.key}


def confirmed(product, phone):
    return {number for number, row in installations(product, phone).items() if row["state"] == "confirmed"}


def refused(product, phone, path, **options):
    answer = phone.get(path, **options)
    assert b"Traceback" not in answer.body
    assert phone.secret.encode() not in answer.body
    return answer.status


# -- what it gets ------------------------------------------------------------------------------------------------------


def test_a_phone_fetches_its_files_over_https_and_is_recorded_as_confirmed(product):
    phone = product.phone(100)

    configuration = phone.restart()

    assert configuration["https validate certificates"] == "1"
    assert phone.trusts.count("BEGIN CERTIFICATE") == 2
    wait_for(lambda: confirmed(product, phone) == {1}, what="a confirmation")
    row = installations(product, phone)[1]
    assert row["evidence"] == "fetched"
    assert row["user_agent"] == phone.user_agent
    assert not row["address_differs"]


@pytest.mark.parametrize("name", ["startup", "aastra", "Mitel6930"])
def test_the_common_files_name_the_trust_file_too(product, name):
    phone = product.phone(101)

    assert "sips trusted certificates" in phone.configuration(f"/{name}.cfg")
    assert "sips trusted certificates" in phone.configuration(f"/{phone.secret}/{name}.cfg")


PROXY = """
from terminals.models import DeliverySettings
DeliverySettings.load()
DeliverySettings.objects.update(proxy_host={host!r}, proxy_port=5061, proxy_transport="tls")
"""


def test_the_server_that_pbxcerts_is_told_of_is_named_with_tls(product):
    phone = product.phone(106)
    assert "sip outbound proxy" not in phone.configuration()

    product.run(PROXY.format(host="pbx.example.org"))
    try:
        configuration = wait_for(
            lambda: "sip outbound proxy" in (found := phone.configuration()) and found, what="the proxy"
        )
    finally:
        product.run(PROXY.format(host=""))
        wait_for(lambda: "sip outbound proxy" not in phone.configuration(), what="the end of the proxy")

    assert configuration["sip outbound proxy"] == "pbx.example.org"
    assert (configuration["sip transport protocol"], configuration["sips persistent tls"]) == ("4", "1")


def test_lines_with_passwords_are_on_the_path_with_the_secret_alone(product):
    phone = product.phone(102)
    public, own = phone.get(f"/{phone.mac}.cfg").body, phone.get(f"/{phone.secret}/{phone.mac}.cfg").body

    assert b"sip line1 user name: 102" in public
    assert b"password" not in public
    assert b"sip line1 password: secret2" in own
    assert b"admin password: 22222" in own


def test_the_public_file_does_not_tell_the_path_with_the_secret(product):
    phone = product.phone(102)

    assert phone.secret.encode() not in phone.get(f"/{phone.mac}.cfg").body


@pytest.mark.parametrize(
    "spelling", ["00085D000003", "00085d000003", "00-08-5D-00-00-03", "00:08:5d:00:00:03", "0008.5d00.0003"]
)
def test_a_mac_may_be_spelled_in_five_ways(product, spelling):
    assert product.phone(103).get(f"/{spelling}.cfg").status == 200


def test_the_random_part_of_the_trust_file_is_each_terminals_own(product):
    first, second = product.phone(103), product.phone(104)
    paths = [phone.configuration()["sips trusted certificates"] for phone in (first, second)]
    stolen = paths[0].split("/", 3)[3].replace(first.mac, second.mac)

    assert paths[0].rpartition("/")[2] != paths[1].rpartition("/")[2]
    assert refused(product, second, f"/{stolen}") == 404


def test_a_phone_of_tls_1_2_gets_its_files(product):
    phone = product.phone(105)
    phone.at_most = ssl.TLSVersion.TLSv1_2

    phone.restart()

    wait_for(lambda: confirmed(product, phone) == {1}, what="a confirmation")


# -- what proves nothing -----------------------------------------------------------------------------------------------


def test_head_is_answered_and_proves_nothing(product):
    phone = product.phone(106)
    path = "/" + phone.configuration()["sips trusted certificates"].split("/", 3)[3]

    answer = phone.get(path, method="HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 1000
    time.sleep(0.5)
    assert confirmed(product, phone) == set()


def test_a_user_agent_of_another_phone_gets_nothing(product):
    phone, other = product.phone(108), product.phone(109)
    path = "/" + phone.configuration()["sips trusted certificates"].split("/", 3)[3]
    headers = {"User-Agent": other.user_agent}

    assert refused(product, phone, f"/{phone.mac}.cfg", headers=headers) == 404
    assert refused(product, phone, path, headers=headers) == 404
    assert refused(product, phone, f"/{phone.secret}/{phone.mac}.cfg", headers=headers) == 404
    assert refused(product, phone, f"/{phone.secret}/{other.mac}.cfg") == 404
    time.sleep(0.5)
    assert confirmed(product, phone) == set()


def test_without_a_user_agent_a_phone_gets_its_file(product):
    phone = product.phone(110)

    assert phone.get(f"/{phone.mac}.cfg", headers={"User-Agent": ""}).status == 200
    assert phone.get("/startup.cfg", headers={"User-Agent": ""}).status == 200


# -- who is not in the list --------------------------------------------------------------------------------------------


def test_an_unknown_phone_is_listed_as_discovered_and_gets_nothing(product):
    phone = product.phone(100)
    unknown = "Mitel6940 MAC:14-00-E9-1E-DB-52 V:6.4.0.140-SIP"

    for path in ("/startup.cfg", "/1400E91EDB52.cfg"):
        assert refused(product, phone, path, headers={"User-Agent": unknown}) == 404
    wait_for(lambda: product.rows("terminals.Discovered", "mac"), what="a discovered phone")

    rows = product.rows("terminals.Discovered", "mac", "model", "firmware", "address")
    assert rows == [{"mac": "1400E91EDB52", "model": "6940", "firmware": "6.4.0.140-SIP", "address": "127.0.0.1"}]


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/login/",
        "/static/css/pbxcerts.css",
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd.cfg",
        "/%2e%2e/startup.cfg",
        "/%73tartup.cfg",
        "/startup.cfg%00",
        "/startup.cfg/",
        "//startup.cfg//",
        "/store/current/host.key",
        "/" + "a" * 43 + "/startup.cfg",
        "/" + "x" * 5000 + ".cfg",
        "/00085D000001/1.deadbeef." + "0" * 32 + ".pem",
        "/00085D000001/99999999999999999999.deadbeef." + "0" * 32 + ".pem",
    ],
)
def test_what_is_no_file_of_a_terminal_is_not_found(product, path):
    assert refused(product, product.phone(101), path) == 404


def test_a_file_behind_doubled_slashes_is_the_same_file(product):
    phone = product.phone(101)

    assert phone.get("//startup.cfg").body == phone.get("/startup.cfg").body
    assert phone.get(f"//{phone.secret}//{phone.mac}.cfg").body == phone.get(f"/{phone.secret}/{phone.mac}.cfg").body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PROPFIND", "OPTIONS"])
def test_files_are_read_only(product, method):
    phone = product.phone(101)
    answer = phone.get(f"/{phone.mac}.cfg", method=method)

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


def test_a_head_of_a_megabyte_is_refused_and_the_listener_lives(product):
    phone = product.phone(101)
    phone.configuration()
    context = trusting(phone.trusts)
    with closing(
        context.wrap_socket(socket.create_connection(("127.0.0.1", product.https)), server_hostname="localhost")
    ) as connection:
        connection.settimeout(10)
        try:
            connection.sendall(
                b"GET /startup.cfg HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * 1_000_000 + b"\r\n\r\n"
            )
            answer = connection.recv(1000)
        except OSError:
            answer = b""
    assert answer[9:12] in {b"431", b"400", b""}

    assert phone.get(f"/{phone.mac}.cfg").status == 200


def test_no_path_of_a_terminal_is_in_the_log(product):
    phone = product.phone(111)
    phone.get(f"/{phone.secret}/{phone.mac}.cfg")

    assert phone.secret not in product.log.read_text()
    assert "Traceback" not in product.log.read_text()


# -- plain HTTP --------------------------------------------------------------------------------------------------------


def test_over_plain_http_there_is_the_public_root_and_its_fingerprint_and_nothing_else(product):
    phone = product.phone(101)
    root = fetch(product.http, "/root.pem")
    fingerprint = fetch(product.http, "/root.sha256").body.decode()
    paths = ["/", "/startup.cfg", f"/{phone.mac}.cfg", f"/{phone.secret}/{phone.mac}.cfg", "/login/"]

    assert root.body.count(b"BEGIN CERTIFICATE") == 1
    assert (
        fingerprint.strip().replace(":", "").lower()
        == product.rows("certificates.Generation", "root_sha256")[0]["root_sha256"]
    )
    assert {fetch(product.http, path).status for path in paths} == {404}
    assert {fetch(product.http, path, headers={"User-Agent": phone.user_agent}).status for path in paths} == {404}
