import fcntl
import re
from datetime import timedelta
from itertools import groupby, zip_longest
from operator import itemgetter

import pytest
from django.urls import reverse
from django.utils import timezone

from certificates.models import Settings
from pbxcerts.system import run_files
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.models import ClockCheck, EventMessage, General, Heartbeat
from pbxcerts.system.time import timekeeping

URL = "/system/general/"


@pytest.fixture(autouse=True)
def general(administrator_client) -> General:
    administrator_client.cookies["django_language"] = "en"
    General.load()
    General.objects.update(time_zone="Europe/Berlin")
    return General.load()


def typed(**changes) -> dict[str, str]:
    """What a browser sends: every field as it stands on the page, with what was typed over it. None: a box not ticked."""
    form = GeneralForm(row=General.load())
    data = {name: form[name].value() for name in form.fields}
    data = {name: "on" if value is True else value for name, value in data.items() if value is not False}
    data = {
        name: form.fields[name].prepare_value(value) if not isinstance(value, str) else value
        for name, value in data.items()
    }
    return {name: value for name, value in (data | changes).items() if value is not None}


def sentences(response, field: str) -> str:
    """The errors at a field, as text."""
    html = response.content.decode()
    found = re.search(rf'<div id="id_{field}_error">(.*?)</div>', html, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found.group(1)).split()) if found else ""


def test_it_applies_every_parameter(administrator_client, general):
    response = administrator_client.post(
        URL,
        typed(
            time_zone="America/St_Johns",
            ntp_enabled="on",
            ntp_servers="127.0.0.1:9",
            site_name="North",
            system_id="4711",
            fqdn="PBX.example.com.",
            dns_names="münchen.example\r\nsip.example.com",
            ip_addresses="192.0.2.1\r\n2001:DB8:0::1",
            on_this_machine=None,
            tls_addresses="pbx.example.com:5061",
            own_names="certs.example.com",
            own_addresses="192.0.2.9",
            language="en",
            logout_after_minutes="15",
        ),
    )
    assert response.status_code == 302
    general.refresh_from_db()
    assert general.time_zone == "America/St_Johns"
    assert (general.ntp_enabled, general.ntp_servers) == (True, ["127.0.0.1:9"])
    assert (general.site_name, general.system_id) == ("North", "4711")
    assert general.fqdn == "pbx.example.com"
    assert general.dns_names == ["xn--mnchen-3ya.example", "sip.example.com"]
    assert general.ip_addresses == ["192.0.2.1", "2001:db8::1"]
    assert general.on_this_machine is False
    assert general.tls_addresses == ["pbx.example.com:5061"]
    assert (general.own_names, general.own_addresses) == (["certs.example.com"], ["192.0.2.9"])
    assert (general.language, general.logout_after_minutes) == ("en", 15)
    assert general.version == 1


BAD = [
    ("fqdn", "pbx one", "space"),
    ("fqdn", "pbx_1.example", "underscore"),
    ("fqdn", f"{'a' * 64}.example", "63"),
    ("fqdn", "*.example.com", "wildcard"),
    ("fqdn", "192.0.2.1", "address"),
    ("dns_names", "good.example\nbad_1.example", "bad_1.example"),
    ("dns_names", "a.example\nA.example", "twice"),
    ("ip_addresses", "0.0.0.0", "0.0.0.0"),
    ("ip_addresses", "192.0.2.1\n192.0.2.1", "twice"),
    ("ip_addresses", "2001:db8::1, 2001:0db8::0:1", "twice"),
    ("ip_addresses", "fe80::1%eth0", "sign %"),
    ("tls_addresses", "pbx.example.com", "port"),
    ("tls_addresses", "a:1,b:1,c:1,d:1,e:1", "4"),
    ("ntp_servers", "time server", "time server"),
    ("ntp_servers", "a,b,c,d,e", "4"),
    ("own_names", "bad_1.example", "underscore"),
    ("own_addresses", "224.0.0.1", "multicast"),
    ("time_zone", "Mars/Base", "Mars/Base"),
    ("time_zone", "", "required"),
    ("language", "xx", "xx"),
    ("site_name", "x" * 65, "64"),
    ("redirect_to_https", "on", "HTTPS"),
    ("logout_after_minutes", "4", "1440"),
    ("logout_after_minutes", "1441", "1440"),
    ("logout_after_minutes", "", "1440"),
]
"""Field, what is typed there, and a part of the sentence that it gets."""


def at_once(cases):
    """The cases in as few posts as there are of one field, each field once in a post."""
    by_field = [list(group) for _field, group in groupby(cases, key=itemgetter(0))]
    return [[case for case in post if case] for post in zip_longest(*by_field)]


def test_a_bad_value_gets_its_sentence_at_its_field_and_what_was_typed_is_kept(administrator_client, general, subtests):
    for cases in at_once(BAD):
        values = {field: value for field, value, _part in cases}
        response = administrator_client.post(URL, typed(**values, system_id="typed before"))
        html = response.content.decode()
        assert response.status_code == 200
        assert 'value="typed before"' in html
        assert len(re.findall(r'href="#id_', html)) == len(cases), "the others are right"
        for field, value, part in cases:
            with subtests.test(field=field, value=value, part=part):
                assert part in sentences(response, field)
                assert f'href="#id_{field}"' in html
                if field not in {"time_zone", "language", "redirect_to_https"}:
                    assert "".join(value.splitlines()[:1]) in html
        general.refresh_from_db()
        assert general.version == 0


def test_the_sentences_are_in_the_readers_language(administrator_client):
    administrator_client.cookies["django_language"] = "de"
    assert "required" not in sentences(administrator_client.post(URL, typed(time_zone="")), "time_zone")


def test_an_error_is_tied_to_its_field_for_those_who_do_not_see_it(administrator_client):
    html = administrator_client.post(URL, typed(fqdn="a_1")).content.decode()
    control = re.search(r'<input[^>]*id="id_fqdn"[^>]*>', html).group(0)
    assert 'aria-invalid="true"' in control
    assert 'aria-describedby="id_fqdn_helptext id_fqdn_error"' in control
    assert 'id="id_fqdn_helptext"' in html


def test_the_servers_name_stands_once(administrator_client):
    response = administrator_client.post(URL, typed(fqdn="pbx.example", dns_names="PBX.example"))
    assert "already" in sentences(response, "dns_names")


def test_ntp_without_a_server_is_refused(administrator_client):
    assert sentences(administrator_client.post(URL, typed(ntp_enabled="on")), "ntp_servers")


def test_what_somebody_else_has_stored_is_shown_in_the_readers_words(administrator_client, general):
    mine = typed(site_name="South", language="en", on_this_machine=None)
    administrator_client.post(URL, typed(system_id="4711"))
    administrator_client.cookies["django_language"] = "de"

    html = administrator_client.post(URL, mine).content.decode()
    assert "Jetzt gespeichert: Deutsch" in html
    assert "Jetzt gespeichert: de" not in html
    assert "Jetzt gespeichert: ein" in html
    assert "Jetzt gespeichert: leer" in html


def test_a_loopback_address_is_allowed_with_a_warning(administrator_client, general):
    response = administrator_client.post(URL, typed(ip_addresses="127.0.0.1"), follow=True)
    assert "message-warning" in response.content.decode()
    general.refresh_from_db()
    assert general.ip_addresses == ["127.0.0.1"]


def test_an_address_that_others_reach_gives_no_warning(administrator_client):
    response = administrator_client.post(URL, typed(ip_addresses="192.0.2.1"), follow=True)
    assert "message-success" in response.content.decode()
    assert "message-warning" not in response.content.decode()


def test_the_second_of_two_administrators_is_told_and_overwrites_nothing(administrator_client, general):
    mine = typed(site_name="South", system_id="2")
    administrator_client.post(URL, typed(site_name="North", fqdn="pbx.example"))
    response = administrator_client.post(URL, mine)
    html = response.content.decode()
    assert "Somebody else" in html
    assert 'value="South"' in html
    assert "Stored now: North" in html
    assert "Stored now: pbx.example" in html
    general.refresh_from_db()
    assert (general.site_name, general.system_id) == ("North", "")

    version = re.search(r'name="version" value="(\d+)"', html).group(1)
    assert administrator_client.post(URL, {**mine, "version": version}).status_code == 302
    general.refresh_from_db()
    assert (general.site_name, general.system_id) == ("South", "2")


@pytest.mark.parametrize("version", ["", "abc", "-1"])
def test_a_form_that_is_not_ours_is_told_and_changes_nothing(administrator_client, general, version):
    html = administrator_client.post(URL, typed(site_name="North", version=version)).content.decode()
    assert "This page was out of date" in html
    assert 'value="North"' in html
    general.refresh_from_db()
    assert (general.site_name, general.version) == ("", 0)

    version = re.search(r'name="version" value="(\d+)"', html).group(1)
    assert administrator_client.post(URL, typed(site_name="North", version=version)).status_code == 302


def test_a_form_posted_twice_does_no_harm(administrator_client, general):
    data = typed(site_name="North")
    answers = [administrator_client.post(URL, data).status_code for _ in range(2)]
    general.refresh_from_db()
    assert answers == [302, 302]
    assert general.version == 1


def test_a_new_time_zone_makes_what_was_due_before_wait(administrator_client):
    Settings.load()
    before = timezone.now()
    administrator_client.post(URL, typed(time_zone="Asia/Tokyo"))
    assert Settings.load().schedule_saved_at >= before


def test_it_offers_the_addresses_of_this_machine_to_administrators_alone(administrator_client, viewer_client):
    assert b'data-offers-to="id_ip_addresses"' in administrator_client.get(URL).content or not offered()
    assert b"data-offers-to" not in viewer_client.get(URL).content


def offered() -> list[str]:
    from pbxcerts.system.network.interfaces import offered_addresses

    return offered_addresses()


def test_who_may_not_change_it_sees_all_and_can_type_nothing(viewer_client, general):
    General.objects.update(site_name="North")
    html = viewer_client.get(URL).content.decode()
    controls = re.findall(r'<(?:input|select|textarea)[^>]*id="id_(?!version|password_goes|names_in_doubt)[^>]*>', html)
    assert 'value="North"' in html
    assert len(controls) == 21
    assert all(" disabled" in control for control in controls)


def test_the_redirect_can_be_set_only_while_https_is_open(administrator_client, general, settings, tmp_path):
    settings.DATA = tmp_path
    (tmp_path / "run").mkdir()
    assert sentences(administrator_client.post(URL, typed(redirect_to_https="on")), "redirect_to_https")
    file = tmp_path / "run" / "https"
    file.write_text("8443")
    with file.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run_files.https_port() == 8443
        assert administrator_client.post(URL, typed(redirect_to_https="on")).status_code == 302
    general.refresh_from_db()
    assert general.redirect_to_https is True
    # It stays as it is, and does not stand in the way, when the listener is closed later.
    assert administrator_client.post(URL, typed(site_name="North")).status_code == 302


# -- the clock --------------------------------------------------------------------------------------------------------


def test_new_ntp_servers_are_asked_as_soon_as_they_are_applied(administrator_client):
    response = administrator_client.post(URL, typed(ntp_enabled="on", ntp_servers="127.0.0.1:9"), follow=True)
    assert response.redirect_chain[0][0] == f"{URL}?check"
    assert 'hx-trigger="submit, load"' in response.content.decode()
    assert 'hx-trigger="submit"' in administrator_client.get(URL).content.decode()


def test_a_server_that_does_not_answer_is_told_in_words(administrator_client):
    General.objects.update(ntp_enabled=True, ntp_servers=["127.0.0.1:9"])
    response = administrator_client.post(reverse("system:general_check"), headers={"HX-Request": "true"})
    html = response.content.decode()
    assert "127.0.0.1:9" in html
    assert "nobody is there" in html
    assert "<html" not in html
    assert ClockCheck.objects.count() == 1


def test_without_htmx_a_check_leads_back_to_the_page(operator_client):
    General.objects.update(ntp_enabled=True, ntp_servers=["127.0.0.1:9"])
    assert operator_client.post(reverse("system:general_check")).headers["Location"] == URL


def test_the_state_of_the_clock_is_shown_with_offset_stratum_server_and_time(administrator_client):
    from pbxcerts.system.time.timekeeping import read_machine

    General.objects.update(ntp_enabled=True, ntp_servers=["time.example"])
    instant = read_machine()
    check = ClockCheck.objects.create(
        checked_at=instant.wall,
        boottime=instant.boottime,
        boot_id=instant.boot_id,
        offset=timedelta(milliseconds=-12),
        server="time.example",
        stratum=2,
        answers=[{"server": "time.example", "outcome": "answered", "offset_seconds": -0.012, "stratum": 2}],
    )
    Heartbeat.load()
    Heartbeat.objects.update(last_check=check)
    html = administrator_client.get(URL).content.decode()
    assert "The clock is right." in html
    assert "0.012 s ahead" in html
    assert "time.example" in html
    assert timezone.localtime(instant.wall, General.load().zone).strftime("%H:%M:%S") in html


def test_while_the_service_is_off_the_page_says_what_that_means(viewer_client):
    viewer_client.cookies["django_language"] = "en"
    html = viewer_client.get(URL).content.decode()
    assert "renewed only shortly before they end" in html
    assert "severity-critical" in html


# -- a clock that was set by hand (rule clock-accepted) ----------------------------------------------------------------

ACCEPT = "/system/general/clock/accept/"


@pytest.fixture
def set_by_hand(monkeypatch):
    """The service is off; the clock was known an hour ago, and since then somebody has set it two days ahead."""
    reading = timekeeping.read_machine()
    known = reading.wall - timedelta(days=2)
    Heartbeat.load()
    Heartbeat.objects.update(wall=known, boottime=reading.boottime, boot_id=reading.boot_id)
    return known


def test_both_times_stand_on_the_page_and_a_tick_accepts_the_machines(administrator_client, set_by_hand):
    html = administrator_client.get(URL).content.decode()
    assert "Time that counts" in html
    for shown in (set_by_hand, set_by_hand + timedelta(days=2)):
        assert f"{timezone.localtime(shown, General.load().zone):%-d %b %Y}" in html
    response = administrator_client.post(ACCEPT, {"accept": "on"}, follow=True)
    assert "The clock of this machine counts now." in response.content.decode()
    assert timekeeping.current_clock().jumped is None
    assert EventMessage.objects.get(kind="clock_accepted").params["by"] == "anna"
    assert ACCEPT not in administrator_client.get(URL).content.decode()


def test_without_the_tick_nothing_is_accepted(administrator_client, set_by_hand):
    response = administrator_client.post(ACCEPT, {}, follow=True)
    assert "Tick" in response.content.decode()
    assert timekeeping.current_clock().jumped is not None


def test_where_nothing_is_to_be_accepted_it_is_not_offered_and_says_so(administrator_client):
    html = administrator_client.get(URL).content.decode()
    assert ACCEPT not in html
    assert "Time that counts" not in html
    response = administrator_client.post(ACCEPT, {"accept": "on"}, follow=True)
    assert "There is nothing to accept" in response.content.decode()
    assert not EventMessage.objects.exists()


def test_only_an_administrator_accepts_the_clock(operator_client, set_by_hand):
    assert ACCEPT not in operator_client.get(URL).content.decode()
    assert operator_client.post(ACCEPT, {"accept": "on"}).status_code == 403
    assert timekeeping.current_clock().jumped is not None


def test_what_was_applied_is_said_with_what_it_was(administrator_client):
    page = administrator_client.post(URL, typed(site_name="North", ip_addresses="192.0.2.7"), follow=True)

    said = page.content.decode()
    assert "Site name: empty → North." in said
    assert "IP addresses: empty → 192.0.2.7." in said
    assert "Time zone:" not in said


@pytest.mark.parametrize("entered", ["europe/zurich", "Europe/Zurich ", "zurich", "ZURICH"])
def test_a_zone_is_found_by_its_city_and_whatever_its_capitals(administrator_client, entered):
    assert administrator_client.post(URL, typed(time_zone=entered)).status_code == 302
    assert General.load().time_zone == "Europe/Zurich"


def test_a_city_of_two_words_is_found(administrator_client):
    administrator_client.post(URL, typed(time_zone="new york"))

    assert General.load().time_zone == "America/New_York"


def folded(html):
    """The sections that are closed."""
    return {name for name, rest in re.findall(r'<details id="(\w+)"([^>]*)>', html) if "open" not in rest}


def test_what_is_rarely_changed_is_folded_unless_something_is_wrong_in_it(administrator_client):
    every = {"access", "language", "security", "backups"}
    assert folded(administrator_client.get(URL).content.decode()) >= every

    wrong = administrator_client.post(URL, typed(logout_after_minutes="1")).content.decode()
    assert every - folded(wrong) == {"security"}
