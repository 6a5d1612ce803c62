"""The list of terminals, the page of each, and what an operator changes about one."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.formats import date_format

from pbxcerts.system import sealing
from pbxcerts.system.models import General
from pbxcerts.system.network.endpoint import Endpoint
from terminals.evidence.models import Discovered
from terminals.models import Installation, Rollout, Terminal

LIST = "/terminals/"
ZURICH = ZoneInfo("Europe/Zurich")


def listed(response):
    """The numbers in the list, in its order."""
    return re.findall(r'<th scope="rowgroup"[^>]*>\s*<a href="/terminals/\d+/">([^<]+)</a>', response.content.decode())


def add(number, type_, **values):
    return Terminal.objects.create(number=number, type=type_, **values)


@pytest.fixture
def four(types):
    now = timezone.now()
    add("101", types["Snom"], name="Reception", mac="00085D112233", address="192.0.2.7", last_contact=now)
    add("102", types["Mitel 6930"], name="Workshop", last_contact=now - timedelta(days=1), firmware="6.4.0.140-SIP")
    add("103", types["Snom"], name="Archive", enabled=False)
    add("+4144555", types["Yealink"], name="Büro <1>", mac="00085D112244", address="192.0.2.70:5062")


def entry(type_, **values):
    return {"number": "101", "type": type_.pk, "transport": "udp", "enabled": "on"} | values


# -- the list ----------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_so(viewer_client, text):
    assert "No terminals are known yet." in text(viewer_client.get(LIST))


def test_it_is_searched_filtered_and_sorted(four, viewer_client, subtests):
    for query, found in [
        ("", ["+4144555", "101", "102", "103"]),
        ("order=-number", ["103", "102", "101", "+4144555"]),
        ("order=name", ["103", "+4144555", "101", "102"]),
        ("order=type", ["102", "101", "103", "+4144555"]),
        ("order=-contact", ["101", "102", "103", "+4144555"]),
        ("order=mac", ["102", "103", "101", "+4144555"]),
        ("order=address", ["102", "103", "101", "+4144555"]),
        ("order=-address", ["+4144555", "101", "103", "102"]),
        ("order=state", ["+4144555", "101", "102", "103"]),
        ("order=-state", ["103", "102", "101", "+4144555"]),
        ("order=nonsense&type=nonsense&state=nonsense&page=nonsense", ["+4144555", "101", "102", "103"]),
        ("text=work", ["102"]),
        ("text=10", ["101", "102", "103"]),
        ("text=00:08:5d:11:22:33", ["101"]),
        ("text=11-22-44", ["+4144555"]),
        ("text=192.0.2.7", ["+4144555", "101"]),
        ("text=%25", []),
        ("state=disabled", ["103"]),
        ("state=not_yet", ["+4144555", "101", "102"]),
        ("state=confirmed", []),
    ]:
        with subtests.test(query=query, found=found):
            assert listed(viewer_client.get(f"{LIST}?{query}")) == (found or [])


def test_it_is_filtered_by_type(four, viewer_client, types):
    assert listed(viewer_client.get(f"{LIST}?type={types['Snom'].pk}&text=e")) == ["101", "103"]


def test_a_line_shows_what_is_known_and_breaks_no_page(four, viewer_client, text):
    response = viewer_client.get(LIST)

    assert "Büro <1>" not in response.content.decode()
    for shown in (
        "Reception",
        "Snom",
        "00:08:5D:11:22:33",
        "192.0.2.7",
        "6.4.0.140-SIP",
        "disabled",
        "not taken in yet",
    ):
        assert shown in text(response)


def test_there_are_fifty_on_a_page_and_the_filter_goes_along(types, viewer_client):
    Terminal.objects.bulk_create(Terminal(number=str(n), name="desk", type=types["Snom"]) for n in range(1000, 1101))
    last = viewer_client.get(f"{LIST}?text=desk&order=-number&page=3")

    assert listed(last) == ["1000"]
    assert "?text=desk&amp;order=-number&amp;page=2" in last.content.decode()
    assert len(listed(viewer_client.get(f"{LIST}?text=desk"))) == 50


def pages_offered(response):
    return {name: number for number, name in re.findall(r'page=(\d+)">(\w+)</a>', response.content.decode())}


def test_a_long_list_leads_to_its_first_and_last_page(types, viewer_client):
    Terminal.objects.bulk_create(Terminal(number=str(n), type=types["Snom"]) for n in range(1000, 1201))

    assert pages_offered(viewer_client.get(LIST)) == {"Next": "2", "Last": "5"}
    assert pages_offered(viewer_client.get(f"{LIST}?page=3")) == {
        **{"First": "1", "Previous": "2"},
        **{"Next": "4", "Last": "5"},
    }
    assert pages_offered(viewer_client.get(f"{LIST}?page=4")) == {"First": "1", "Previous": "3", "Next": "5"}


def test_it_says_which_roots_a_terminal_trusts_since_when_and_why(fleet, viewer_client, text):
    fleet.equipped(1)
    fleet.during(timedelta(minutes=1))

    page = text(viewer_client.get(LIST))

    assert "trusts 1: fetched 1 Jul 2026" in page
    assert "confirmed" in page


def test_it_says_why_one_failed_and_when_it_is_asked_again(fleet, viewer_client, text):
    refusing, absent, new = (phone.terminal for phone in fleet.add(3))
    again = fleet.world.now + timedelta(minutes=4)
    Installation.objects.create(generation_id=1, terminal=refusing, state="failed", failure="refused")
    Installation.objects.create(generation_id=1, terminal=absent, state="absent", next_at=again)

    page = text(viewer_client.get(LIST))

    assert "It refuses the notification." in page
    assert f"next attempt {date_format(timezone.localtime(again, ZURICH), 'SHORT_DATETIME_FORMAT')}" in page
    assert listed(viewer_client.get(f"{LIST}?state=failed")) == [refusing.number]
    assert listed(viewer_client.get(f"{LIST}?state=absent")) == [absent.number]
    assert listed(viewer_client.get(f"{LIST}?state=not_yet")) == [new.number]


@pytest.fixture
def a_hundred_and_eighty(types, fleet):
    """Of two types more than fit on a page, of the others a few; one in four disabled, one in three failed."""
    names = ["Snom", "Yealink", *sorted(types.keys() - {"Snom", "Yealink"})[:4]]
    kinds = [names[min(n % 8, 5)] if n % 3 else names[n % 2] for n in range(180)]
    Terminal.objects.bulk_create(
        Terminal(number=str(1000 + n), type=types[kind], enabled=n % 4 > 0) for n, kind in enumerate(kinds)
    )
    failed = Terminal.objects.filter(number__regex="[0369]$")
    Installation.objects.bulk_create(Installation(generation_id=1, terminal=one, state="failed") for one in failed)


@pytest.mark.parametrize("state", ["", "failed", "disabled", "not_yet"])
@pytest.mark.parametrize("of_one_type", [False, True])
def test_by_type_the_pages_hold_each_once_by_the_names_of_the_types(
    a_hundred_and_eighty, types, viewer_client, state, of_one_type
):
    wanted = Terminal.objects.order_by("type__name", "number")
    if of_one_type:
        wanted = wanted.filter(type=types["Snom"])
    failed = Q(installations__state="failed")
    wanted = {
        "": wanted,
        "failed": wanted.filter(failed, enabled=True),
        "disabled": wanted.filter(enabled=False),
        "not_yet": wanted.filter(enabled=True).exclude(failed),
    }[state]
    numbers = list(wanted.values_list("number", flat=True))
    chosen = {"state": state, "type": types["Snom"].pk if of_one_type else ""}

    for order, in_order in [("type", numbers), ("-type", numbers[::-1])]:
        pages = [
            listed(viewer_client.get(LIST, {**chosen, "order": order, "page": page + 1}))
            for page in range(-(-len(numbers) // 50))
        ]
        assert [number for page in pages for number in page] == in_order
        assert all(len(page) == 50 for page in pages[:-1])


@pytest.mark.parametrize("order", ["type", "state", "-address"])
def test_its_queries_do_not_depend_on_how_many_there_are(types, viewer_client, order):
    viewer_client.get(LIST)  # makes the rows that there is one of
    counts = []
    for last in (1010, 1200):
        Terminal.objects.all().delete()
        Terminal.objects.bulk_create(Terminal(number=str(n), type=types["Snom"]) for n in range(1000, last))
        with CaptureQueriesContext(connection) as captured:
            viewer_client.get(f"{LIST}?text=1&order={order}")
        counts.append(len(captured))

    assert counts[0] == counts[1] <= 15


# -- adding and editing ------------------------------------------------------------------------------------------------


def test_an_operator_adds_one(operator_client, types, text):
    response = operator_client.post("/terminals/add/", entry(types["Snom"], mac="00-08-5d-11-22-33"), follow=True)

    assert "The terminal 101 has been added." in text(response)
    added = Terminal.objects.get()
    assert (added.number, added.type, added.mac, added.enabled) == ("101", types["Snom"], "00085D112233", True)
    assert len(added.path_secret) == 43


def test_a_bad_entry_adds_nothing_and_has_its_sentence(operator_client, types, subtests):
    add("102", types["Snom"], mac="00085D112233")
    for field, value in [
        ("number", ""),
        ("number", "102"),
        ("number", "a b"),
        ("mac", "zz"),
        ("mac", "00:08:5D:11:22:33"),
        ("address", "pbx.example.com"),
        ("transport", "sctp"),
        ("type", "99999"),
        ("type", ""),
        ("own_lines", "no colon"),
        ("own_lines", "sips trusted certificates: http://elsewhere/"),
    ]:
        with subtests.test(field=field, value=value):
            response = operator_client.post("/terminals/add/", entry(types["Snom"]) | {field: value})

            assert f'id="id_{field}_error"' in response.content.decode()
            assert Terminal.objects.count() == 1


def test_a_password_is_written_never_read(operator_client, types, key_file):
    operator_client.post("/terminals/add/", entry(types["Snom"], sip_password="Se=cret 1"))
    one = Terminal.objects.get()

    assert sealing.unseal(one.sip_password) == b"Se=cret 1"
    for url in ("", "edit/", "delete/"):
        assert "Se=cret" not in operator_client.get(f"/terminals/{one.pk}/{url}").content.decode()
    assert "Se=cret" not in operator_client.get("/terminals/export/").content.decode()


def test_an_empty_password_leaves_the_stored_one_until_it_is_deleted(operator_client, types, key_file):
    operator_client.post("/terminals/add/", entry(types["Snom"], sip_password="secret"))
    one = Terminal.objects.get()
    edit = f"/terminals/{one.pk}/edit/"

    operator_client.post(edit, entry(types["Snom"], name="Hall"))
    one.refresh_from_db()
    assert (one.name, sealing.unseal(one.sip_password)) == ("Hall", b"secret")

    operator_client.post(edit, entry(types["Snom"], forget_password="on"))
    one.refresh_from_db()
    assert one.sip_password is None


KEPT = {"sip_user": "u101", "sip_realm": "phones", "address": "192.0.2.7"}


def with_password(type_, **values):
    return add("101", type_, sip_password=sealing.seal(b"secret"), **{**KEPT, **values})


@pytest.mark.parametrize(
    ("way", "changed"),
    [
        ("server", {"sip_realm": "mine"}),
        ("server", {"sip_realm": ""}),
        ("server", {"sip_user": "u102"}),
        ("server", {"number": "102"}),
        ("server", {"way": "direct"}),
        ("server", {"type": "straight"}),
        ("direct", {"address": "192.0.2.66"}),
        ("direct", {"address": "192.0.2.7:5070"}),
        ("direct", {"transport": "tcp"}),
        ("direct", {"sip_realm": "mine"}),
    ],
)
def test_a_password_goes_with_a_change_that_lets_its_answer_go_elsewhere_and_that_is_said_before(
    operator_client, types, text, key_file, way, changed
):
    types["Yealink"].way = "direct"
    types["Yealink"].save()
    kind = types["Yealink"] if changed.get("type") else types["Mitel 6930"]
    one = with_password(types["Mitel 6930"], way="" if changed.get("type") else way)
    edit, sent = f"/terminals/{one.pk}/edit/", entry(types["Mitel 6930"], **KEPT, way=one.way) | changed
    sent["type"] = kind.pk

    told = operator_client.post(edit, sent)

    assert "So applying deletes it." in text(told)
    one.refresh_from_db()
    assert sealing.unseal(one.sip_password) == b"secret", "what is only told about is not done yet"

    again = told.context["form"]["password_goes"].value()
    page = operator_client.post(edit, sent | {"password_goes": again}, follow=True)

    assert "Its stored SIP password has been deleted" in text(page)
    one.refresh_from_db()
    assert one.sip_password is None


@pytest.mark.parametrize(
    ("way", "changed"),
    [
        ("server", {"address": "192.0.2.66"}),
        ("server", {"transport": "tls"}),
        ("server", {"name": "Hall"}),
        ("direct", {"name": "Hall"}),
        ("direct", {"address": "192.0.2.7:5060"}),
        ("direct", {"way": "server"}),
        ("direct", {"sip_realm": "mine", "sip_password": "typed anew"}),
    ],
)
def test_a_password_stays_where_its_answer_goes_where_it_went(operator_client, types, key_file, way, changed):
    one = with_password(types["Mitel 6930"], way=way)

    operator_client.post(f"/terminals/{one.pk}/edit/", entry(types["Mitel 6930"], **KEPT, way=way) | changed)

    one.refresh_from_db()
    assert sealing.unseal(one.sip_password) == changed.get("sip_password", "secret").encode()


def test_a_realm_that_is_written_out_is_no_other_one(operator_client, types, key_file):
    General.objects.update(fqdn="pbx.example.com")
    one = with_password(types["Mitel 6930"], way="server", sip_realm="", sip_user="")

    sent = entry(types["Mitel 6930"], way="server", sip_realm="pbx.example.com", sip_user="101")
    operator_client.post(f"/terminals/{one.pk}/edit/", sent)

    one.refresh_from_db()
    assert (one.sip_realm, sealing.unseal(one.sip_password)) == ("pbx.example.com", b"secret")


def test_own_lines_with_passwords_are_shown_to_administrators_only(operator_client, administrator_client, types, text):
    lines = "sip mode: 1\nsip line1 password: Se=cret 1"
    one = add("101", types["Mitel 6930"], own_lines=lines)
    edit = f"/terminals/{one.pk}/edit/"

    page = operator_client.get(edit)
    assert "Se=cret" not in page.content.decode()
    assert "only administrators see and change them" in text(page)
    assert "Se=cret" in administrator_client.get(edit).content.decode()

    operator_client.post(edit, entry(types["Mitel 6930"], name="Hall", own_lines="sip mode: 2"))
    one.refresh_from_db()
    assert (one.name, one.own_lines) == ("Hall", lines)


def test_own_lines_without_passwords_are_every_operators(operator_client, types):
    one = add("101", types["Mitel 6930"], own_lines="sip mode: 1")
    edit = f"/terminals/{one.pk}/edit/"

    assert "sip mode: 1" in operator_client.get(edit).content.decode()
    operator_client.post(edit, entry(types["Mitel 6930"], own_lines="sip mode: 2"))
    one.refresh_from_db()
    assert one.own_lines == "sip mode: 2"


def test_a_password_that_cannot_be_encrypted_is_not_stored(operator_client, types, settings, tmp_path):
    settings.KEY_FILE = tmp_path / "broken.key"
    settings.KEY_FILE.write_text("no key\n")

    response = operator_client.post("/terminals/add/", entry(types["Snom"], sip_password="secret"))

    assert 'id="id_sip_password_error"' in response.content.decode()
    assert not Terminal.objects.exists()


def test_a_contact_during_an_edit_is_not_overwritten(operator_client, types):
    one = add("101", types["Snom"])
    operator_client.get(f"/terminals/{one.pk}/edit/")
    Terminal.objects.update(firmware="7.0", token_sha256="a" * 64)

    operator_client.post(f"/terminals/{one.pk}/edit/", entry(types["Snom"], name="Hall"))

    one.refresh_from_db()
    assert (one.name, one.firmware, one.token_sha256) == ("Hall", "7.0", "a" * 64)


def test_another_mac_forgets_what_the_telephone_before_trusted(fleet, operator_client):
    [phone] = fleet.equipped(mac="00085D000001")
    one = phone.terminal

    operator_client.post(f"/terminals/{one.pk}/edit/", entry(one.type, number=one.number, mac="00085D000001"))
    assert Installation.objects.filter(confirmed_at__isnull=False).exists()
    assert Terminal.objects.get().path_secret == one.path_secret

    operator_client.post(f"/terminals/{one.pk}/edit/", entry(one.type, number=one.number, mac="00085D000002"))
    assert not Installation.objects.exists()
    assert Terminal.objects.get().path_secret != one.path_secret


def test_the_secret_path_is_renewed_after_a_question(fleet, operator_client, viewer_client, text):
    one, other = (phone.terminal for phone in fleet.equipped(2))
    url = f"/terminals/{one.pk}/new-path/"
    assert "At the old address it gets nothing any more" in text(operator_client.get(url))
    assert viewer_client.post(url).status_code == 403
    assert Terminal.objects.get(pk=one.pk).path_secret == one.path_secret

    operator_client.post(url)

    assert len(Terminal.objects.get(pk=one.pk).path_secret) == 43
    assert Terminal.objects.get(pk=one.pk).path_secret != one.path_secret
    assert Terminal.objects.get(pk=other.pk).path_secret == other.path_secret


def test_it_is_disabled_and_enabled(operator_client, types, text):
    one = add("101", types["Snom"])

    for _ in range(2):
        operator_client.post(f"/terminals/{one.pk}/enable/", {"enabled": "false"})
        one.refresh_from_db()
        assert not one.enabled
    assert "This terminal is disabled" in text(operator_client.get(f"/terminals/{one.pk}/"))
    operator_client.post(f"/terminals/{one.pk}/enable/", {"enabled": "true"})
    one.refresh_from_db()
    assert one.enabled


def test_it_is_deleted_after_a_question(fleet, operator_client, text):
    [phone] = fleet.equipped()
    url = f"/terminals/{phone.terminal.pk}/delete/"

    assert "it refuses the communication server" in text(operator_client.get(url))
    assert Terminal.objects.exists()
    assert "has been deleted" in text(operator_client.post(url, follow=True))
    assert not Terminal.objects.exists()
    assert not Installation.objects.exists()


@pytest.mark.parametrize(
    ("state", "in_list", "in_story"),
    [
        ("absent", "next attempt", "next attempt"),
        ("waiting", "next attempt", "next attempt"),
        ("heard", "", "given up, if nothing has come by then"),
    ],
)
def test_the_time_of_one_that_was_asked_is_no_next_attempt(fleet, viewer_client, text, state, in_list, in_story):
    [phone] = fleet.add()
    again = fleet.world.now + timedelta(minutes=45)
    Installation.objects.create(generation_id=1, terminal=phone.terminal, state=state, asked_at=again, next_at=again)
    at = date_format(timezone.localtime(again, ZURICH), "SHORT_DATETIME_FORMAT")

    listed_on, told_on = text(viewer_client.get(LIST)), text(viewer_client.get(f"/terminals/{phone.terminal.pk}/"))

    assert (f"next attempt {at}" in listed_on) == bool(in_list)
    assert f"{at} {in_story}" in told_on


def test_after_the_end_of_its_rollout_nothing_is_tried_any_more(fleet, viewer_client, text):
    [phone] = fleet.add()
    again = fleet.world.now + timedelta(minutes=45)
    Rollout.objects.create(generation_id=1, started_at=again, state="ended", ended_at=again)
    Installation.objects.create(generation_id=1, terminal=phone.terminal, state="absent", asked_at=again, next_at=again)

    assert "next attempt" not in text(viewer_client.get(f"/terminals/{phone.terminal.pk}/"))


# -- the page of one ---------------------------------------------------------------------------------------------------


def test_its_page_tells_the_story_of_each_generation(fleet, viewer_client, text):
    [phone] = fleet.equipped()
    at = fleet.world.now
    Installation.objects.create(
        generation_id=1 if not Installation.objects.filter(generation=1).exists() else fleet.world.generate().number,
        terminal=phone.terminal,
        state="failed",
        attempts=2,
        asked_at=at,
        answered_at=at,
        status_code=403,
        reaction="refused",
        failure="refused",
        failed_at=at,
        fetched_at=at,
        fetched_file="<2.cafe>",
        user_agent="Mitel6930 MAC:14-00-E9-1E-DB-52 V:6.4.0.140-SIP",
        address="192.0.2.99",
        address_differs=True,
    )

    page = text(viewer_client.get(f"/terminals/{phone.terminal.pk}/"))

    for told in (
        "Generation 1",
        "Generation 2",
        "it fetched the trust file",
        "asked, attempt 2",
        "answered with status 403: refused",
        "fetched &lt;2.cafe&gt; from 192.0.2.99",
        "another address",
        "Mitel6930 MAC:14-00-E9-1E-DB-52",
        "It refuses the notification.",
    ):
        assert told in page


def test_its_page_tells_what_is_entered_and_what_it_said_of_itself(fleet, viewer_client, text):
    entered = {"notes": "behind the door", "sip_user": "u101", "sip_realm": "phones", "firmware": "6.4.0.140-SIP"}
    [phone] = fleet.add(last_contact=datetime(2031, 1, 31, tzinfo=UTC), last_address="192.0.2.99", **entered)

    page = text(viewer_client.get(f"/terminals/{phone.terminal.pk}/"))

    assert "u101, phones" in page
    for told in (entered["notes"], entered["firmware"], "2031", "(192.0.2.99)"):
        assert told in page


@pytest.mark.parametrize(
    ("method", "seen", "told"),
    [
        ("ip_system", {"evidence": "reported", "address": "192.0.2.7"}, "reported what it trusts from 192.0.2.7"),
        ("sip_standard", {}, "its personal link was opened"),
    ],
)
def test_its_story_says_how_it_came_without_a_file(fleet, viewer_client, text, method, seen, told):
    [phone] = fleet.add(of=fleet.type("A type", method))
    at = fleet.world.now
    Installation.objects.create(generation_id=1, terminal=phone.terminal, asked_at=at, fetched_at=at, **seen)

    assert told in text(viewer_client.get(f"/terminals/{phone.terminal.pk}/"))


@pytest.mark.parametrize(("method", "word"), [("mitel_sip", "restarting"), ("ip_system", "answered")])
def test_only_one_that_has_to_is_called_restarting(fleet, viewer_client, text, method, word):
    [phone] = fleet.add(of=fleet.type("A type", method))
    Installation.objects.create(generation_id=1, terminal=phone.terminal, state="heard")

    for page in (LIST, f"/terminals/{phone.terminal.pk}/"):
        shown = re.search(r'<span class="pill pill-heard">(.*?)</span>', viewer_client.get(page).content.decode())
        assert shown[1] == word


def test_one_that_was_absent_for_a_reason_says_it_only_while_it_is(fleet, viewer_client, text):
    [phone] = fleet.add()
    row = Installation.objects.create(
        generation_id=1, terminal=phone.terminal, state="absent", reaction="absent", failure="untrusted"
    )
    page = f"/terminals/{phone.terminal.pk}/"
    assert "another certificate than ours is presented" in text(viewer_client.get(page))

    Installation.objects.filter(pk=row.pk).update(state="confirmed", confirmed_at=fleet.world.now)

    assert "another certificate than ours is presented" not in text(viewer_client.get(page))


def test_only_administrators_are_shown_the_address_of_its_own_at_which_a_mitel_phone_gets_its_passwords(
    types, administrator_client, operator_client, viewer_client, settings, text
):
    settings.TERMINALS_HTTPS = Endpoint("192.0.2.10", 8443)
    General.objects.update(own_names=["certs.example.com"])
    mitel, snom = add("101", types["Mitel 6930"]), add("102", types["Snom"])
    address = f"https://certs.example.com:8443/{mitel.path_secret}/"

    assert address in text(administrator_client.get(f"/terminals/{mitel.pk}/"))
    for client in (viewer_client, operator_client):
        assert mitel.path_secret not in client.get(f"/terminals/{mitel.pk}/").content.decode()
    assert snom.path_secret not in administrator_client.get(f"/terminals/{snom.pk}/").content.decode()


def test_a_terminal_that_there_is_not_is_not_found(viewer_client):
    assert viewer_client.get("/terminals/7/").status_code == 404


# -- discovered --------------------------------------------------------------------------------------------------------


@pytest.fixture
def phone(db):
    now = timezone.now()
    return Discovered.objects.create(
        mac="1400E91EDB52",
        model="6930",
        firmware="6.4",
        source="192.0.2.9",
        address="192.0.2.9",
        first_seen=now,
        last_seen=now,
    )


def test_a_discovered_phone_becomes_a_terminal(operator_client, phone, types, text):
    assert "1 telephone asked for its configuration" in text(operator_client.get(LIST))
    page = operator_client.get(f"/terminals/discovered/{phone.pk}/").content.decode()
    assert 'value="14:00:E9:1E:DB:52"' in page
    assert f'<option value="{types["Mitel 6930"].pk}" selected' in page

    operator_client.post(f"/terminals/discovered/{phone.pk}/", entry(types["Mitel 6930"], mac=phone.mac))

    assert Terminal.objects.get().mac == phone.mac
    assert not Discovered.objects.exists()


def test_the_list_of_discovered_phones_tells_what_each_said_and_how_often(viewer_client, phone):
    Discovered.objects.update(requests=17, first_seen=datetime(2031, 1, 30, tzinfo=UTC))
    Discovered.objects.update(last_seen=datetime(2032, 1, 31, tzinfo=UTC))
    [row] = re.findall(r"(?s)<tbody>(.*)</tbody>", viewer_client.get("/terminals/discovered/").content.decode())

    for told in ("14:00:E9:1E:DB:52", "6930", "6.4", "192.0.2.9", "2031", "2032", "17"):
        assert told in row


def test_one_click_makes_a_discovered_phone_a_terminal(operator_client, phone, types, text):
    page = text(operator_client.post(f"/terminals/discovered/{phone.pk}/adopt/", follow=True))

    found = Terminal.objects.get()
    assert (found.number, found.mac, found.type) == (phone.mac, phone.mac, types["Mitel 6930"])
    # No server knows a telephone by its MAC.
    assert (found.way, found.address) == ("direct", "192.0.2.9")
    assert "14:00:E9:1E:DB:52 is in the list" in page
    assert "address 192.0.2.9. Who fetches from there confirms for it" in page
    assert not Discovered.objects.exists()


def test_before_it_is_added_it_is_said_that_its_address_will_prove(operator_client, phone, text):
    """Anybody could have asked first with its MAC."""
    warning = "make sure that the address is that of the telephone"
    assert warning in text(operator_client.get("/terminals/discovered/"))

    Discovered.objects.all().delete()
    assert warning not in text(operator_client.get("/terminals/discovered/"))


def test_a_discovered_phone_of_an_unknown_model_is_added_all_the_same(operator_client, phone, types):
    Discovered.objects.update(model="")
    form = f"/terminals/discovered/{phone.pk}/"

    assert operator_client.get(form).status_code == 200
    assert operator_client.post(f"{form}adopt/").url == form, "a person says of what type it is"


def test_who_only_looks_takes_no_phone_in(viewer_client, phone, types):
    assert viewer_client.post(f"/terminals/discovered/{phone.pk}/adopt/").status_code == 403
    assert not Terminal.objects.exists()


def test_a_discovered_phone_is_dismissed(operator_client, phone, text):
    operator_client.post(f"/terminals/discovered/{phone.pk}/dismiss/")

    assert "None at present." in text(operator_client.get("/terminals/discovered/"))


def test_all_discovered_phones_are_dismissed_at_once(operator_client, phone, text):
    another_of(phone, mac="00085D4A905F")
    assert "Remove all" in text(operator_client.get("/terminals/discovered/"))

    page = text(operator_client.post("/terminals/discovered/dismiss-all/", follow=True))

    assert "2 entries have been removed" in page
    assert "None at present." in page
    assert "Remove all" not in page


def test_who_only_looks_dismisses_none(viewer_client, phone, text):
    assert "Remove all" not in text(viewer_client.get("/terminals/discovered/"))
    assert viewer_client.post("/terminals/discovered/dismiss-all/").status_code == 403
    assert Discovered.objects.exists()


def test_a_mac_with_which_several_addresses_asked_is_told_and_no_single_click_takes_it_in(
    operator_client, phone, types, text
):
    assert "Several addresses" not in text(operator_client.get("/terminals/discovered/"))
    stranger = another_of(phone, source="198.51.100.66", address="198.51.100.66")
    page = text(operator_client.get("/terminals/discovered/"))
    assert page.count("Several addresses have asked with this MAC") == 2
    assert "1 telephone asked for its configuration" in text(operator_client.get(LIST))

    page = text(operator_client.post(f"/terminals/discovered/{stranger.pk}/adopt/", follow=True))

    assert "Several addresses have asked with the MAC 14:00:E9:1E:DB:52: 192.0.2.9, 198.51.100.66." in page
    assert not Terminal.objects.exists()

    operator_client.post(f"/terminals/discovered/{phone.pk}/", entry(types["Mitel 6930"], mac=phone.mac))
    assert Terminal.objects.get().mac == phone.mac
    assert not Discovered.objects.exists()


def another_of(phone, **values):
    same = {"mac": phone.mac, "source": phone.source, "first_seen": phone.first_seen, "last_seen": phone.last_seen}
    return Discovered.objects.create(**same | values)
