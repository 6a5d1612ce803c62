from datetime import UTC, datetime, timedelta

import pytest

from certificates.pki import formats
from certificates.pki.keys import KeyType
from tests.support.makers.configuration_server import ConfigurationServer, presenting
from tests.support.makers.yealink import Yealink
from tests.terminals.drivers.simulated.asking import notify, notify_with_password
from tests.terminals.drivers.simulated.conftest import pair

MAC = "001565f429a4"
FIRST_LINE = "#!version:1.0.0.1\n"
NAME = "pbx.example.com"
DELETE = "static.trusted_certificates.delete = http://localhost/all\n"


def a_yealink(site, **options):
    return Yealink(url=site.url, mac=MAC, names={NAME: "127.0.0.1"}, **options)


def offer(site, number, *, name=None, body=None, more=""):
    """The root of a generation at a URL of its own, and the file of the telephone that names it."""
    name = name or f"root-{number}.pem"
    site.files[f"/{name}"] = formats.pem(pair(number).root) if body is None else body
    site.files[f"/{MAC}.cfg"] = f"{FIRST_LINE}static.trusted_certificates.url = {site.url}{name}\n{more}"


def chain(number):
    return formats.pem(pair(number).host).decode()


def test_it_asks_for_its_own_boot_file_then_the_common_one_then_both_configurations(site):
    a_yealink(site).poll()

    assert site.asked_for == [f"/{MAC}.boot", "/y000000000000.boot", "/y000000000096.cfg", f"/{MAC}.cfg"]
    assert {request.user_agent for request in site.requests} == {f"Yealink SIP-T54W 96.86.0.100 {MAC}"}


def test_an_old_one_knows_no_boot_file_and_writes_its_mac_with_colons(site):
    old = Yealink(url=site.url, mac="001565 4aa937".replace(" ", ""), model="SIP-T46G", firmware="28.72.0.1")

    old.poll()

    assert site.asked_for == ["/y000000000028.cfg", "/0015654aa937.cfg"]
    assert site.requests[0].user_agent == "Yealink SIP-T46G 28.72.0.1 00:15:65:4a:a9:37"


def test_an_old_one_knows_the_names_without_static_alone(site):
    old = Yealink(url=site.url, mac=MAC, model="SIP-T46G", firmware="28.72.0.1")
    offer(site, 1)
    old.poll()
    assert not old.trusts(chain(1))

    site.files[f"/{MAC}.cfg"] = site.files[f"/{MAC}.cfg"].replace("static.", "")
    old.poll()

    assert old.trusts(chain(1))


def test_a_boot_file_brings_files_of_another_server_and_no_others(site):
    with ConfigurationServer() as ours:
        ours.files["/ours.cfg"] = f"{FIRST_LINE}static.trusted_certificates.url = {ours.url}root.pem\n"
        ours.files["/root.pem"] = formats.pem(pair(1).root)
        site.files["/y000000000000.boot"] = (
            f'{FIRST_LINE}include:config "site.cfg"\ninclude:config "{ours.url}ours.cfg"\n'
        )
        site.files["/site.cfg"] = f"{FIRST_LINE}account.1.label = 201\n"
        telephone = a_yealink(site)

        telephone.poll()

        assert telephone.trusts(chain(1))
        assert telephone.setting("account.1.label") == "201"
        assert ours.asked_for == ["/ours.cfg", "/root.pem"]
        assert site.asked_for[-1] == "/site.cfg"


def test_it_trusts_old_and_new_beside_each_other(site):
    telephone = a_yealink(site)
    for number in (1, 2):
        offer(site, number)
        telephone.poll()

    assert telephone.trusts(chain(1))
    assert telephone.trusts(chain(2))
    assert not telephone.trusts(chain(3))
    assert telephone.restarts == 0


def test_the_eleventh_is_refused_until_all_are_deleted(site):
    telephone = a_yealink(site)
    for number in range(1, 12):
        offer(site, number)
        telephone.poll()
    assert telephone.trusts(chain(10))
    assert not telephone.trusts(chain(11))
    assert telephone.refused[-1].why == "ten certificates are held already"

    site.files[f"/{MAC}.cfg"] = FIRST_LINE + DELETE
    telephone.poll()
    assert not telephone.own

    offer(site, 11, name="root-11-again.pem")
    telephone.poll()
    assert telephone.trusts(chain(11))


@pytest.mark.parametrize(("deletes_last", "trusted"), [(True, False), (False, True)])
def test_what_one_file_deletes_and_loads_is_not_documented(site, deletes_last, trusted):
    telephone = a_yealink(site, deletes_last=deletes_last)
    offer(site, 1, more=DELETE)

    telephone.poll()

    assert telephone.trusts(chain(1)) is trusted


def test_it_loads_nothing_anew_from_a_url_that_it_knows(site):
    telephone = a_yealink(site)
    offer(site, 1, name="root.pem")
    telephone.poll()
    offer(site, 2, name="root.pem", more="account.1.label = 201\n")
    telephone.poll()

    assert not telephone.trusts(chain(2))


def test_a_file_that_has_not_changed_is_not_taken_over_again(site):
    telephone = a_yealink(site)
    offer(site, 1)
    telephone.poll()
    site.requests.clear()
    telephone.poll()

    assert "/root-1.pem" not in site.asked_for


def test_it_tries_again_where_the_certificate_was_not_there(site):
    telephone = a_yealink(site)
    offer(site, 1)
    body = site.files.pop("/root-1.pem")
    telephone.poll()
    assert telephone.refused[-1].why == "could not be fetched"

    site.files["/root-1.pem"] = body
    telephone.poll()

    assert telephone.trusts(chain(1))


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("root.pem", b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n", "no PEM"),
        ("root.der", b"no certificate", "no DER"),
        ("root.txt", b"", "not .pem, .cer, .crt or .der"),
        ("root.pem", b"-" * (5 * 1024 * 1024 + 1), "larger than 5 MB"),
    ],
    ids=["half", "text", "suffix", "large"],
)
def test_it_refuses_what_is_no_certificate(site, name, body, why):
    telephone = a_yealink(site)
    offer(site, 1, name=name, body=body)

    telephone.poll()

    assert not telephone.own
    assert any(refusal.why.startswith(why) for refusal in telephone.refused)


def test_it_reads_der_and_takes_the_first_of_several(site):
    telephone = a_yealink(site)
    offer(site, 1, name="root.der", body=formats.der(pair(1).root))
    telephone.poll()
    offer(site, 2, body=formats.pem(pair(2).root, pair(3).root))
    telephone.poll()

    assert [telephone.trusts(chain(number)) for number in (1, 2, 3)] == [True, True, False]


def test_a_file_without_the_first_line_is_refused_whole(site):
    telephone = a_yealink(site)
    offer(site, 1)
    site.files[f"/{MAC}.cfg"] = site.files[f"/{MAC}.cfg"].removeprefix(FIRST_LINE)

    telephone.poll()

    assert not telephone.own
    assert telephone.refused == [(f"{site.url}{MAC}.cfg", "its first line is not #!version:1.0.0.1")]


# Checks


def test_from_the_box_it_checks_the_chain_and_no_name(site):
    telephone = a_yealink(site)
    with ConfigurationServer(tls=presenting(pair(1))) as server:
        assert not telephone.connect("127.0.0.1", server.port)
        offer(site, 1)
        telephone.poll()

        assert telephone.connect("127.0.0.1", server.port)
        assert telephone.refused[-1].why == "unable to get local issuer certificate"
        assert server.refused, "the server sees that it was refused"


def test_told_to_it_checks_the_name_too_and_restarts_for_that(site):
    telephone = a_yealink(site)
    offer(site, 1, more="static.security.cn_validation = 1\n")
    telephone.poll()

    with ConfigurationServer(tls=presenting(pair(1))) as server:
        assert telephone.connect("127.0.0.1", server.port, name=NAME)
        assert not telephone.connect("127.0.0.1", server.port)
    assert "IP address mismatch" in telephone.refused[-1].why
    assert telephone.restarts == 1


def test_in_a_call_it_restarts_after_it(site):
    telephone = a_yealink(site)
    telephone.in_call = True
    offer(site, 1, more="static.security.cn_validation = 1\n")
    telephone.poll()
    assert telephone.restarts == 0

    telephone.hang_up()

    assert telephone.restarts == 1


@pytest.mark.parametrize(("switch", "trusted"), [("0", False), ("1", True), ("2", True)])
def test_its_own_list_counts_as_the_switch_says(site, switch, trusted):
    telephone = a_yealink(site, built_in=(pair(3).root,))
    offer(site, 1, more=f"static.security.ca_cert = {switch}\n")

    telephone.poll()

    assert telephone.trusts(chain(1)) is trusted
    assert telephone.trusts(chain(3)) is (switch != "1")


def test_one_with_a_switch_for_each_service_checks_its_calls_alone(site):
    telephone = a_yealink(site, model="AX83H", firmware="180.87.0.15")
    more = "static.security.auto_provision.trust_certificates = 0\nstatic.security.sip.trust_certificates = 1\n"
    offer(site, 1, more=more)
    telephone.poll()

    assert not telephone.provisioning.chain
    assert telephone.sip.chain


def test_over_https_it_takes_nothing_from_a_server_that_it_does_not_trust():
    with ConfigurationServer(tls=presenting(pair(1))) as secure:
        telephone = a_yealink(secure)
        secure.files[f"/{MAC}.cfg"] = f"{FIRST_LINE}account.1.label = 201\n"

        telephone.poll()
        assert {asked.status for asked in telephone.asked} == {0}

        telephone.own.append(pair(1).root)
        telephone.poll()
        assert telephone.setting("account.1.label") == "201"


@pytest.mark.parametrize(
    ("clock", "why"),
    [(timedelta(days=-3), "certificate is not yet valid"), (timedelta(days=500), "certificate has expired")],
)
def test_it_judges_dates_by_its_own_clock_and_the_server_sees_it(site, clock, why):
    telephone = a_yealink(site, clock=lambda: datetime.now(UTC) + clock)
    telephone.own.append(pair(1).root)
    with ConfigurationServer(tls=presenting(pair(1))) as server:
        assert not telephone.connect("127.0.0.1", server.port)
    assert telephone.refused[-1].why == why
    assert server.refused
    assert not telephone.trusts(chain(1))


def test_its_own_clock_opens_what_is_valid_then(site):
    later = datetime.now(UTC) + timedelta(days=100)
    telephone = a_yealink(site, clock=lambda: later)
    next_pair = pair(5, not_before=later - timedelta(hours=1), end=later + timedelta(days=9))
    telephone.own.append(next_pair.root)
    with ConfigurationServer(tls=presenting(next_pair)) as server:
        assert telephone.connect("127.0.0.1", server.port)
        telephone.clock = lambda: datetime.now(UTC)
        assert not telephone.connect("127.0.0.1", server.port)


PLAIN = "AES256-GCM-SHA384:AES128-SHA"
CURVES_TOO = f"ECDHE+AESGCM:{PLAIN}"
NETHVOICE = "sip.tls_cipher_list = !ECDH:AES:!ADH:!LOW:!NULL\n"


@pytest.mark.parametrize(
    ("model", "firmware", "key_type", "ciphers", "more", "goes_on"),
    [
        ("SIP-T46S", "66.86.0.15", KeyType.RSA2048, PLAIN, "", True),
        ("SIP-T46S", "66.86.0.15", KeyType.RSA2048, CURVES_TOO, "", False),
        ("SIP-T46S", "66.86.0.15", KeyType.RSA2048, CURVES_TOO, NETHVOICE, True),
        ("SIP-T46S", "66.86.0.15", KeyType.P256, CURVES_TOO, NETHVOICE, False),
        ("SIP-T46S", "66.86.0.15", KeyType.P256, CURVES_TOO, "", False),
        ("SIP-T58A", "58.85.0.5", KeyType.RSA2048, None, "", False),
        ("SIP-T54W", "96.86.0.100", KeyType.P256, CURVES_TOO, "", True),
        ("SIP-T46S", "66.83.0.15", KeyType.P256, CURVES_TOO, "", True),
        ("SIP-T46U", "108.86.0.15", KeyType.P256, CURVES_TOO, "", True),
    ],
)
def test_t19_to_t48s_and_t58_with_v84_to_v89_agree_on_nothing_with_curves(
    site, model, firmware, key_type, ciphers, more, goes_on
):
    telephone = a_yealink(site, model=model, firmware=firmware)
    shown = pair(1, key_type)
    offer(site, 1, body=formats.pem(shown.root), more=more)
    telephone.poll()

    with ConfigurationServer(tls=presenting(shown, ciphers=ciphers)) as server:
        assert telephone.connect("127.0.0.1", server.port) is goes_on


# NOTIFY


@pytest.mark.parametrize(
    ("switch", "event", "restarts"),
    [
        (None, "check-sync;reboot=false", 1),
        ("0", "check-sync;reboot=false", 0),
        ("0", "check-sync;reboot=true", 1),
        ("2", "check-sync;reboot=true", 0),
    ],
)
def test_a_notify_restarts_it_as_its_switch_says(site, switch, event, restarts):
    telephone = a_yealink(site)
    offer(site, 1, more=f"sip.notify_reboot_enable = {switch}\n" if switch else "")
    telephone.poll()
    site.requests.clear()

    assert notify(telephone, event) == 200

    assert telephone.restarts == restarts
    assert f"/{MAC}.cfg" in site.asked_for


def test_it_does_the_same_once_for_a_notify_that_is_repeated(site):
    telephone = a_yealink(site)

    assert [notify(telephone, "check-sync", number="once") for _time in range(2)] == [200, 200]

    assert telephone.restarts == 1


def test_it_knows_no_other_event(site):
    assert notify(a_yealink(site), "resync") == 489


def test_told_to_it_asks_for_the_password_of_its_registration(site):
    telephone = a_yealink(site)
    offer(site, 1, more="sip.request_validation.digest.list = NOTIFY\nsip.notify_reboot_enable = 0\n")
    telephone.poll()
    site.requests.clear()

    assert notify(telephone, "check-sync;reboot=false") == 401
    assert not site.requests
    assert notify_with_password(telephone, "check-sync;reboot=false").status == 200
    assert site.requests


# What happens to it


def test_a_factory_reset_loses_its_list_and_fetches_it_again(site):
    telephone = a_yealink(site)
    for number in (1, 2):
        offer(site, number)
        telephone.poll()

    telephone.factory_reset()

    assert not telephone.trusts(chain(1))
    assert telephone.trusts(chain(2))
    assert telephone.restarts == 1


def test_its_list_survives_a_factory_reset_where_that_is_set(site):
    telephone = a_yealink(site)
    offer(site, 1, more="static.phone_setting.reserve_certs_enable = 1\n")
    telephone.poll()
    offer(site, 2)

    telephone.factory_reset()

    assert telephone.trusts(chain(1))


def test_another_one_in_its_place_holds_nothing_and_asks_for_its_own_files(site):
    telephone = a_yealink(site)
    offer(site, 1)
    telephone.poll()
    site.requests.clear()

    another = telephone.replaced_by("001565ffffff")
    another.poll()

    assert not another.own
    assert "/001565ffffff.cfg" in site.asked_for


def test_it_says_how_often_it_asks(site):
    telephone = a_yealink(site)
    assert telephone.asks_every is None
    more = "static.auto_provision.repeat.enable = 1\nstatic.auto_provision.repeat.minutes = 1440\n"
    offer(site, 1, more=more)
    telephone.poll()
    assert telephone.asks_every == 1440
