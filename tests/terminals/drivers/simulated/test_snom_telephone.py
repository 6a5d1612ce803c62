import base64

import pytest

from certificates.pki import formats
from certificates.pki.identity import Identity
from tests.support.makers.configuration_server import ConfigurationServer, presenting
from tests.support.makers.snom import Snom
from tests.terminals.drivers.simulated.asking import notify, notify_with_password
from tests.terminals.drivers.simulated.conftest import pair

MAC = "000413922D24"
NAME = "pbx.example.com"
CERTIFICATES = "<?xml version='1.0' encoding='utf-8'?><settings><certificates>{}</certificates></settings>"
SETTINGS = "<settings><phone-settings>{}</phone-settings></settings>"


def a_snom(site, **options):
    return Snom(url=f"{site.url}{{mac}}.xml", mac=MAC, names={NAME: "127.0.0.1"}, **options)


def inline(number):
    return f'<certificate type="base64">{base64.b64encode(formats.der(pair(number).root)).decode()}</certificate>'


def offer(site, *certificates):
    site.files[f"/{MAC}.xml"] = CERTIFICATES.format("".join(certificates))


def chain(number):
    return formats.pem(pair(number).host).decode()


def test_it_asks_where_its_setting_server_says_and_names_itself(site):
    a_snom(site).poll()

    assert site.asked_for == [f"/{MAC}.xml"]
    assert site.requests[0].user_agent.startswith("Mozilla/4.0 (compatible; snomD785-SIP 10.1.184.15 ")
    assert f" {MAC} " in site.requests[0].user_agent


def test_without_a_place_for_its_mac_it_asks_for_two_files(site):
    Snom(url=site.url, mac=MAC).poll()

    assert site.asked_for == [f"/snomD785-{MAC}.htm", f"/{MAC}.xml"]


def test_it_adds_what_stands_in_the_file_and_loses_nothing(site):
    telephone = a_snom(site)
    offer(site, inline(1))
    telephone.poll()
    offer(site, inline(2), inline(3))
    telephone.poll()
    offer(site)
    telephone.poll()

    assert [telephone.trusts(chain(number)) for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert telephone.restarts == 0


def test_one_more_file_of_another_server_is_read_where_the_first_names_it(site):
    with ConfigurationServer() as ours:
        ours.files[f"/p/{MAC}.xml"] = f"<certificates>{inline(1)}</certificates>"
        site.files[f"/{MAC}.xml"] = (
            f'<settings><setting-files><file url="{ours.url}p/{{mac}}.xml"/></setting-files>'
            "<phone-settings><language>Deutsch</language></phone-settings></settings>"
        )
        telephone = a_snom(site)

        telephone.poll()

        assert telephone.trusts(chain(1))
        assert telephone.setting("language") == "Deutsch"


def test_der_behind_a_url_is_fetched_after_all_files(site):
    offer(site, f'<certificate url="{site.url}root.der"/>')
    site.files[f"/{MAC}.xml"] = site.files[f"/{MAC}.xml"].replace(
        "</settings>", '<setting-files><file url="more.xml"/></setting-files></settings>'
    )
    site.files["/root.der"] = formats.der(pair(1).root)
    telephone = a_snom(site)

    telephone.poll()

    assert telephone.trusts(chain(1))
    assert site.asked_for == [f"/{MAC}.xml", "/more.xml", "/root.der"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (formats.pem, "no DER"),
        (lambda _root: b"no certificate", "no DER"),
        (lambda _root: None, "could not be fetched"),
    ],
    ids=["PEM", "text", "missing"],
)
def test_behind_a_url_it_takes_der_alone(site, body, why):
    offer(site, f'<certificate url="{site.url}root.der"/>')
    site.files["/root.der"] = body(pair(1).root)
    telephone = a_snom(site)

    telephone.poll()

    assert not telephone.own
    assert telephone.refused[-1].why.startswith(why)


@pytest.mark.parametrize("text", [formats.pem(pair(1).root).decode(), "bm8gY2VydGlmaWNhdGU=", "%", ""])
def test_inline_it_takes_the_body_of_a_pem_alone(site, text):
    offer(site, f'<certificate type="base64">{text}</certificate>')
    telephone = a_snom(site)

    telephone.poll()

    assert not telephone.own
    assert telephone.refused


def test_a_body_with_line_breaks_is_the_same(site):
    body = "".join(formats.pem(pair(1).root).decode().splitlines(keepends=True)[1:-1])
    offer(site, f'<certificate type="base64">\n{body}</certificate>')
    telephone = a_snom(site)

    telephone.poll()

    assert telephone.trusts(chain(1))


@pytest.mark.parametrize("text", ["<settings>", "", "<html/>", "<settings><a>&nbsp;</a></settings>"])
def test_xml_that_cannot_be_read_changes_nothing(site, text):
    site.files[f"/{MAC}.xml"] = text
    telephone = a_snom(site)

    telephone.poll()

    assert telephone.settings == {}
    assert telephone.refused


# Checks


def test_from_firmware_10_on_it_checks_chain_and_name(site):
    telephone = a_snom(site)
    with ConfigurationServer(tls=presenting(pair(1))) as server:
        assert not telephone.connect("127.0.0.1", server.port, name=NAME)
        offer(site, inline(1))
        telephone.poll()
        assert telephone.connect("127.0.0.1", server.port, name=NAME)
        assert not telephone.connect("127.0.0.1", server.port, name="elsewhere.example.com")
        assert "Hostname mismatch" in telephone.refused[-1].why


def test_an_address_has_to_be_one_in_the_certificate(site):
    telephone = a_snom(site)
    offer(site, inline(1))
    telephone.poll()
    as_text = pair(2, identity=Identity(("pbx.example.com", "127-0-0-1.example.com"), ()))
    offer(site, inline(1))
    telephone.own.append(as_text.root)

    with ConfigurationServer(tls=presenting(pair(1))) as server:
        assert telephone.connect("127.0.0.1", server.port, name="192.0.2.10")
    with ConfigurationServer(tls=presenting(as_text)) as server:
        assert not telephone.connect("127.0.0.1", server.port, name="192.0.2.10")


def test_firmware_8_checks_nothing(site):
    telephone = a_snom(site, model="370", firmware="8.9.3.80")
    with ConfigurationServer(tls=presenting(pair(1))) as server:
        assert telephone.connect("127.0.0.1", server.port, name="elsewhere.example.com")
    assert not telephone.trusts(chain(1)), "that it went on says nothing of what it trusts"


@pytest.mark.parametrize(
    ("firmware", "goes_on"), [("10.1.63.0", True), ("10.1.46.16", False)], ids=["proxy", "registrar"]
)
def test_the_name_is_that_of_its_proxy_or_its_registrar(site, firmware, goes_on):
    telephone = a_snom(site, firmware=firmware)
    site.files[f"/{MAC}.xml"] = SETTINGS.format(
        f'<user_host idx="1">example.org</user_host><user_outbound idx="1">{NAME}</user_outbound>'
    )
    telephone.poll()
    telephone.own.append(pair(1).root)

    with ConfigurationServer(tls=presenting(pair(1))) as server:
        assert telephone.connect("127.0.0.1", server.port) is goes_on


def test_the_certificate_of_the_server_itself_is_enough(site):
    telephone = a_snom(site)
    telephone.own.append(pair(1).host)

    assert telephone.trusts(chain(1))
    with ConfigurationServer(tls=presenting(pair(1))) as server:
        assert telephone.connect("127.0.0.1", server.port, name=NAME)


# NOTIFY


@pytest.mark.parametrize(
    ("event", "restarts"), [("check-sync;reboot=false", 0), ("check-sync;reboot=true", 1), ("check-sync", 1)]
)
def test_it_does_what_the_event_says(site, event, restarts):
    telephone = a_snom(site)

    assert notify(telephone, event) == 200

    assert telephone.restarts == restarts
    assert site.requests


@pytest.mark.parametrize(
    ("firmware", "action", "outcome"),
    [
        ("10.1.180.0", "factory-reset", (1, 1, 0, 1)),
        ("10.1.179.9", "factory-reset", (0, 0, 0, 1)),
        ("10.1.184.15", "reboot", (1, 0, 0, 1)),
        ("10.1.184.15", "reregister", (0, 0, 1, 1)),
        ("10.1.184.15", "delete-contacts", (0, 0, 0, 0)),
        ("10.1.184.15", "sync", (0, 0, 0, 1)),
    ],
)
def test_checksync_action_overrides_the_event(site, firmware, action, outcome):
    telephone = a_snom(site, firmware=firmware)
    telephone.settings["checksync_action"] = action
    telephone.own.append(pair(1).root)

    notify(telephone, "check-sync;reboot=false")

    assert (telephone.restarts, telephone.resets, telephone.registers, len(telephone.contacts)) == outcome
    assert bool(telephone.own) is (not telephone.resets), "a factory reset takes its certificates"


def test_told_to_it_asks_for_the_password_of_its_registration(site):
    telephone = a_snom(site)
    assert notify(telephone, "check-sync;reboot=false") == 200
    site.files[f"/{MAC}.xml"] = SETTINGS.format("<challenge_checksync>on</challenge_checksync>")
    telephone.poll()

    assert notify(telephone, "check-sync;reboot=false") == 401
    assert notify_with_password(telephone, "check-sync;reboot=false").status == 200


def test_it_says_how_often_it_asks(site):
    telephone = a_snom(site)
    assert telephone.asks_every is None
    site.files[f"/{MAC}.xml"] = SETTINGS.format("<settings_refresh_timer>3600</settings_refresh_timer>")
    telephone.poll()
    assert telephone.asks_every == 60
