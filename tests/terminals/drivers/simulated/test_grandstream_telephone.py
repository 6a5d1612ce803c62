from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest

from certificates.pki import formats
from tests.support.makers.certificates import Unreadable, from_pem
from tests.support.makers.configuration_server import ConfigurationServer, presenting
from tests.support.makers.grandstream import Grandstream
from tests.terminals.drivers.simulated.asking import notify, notify_with_password
from tests.terminals.drivers.simulated.conftest import pair

MAC = "000b828aa872"
NAME = "pbx.example.com"
LOAD_ALL = {"P8502": "2"}


def a_grandstream(site, **options):
    return Grandstream(url=site.url, mac=MAC, names={NAME: "127.0.0.1"}, **options)


def a_file(values, *, mac=MAC):
    lines = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
    own = f"<mac>{mac}</mac>" if mac else ""
    return f'<?xml version="1.0"?><gs_provision version="1">{own}<config version="1">{lines}</config></gs_provision>'


def named(values):
    lines = "".join(f'<item name="{name}">{escape(value)}</item>' for name, value in values.items())
    return f'<gs_provision version="1"><config version="2">{lines}</config></gs_provision>'


def root(number):
    return formats.pem(pair(number).root).decode()


def chain(number):
    return formats.pem(pair(number).host).decode()


def give(telephone, site, values, *, restart=True):
    site.files[f"/cfg{MAC}.xml"] = a_file(values)
    telephone.poll()
    if restart:
        telephone.restart()


def test_it_asks_for_its_own_file_and_then_for_the_common_one(site):
    a_grandstream(site).poll()

    assert site.asked_for == [f"/cfg{MAC}.xml", "/cfg.xml"]
    assert site.requests[0].user_agent == f"Grandstream Model HW GXP2135 SW 1.0.11.74 DevId {MAC}"


def test_an_old_one_asks_for_the_binary_file_first(site):
    a_grandstream(site, firmware="1.0.7.97").poll()

    assert site.asked_for == [f"/cfg{MAC}", f"/cfg{MAC}.xml", "/cfg.xml"]


def test_the_first_file_is_the_only_one_until_it_is_told_to_take_all(site):
    telephone = a_grandstream(site)
    site.files["/cfg.xml"] = a_file(LOAD_ALL | {"P8433": root(1)}, mac=None)
    give(telephone, site, {"P8467": "1"})
    assert site.asked_for[0:1] == [f"/cfg{MAC}.xml"]
    assert "/cfg.xml" in site.asked_for[1:], "as it restarted it was told"

    assert telephone.trusts(chain(1))


def test_without_that_a_second_file_is_not_even_asked_for(site):
    telephone = a_grandstream(site)
    site.files["/cfg.xml"] = a_file(LOAD_ALL | {"P8433": root(1)}, mac=None)
    give(telephone, site, {"P270": "201"})

    assert "/cfg.xml" not in site.asked_for
    assert not telephone.trusts(chain(1))


def test_what_stands_in_its_own_file_overrides_the_common_one(site):
    telephone = a_grandstream(site)
    site.files["/cfg.xml"] = a_file(LOAD_ALL | {"P8433": root(1)}, mac=None)
    give(telephone, site, {"P8467": "1", "P8502": "0"})

    assert not telephone.trusts(chain(1))


def test_a_file_of_another_server_is_reached_where_its_own_server_sends_it_there(site):
    with ConfigurationServer({"/ours.xml": a_file(LOAD_ALL | {"P8433": root(1)}, mac=None)}) as ours:
        site.files["/cfg.xml"] = f"-> {ours.url}ours.xml"
        telephone = a_grandstream(site)
        telephone.poll()
        telephone.restart()

        assert telephone.trusts(chain(1))


# Slots


def test_it_ignores_its_slots_until_it_is_told_to_load_them(site):
    telephone = a_grandstream(site, built_in=(pair(9).root,))
    give(telephone, site, {"P8433": root(1)})
    assert not telephone.trusts(chain(1))

    for load, trusted in (("2", (True, True)), ("1", (True, False)), ("0", (False, True))):
        give(telephone, site, {"P8502": load})
        assert (telephone.trusts(chain(1)), telephone.trusts(chain(9))) == trusted


def test_six_slots_are_set_one_by_one_and_emptied_by_an_empty_element(site):
    telephone = a_grandstream(site)
    give(telephone, site, LOAD_ALL | {f"P{8432 + slot}": root(slot) for slot in range(1, 7)})
    assert all(telephone.trusts(chain(number)) for number in range(1, 7))

    give(telephone, site, {"P8433": root(7), "P8434": ""})

    assert [telephone.trusts(chain(number)) for number in (1, 2, 3, 7)] == [False, False, True, True]
    assert telephone.slots[1] == ""


def test_there_is_no_seventh_slot(site):
    telephone = a_grandstream(site)
    give(telephone, site, LOAD_ALL | {"P8439": root(1)})

    assert not telephone.trusts(chain(1))


def test_a_new_root_counts_from_the_next_restart_on(site):
    telephone = a_grandstream(site)
    give(telephone, site, LOAD_ALL | {"P8433": root(1)}, restart=False)
    assert not telephone.trusts(chain(1))
    assert telephone.slots[0]

    telephone.restart()

    assert telephone.trusts(chain(1))


def test_where_one_needs_no_restart_it_counts_at_once(site):
    telephone = a_grandstream(site, needs_restart=False)
    give(telephone, site, LOAD_ALL | {"P8433": root(1)}, restart=False)

    assert telephone.trusts(chain(1))


def test_a_slot_takes_4096_characters_and_no_more(site):
    telephone = a_grandstream(site)
    fits = root(1) + "#" * (4096 - len(root(1)))
    give(telephone, site, LOAD_ALL | {"P8433": fits, "P8434": root(2) + "#" * 4096})

    assert telephone.trusts(chain(1))
    assert not telephone.trusts(chain(2))
    assert ("P8434", "more than 4096 characters") in telephone.refused


def test_of_a_slot_with_two_it_uses_the_first(site):
    telephone = a_grandstream(site)
    give(telephone, site, LOAD_ALL | {"P8433": root(1) + root(2)})

    assert [telephone.trusts(chain(number)) for number in (1, 2)] == [True, False]


def test_what_cannot_be_read_leaves_its_slot_empty(site):
    telephone = a_grandstream(site)
    give(telephone, site, LOAD_ALL | {"P8433": root(1)})
    give(telephone, site, {"P8433": root(1).replace("\n", " ")})

    assert not telephone.trusts(chain(1))
    assert telephone.refused[-1].why.startswith("no PEM")


def test_a_pem_in_an_attribute_loses_its_line_breaks_unless_they_are_escaped():
    plain = ElementTree.fromstring(f'<a b="{root(1)}"/>').get("b")
    escaped = ElementTree.fromstring(f"<a b={quoteattr(root(1))}/>").get("b")

    assert from_pem(escaped) == [pair(1).root]
    with pytest.raises(Unreadable):
        from_pem(plain)


def test_newer_models_read_names_too_and_older_ones_refuse_them(site):
    names = {"trustedCACertificates.load": "2", "trustedCACertificates.trustedCACertificate.1": root(1)}
    site.files["/cfg.xml"] = named(names)
    newer, older = a_grandstream(site, model="GRP2614", firmware="1.0.5.15"), a_grandstream(site)
    for telephone in (newer, older):
        telephone.poll()
        telephone.restart()

    assert newer.trusts(chain(1))
    assert not older.trusts(chain(1))
    assert older.refused[-1].why == "<config version=2>"


def test_a_name_may_be_parted(site):
    site.files["/cfg.xml"] = (
        '<gs_provision version="1"><config version="2"><item name="trustedCACertificates">'
        '<part name="load">2</part></item></config></gs_provision>'
    )
    telephone = a_grandstream(site, model="GRP2614", firmware="1.0.5.15")
    telephone.poll()

    assert telephone.setting("P8502") == "2"


@pytest.mark.parametrize(
    ("model", "slots"),
    [
        ("GXP2135", "P8433 P8434 P8435 P8436 P8437 P8438"),
        ("WP826", "P8433 P8434 P8435 P8436 P8437 P8438"),
        ("WP820", "P2386 P2486 P2586 P2686 P2786 P2886"),
        ("GXV3240", "P2386 P2486 P2586 P2686 P2786 P2886"),
        (
            "GXV3370",
            "CACertificates.1 CACertificates.2 CACertificates.3 CACertificates.4 CACertificates.5 CACertificates.6",
        ),
    ],
)
def test_a_model_has_the_slots_that_templates_show(site, model, slots):
    assert a_grandstream(site, model=model).slot_names == slots.split()


def test_of_a_model_with_one_root_for_each_account_it_counts_there_alone(site):
    telephone = a_grandstream(site, model="GXV3240", firmware="1.0.3.219")
    give(telephone, site, {"P2486": root(1)})
    assert not telephone.trusts(chain(1))
    assert telephone.checks_of(2).anchors == (pair(1).root,)

    give(telephone, site, {"P2386": root(2)})
    assert telephone.trusts(chain(2))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (a_file({"P270": "x"}, mac="000b82000000"), "for 000b82000000"),
        ("<gs_provision version='1'><config", "no XML"),
        ("<gs_provision version='2'/>", "not <gs_provision"),
        ("<html/>", "not <gs_provision"),
    ],
)
def test_it_refuses_a_file_that_is_not_for_it(site, text, why):
    telephone = a_grandstream(site)
    site.files[f"/cfg{MAC}.xml"] = text

    telephone.poll()

    assert telephone.settings == {}
    assert telephone.refused[-1].why.startswith(why)


# Checks


def test_from_the_box_it_checks_nothing(site):
    with ConfigurationServer(tls=presenting(pair(1))) as server:
        assert a_grandstream(site).connect("127.0.0.1", server.port, name="elsewhere.example.com")


def test_told_to_it_checks_the_chain_and_then_the_domain(site):
    telephone = a_grandstream(site)
    with ConfigurationServer(tls=presenting(pair(1))) as server:
        give(telephone, site, {"P2367": "1"})
        assert not telephone.connect("127.0.0.1", server.port, name=NAME)

        give(telephone, site, LOAD_ALL | {"P8433": root(1)})
        assert telephone.connect("127.0.0.1", server.port, name="elsewhere.example.com")

        give(telephone, site, {"P2311": "1"})
        assert telephone.connect("127.0.0.1", server.port, name=NAME)
        assert not telephone.connect("127.0.0.1", server.port, name="elsewhere.example.com")


def test_the_domain_can_be_checked_alone(site):
    telephone = a_grandstream(site)
    give(telephone, site, {"P2311": "1"})
    with ConfigurationServer(tls=presenting(pair(1))) as server:
        assert telephone.connect("127.0.0.1", server.port, name=NAME)
        assert telephone.connect("127.0.0.1", server.port, name="192.0.2.10")
        assert not telephone.connect("127.0.0.1", server.port, name="elsewhere.example.com")


@pytest.mark.parametrize(
    ("model", "firmware", "goes_on"),
    [
        ("GXP2135", "1.0.11.74", True),
        ("GRP2614", "1.0.5.15", True),
        ("HT801", "1.0.45.2", False),
        ("GDS3710", "1.0.11.23", False),
    ],
)
def test_some_check_the_server_of_their_configuration_from_the_box(model, firmware, goes_on):
    with ConfigurationServer({"/cfg.xml": a_file({"P270": "201"}, mac=None)}, tls=presenting(pair(1))) as secure:
        telephone = a_grandstream(secure, model=model, firmware=firmware)

        telephone.poll()

        assert (telephone.setting("P270") == "201") is goes_on


# NOTIFY


def test_it_is_silent_to_who_does_not_know_the_password(site):
    telephone = a_grandstream(site)

    assert notify(telephone, "resync") is None

    assert not site.requests


def test_some_answer_with_a_challenge_and_take_the_password(site):
    telephone = a_grandstream(site, tells_challenge=True)

    assert notify(telephone, "resync") == 401
    assert notify_with_password(telephone, "resync").status == 200

    assert f"/cfg{MAC}.xml" in site.asked_for


@pytest.mark.parametrize(("event", "restarts"), [("resync", 0), ("check-sync", 0), ("check-sync;reboot=true", 1)])
def test_opened_it_does_what_the_event_says(site, event, restarts):
    telephone = a_grandstream(site)
    give(telephone, site, {"P4428": "1"}, restart=False)

    assert notify(telephone, event) == 200

    assert telephone.restarts == restarts


def test_it_says_how_often_it_asks_within_an_hour_and_sixty_days(site):
    telephone = a_grandstream(site)
    assert telephone.asks_every is None
    for given, minutes in (("1440", 1440), ("1", 60), ("999999", 86400)):
        give(telephone, site, {"P194": "1", "P193": given}, restart=False)
        assert telephone.asks_every == minutes


def test_a_factory_reset_empties_its_slots_and_it_asks_anew(site):
    telephone = a_grandstream(site)
    give(telephone, site, LOAD_ALL | {"P8433": root(1)})
    give(telephone, site, {"P8434": root(2)})

    telephone.factory_reset()

    assert telephone.slots == ["", root(2), "", "", "", ""]
    assert not telephone.trusts(chain(2)), "nobody has told it anew to load them"
