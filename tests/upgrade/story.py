"""What has happened at the site until its state is kept: three weeks, three people, six generations, fifty telephones.

Everything is done by the use cases of the product, at times of the story; only the network is replaced.
"""

from __future__ import annotations

import os

from django.conf import settings
from django.db import connection
from django.test import Client

from certificates.models import Generation
from certificates.renewal import orders as pair_orders
from certificates.renewal.handover import known_terminals
from pbxcerts.processes import startup
from pbxcerts.system.models import EventMessage, Role, User
from pbxcerts.system.sealing import seal
from pbxcerts.system.time.clock import ClockState
from pbxcerts.system.wake_worker import wake_worker
from terminals.by_hand import links
from terminals.by_hand.models import Link
from terminals.directory.csv import waiting_upload
from terminals.directory.device_tokens import token_hash
from terminals.drivers.base import Reaction
from terminals.drivers.registry import drivers
from terminals.evidence import recording
from terminals.evidence.facts import FetchedConfiguration, FetchedTrust, Proved, Reported, UnknownPhone
from terminals.evidence.journal import Journal
from terminals.models import DeliverySettings, Installation, Rollout, Terminal, TerminalType
from terminals.rollout import orders
from terminals.states import DeliveryState, Wave
from terminals.trust_file import generations_of, trust_file
from terminals.web import bootstrap
from tests.support.generations import DAY, HOUR, MINUTE, START, World, a_world
from tests.upgrade.contents import contents
from tests.upgrade.site import LINK, PASSWORD, PEOPLE, SIP_PASSWORD, TOKEN, Site, machine_at

ADDRESS = "192.0.2.99"


def tell() -> None:
    """Over no database and no data directory; prints when the story ends, and the contents."""
    with machine_at(START):
        os.close(startup.lock_data_directory(settings.DATA))
        startup.prepare()
        site = Site(_world())
        _people()
        _types()
        _delivery()
    _first_pair(site)
    _second_pair(site)
    _back_and_forth(site)
    _a_pair_that_is_discarded(site)
    _a_pair_by_schedule(site)
    _the_night(site)
    _what_people_have_open(site)
    if connection.vendor == "sqlite":
        connection.cursor().execute("VACUUM")
    print(f"It is {site.world.now:%Y-%m-%d %H:%M:%S}.")  # noqa: T201
    for line in contents():
        print(line)  # noqa: T201


def _world() -> World:
    world = a_world(
        settings.STORE,
        site_name="Zürich Süd",
        system_id="4711",
        dns_names=["sip.example.com"],
        own_names=["pbxcerts.example.com"],
        own_addresses=["192.0.2.11", "2001:db8::11"],
        interval_days=20,
        overlap_days=20,
        addresses_as_dns=True,
    )
    world.telephones = known_terminals()
    return world


def _people() -> None:
    for name, role in PEOPLE.items():
        User.objects.create_user(name, password=PASSWORD, role=Role(role))
    User.objects.create_user("gone", password=PASSWORD, role=Role.OPERATE, is_active=False)


def _types() -> None:
    """One of the administrator's own, one that he has changed."""
    TerminalType.objects.create(
        name="Lobby telephone",
        manufacturer="Acme",
        method="sip_standard",
        event="check-sync",
        way="direct",
        wants="host",
        holds_only_one=True,
        guide_en="Call the porter first.",
        guide_de="Vorher den Portier anrufen.",
    )
    TerminalType.objects.filter(name="Linphone").update(guide_en="Ask Petra.", guide_de="Petra fragen.", wants="bundle")
    TerminalType.objects.filter(name="Mitel 6930").update(own_lines="sip line1 vmail: 100")


def _delivery() -> None:
    DeliverySettings.load()
    DeliverySettings.objects.update(
        proxy_host="sip.example.com",
        sip_domain="example.com",
        account_user="pbxcerts",
        account_password=seal(SIP_PASSWORD.encode()),
        at_once=5,
        stop_percent=60,
    )


# -- three weeks ------------------------------------------------------------------------------------------------------


def _first_pair(site: Site) -> None:
    """The first pair is served at once; the telephones come to trust it."""
    kinds = {one.name: one for one in TerminalType.objects.all()}
    site.world.generate()
    site.beat()
    site.equipped(10, kinds["Mitel 6930"])
    site.equipped(10, kinds["Mitel 6867i"], way="direct")
    site.equipped(12, kinds["pbxcerts-agent"])
    site.equipped(8, kinds["Mitel 5380 IP"])
    site.add(5, kinds["Yealink"])
    site.add(2, kinds["Snom"])
    site.add(1, kinds["Grandstream"])
    site.add(1, kinds["Lobby telephone"])
    site.add(1, kinds["Linphone"], enabled=False, notes="In the cellar.\nNobody has the key.")
    _particulars()
    site.beat()
    _confirm_by_hand(site, generation=1)
    site.beat()


def _particulars() -> None:
    for terminal in Terminal.objects.filter(type__method="mitel_sip"):
        terminal.mac = f"00085D00{int(terminal.number):04X}"
        terminal.address = f"192.0.2.{int(terminal.number) - 80}:5060" if terminal.way else ""
        terminal.save()
    one = Terminal.objects.order_by("number").first()
    assert one is not None
    one.sip_user, one.sip_realm, one.sip_password = one.number, "example.com", seal(SIP_PASSWORD.encode())
    one.own_lines = "sip line1 user name: 100"
    one.save()
    first_agent = Terminal.objects.filter(type__name="pbxcerts-agent").order_by("number")[:1]
    Terminal.objects.filter(pk__in=first_agent.values("pk")).update(
        token_sha256=token_hash(TOKEN), address="[2001:db8::50]:5060", transport="tcp", firmware="1.2"
    )


def _confirm_by_hand(site: Site, generation: int) -> None:
    by_hand = Terminal.objects.filter(type__method="sip_standard")
    assert orders.confirm(site.world.situation, by_hand, generation=generation, by="otto", at=site.world.now)


def _second_pair(site: Site) -> None:
    """In the next night, by a person; everybody confirms it, and the server is switched."""
    site.world.at("2026-07-02 00:00").generate(reason="The name of the server has changed")
    site.during(2 * HOUR, every=10 * MINUTE)
    _confirm_by_hand(site, generation=2)
    site.beat()
    assert site.world.states == {1: "superseded", 2: "active"}


def _back_and_forth(site: Site) -> None:
    """A look at an address where nobody is, a roll back, and forward again."""
    site.world.at("2026-07-03 08:00").set(tls_addresses=["127.0.0.1:9"])
    site.world.roll_back()
    site.beat()
    site.world.after(HOUR).set(tls_addresses=[])
    site.world.activate()
    site.beat()
    assert site.world.states == {1: "superseded", 2: "active"}


def _a_pair_that_is_discarded(site: Site) -> None:
    """By day and in spite of the clock; its rollout is paused before that."""
    world = site.world.at("2026-07-05 10:00")
    world.generate(clock=world.clock(ClockState.UNANSWERED), without_clock=True, reason="To try the telephones")
    site.during(10 * MINUTE)
    orders.pause(Rollout.objects.get(generation=3), by="otto", at=world.now)
    world.after(HOUR).discard()
    site.beat()


def _a_pair_by_schedule(site: Site) -> None:
    """The telephones confirm it in the night, the terminals of the work list are left. By day an order fails."""
    site.world.at("2026-07-22 00:00")
    site.during(2 * HOUR, every=10 * MINUTE)
    world = site.world.at("2026-07-22 12:00")
    pair_orders.order_generation(
        world.clock(), pair_orders.GenerationOrder(Generation.Trigger.COMMAND, by="anna", reason="Impatience")
    )
    # Its worker was killed.
    Generation.objects.filter(state="making").update(started_at=world.now)
    world.after(11 * MINUTE)
    site.beat()
    assert world.states == {1: "superseded", 2: "active", 3: "discarded", 4: "prepared", 5: "failed"}


# -- the night ---------------------------------------------------------------------------------------------------------

DOES_NOT_COME_BACK = (Reaction.HEARD, False)
BEHAVIOURS = {
    "mitel_sip": [
        (Reaction.REFUSED, False),
        (Reaction.ABSENT, False),
        (Reaction.BUSY, False),
        DOES_NOT_COME_BACK,
        DOES_NOT_COME_BACK,
    ],
    "ip_system": [
        (Reaction.CREDENTIALS, False),
        (Reaction.ABSENT, False),
        DOES_NOT_COME_BACK,
        DOES_NOT_COME_BACK,
    ],
}
"""Of telephones of the third wave: their answer to a NOTIFY, and whether they do what it asks for."""


def _the_night(site: Site) -> None:
    """The key of the prepared pair has leaked: another is made, and telephones are asked that do all that telephones do."""
    world = site.world.at("2026-07-23 00:00:30")
    world.withdraw(4)
    site.beat()
    assert world.states[6] == "prepared"
    for method, behaviours in BEHAVIOURS.items():
        for row, (answer, comes_back) in zip(_rows(method, wave=Wave.THIRD), behaviours, strict=False):
            phone = site.phones[row.terminal_id]
            phone.answer, phone.comes_back = answer, comes_back
    skipped = [_rows(method)[-1].terminal_id for method in drivers()]
    orders.skip(Rollout.objects.get(generation=6), skipped, by="otto", at=world.now)
    _work_list(site)
    site.during(5 * MINUTE)
    _half_way(site)
    # A worker that is killed while it asks, and evidence that a killed web process has left.
    site.kill = lambda where: where == "sending"
    world.after(MINUTE)
    site.beat()
    _evidence_left_behind(site)
    assert set(site.states(6)) == set(DeliveryState)


def _rows(method: str, **values: object) -> list[Installation]:
    rows = Installation.objects.filter(generation=6, terminal__type__method=method, **values)
    return list(rows.select_related("terminal__type").order_by("wave", "terminal__number"))


def _heard(method: str) -> list[Installation]:
    return _rows(method, state="heard")


def _work_list(site: Site) -> None:
    """A link that was opened, one that was not, one that was revoked; and one terminal that is done."""
    situation, now = site.world.situation, site.world.now
    opened, unopened, revoked, done, *_ = Terminal.objects.filter(type__name="Yealink").order_by("number")
    links.downloaded(links.open_link(situation, links.make(situation, opened, by="otto"), address=ADDRESS), at=now)
    links.make(situation, unopened, by="otto")
    Link.objects.filter(terminal=unopened).update(token_sha256=token_hash(LINK))
    links.make(situation, revoked, by="otto")
    links.revoke(revoked, at=now)
    orders.confirm(situation, Terminal.objects.filter(pk=done.pk), generation=6, by="vera", at=now)


def _half_way(site: Site) -> None:
    """One telephone of each kind has fetched, and not yet what counts."""
    now, roots = site.world.now, site.world.situation.trusted_roots
    mitel, agent = _heard("mitel_sip")[0], _heard("ip_system")[0]
    recording.write_facts([FetchedConfiguration(mitel.terminal_id, "cfg", "Mitel6867i", ADDRESS, now, "6.4")])
    recording.reported([Reported(agent.terminal_id, roots, "agent", ADDRESS, now)])


def _evidence_left_behind(site: Site) -> None:
    situation, now = site.world.situation, site.world.now
    [mitel], [agent] = _heard("mitel_sip"), _heard("ip_system")
    version = trust_file(situation, mitel.terminal.type).version
    Journal(settings.DATA / "run").write(
        [
            FetchedTrust(mitel.terminal_id, generations_of(version), version, "Mitel6867i", ADDRESS, now),
            Reported(agent.terminal_id, situation.trusted_roots, "agent", ADDRESS, now),
            Proved(agent.terminal_id, 6, "agent", ADDRESS, now),
        ]
    )


def _what_people_have_open(site: Site) -> None:
    """A log-in, a file between its preview and its import, a bootstrap window, telephones that nobody knows, an order."""
    now = site.world.now
    with machine_at(now):
        assert Client(headers={"host": "localhost"}).post("/login/", {"username": "anna", "password": PASSWORD}).url
        wake_worker()
    waiting_upload.keep(User.objects.get(username="anna"), b"number,name,type\n900,New one,Yealink\n", now=now)
    bootstrap.open_window(None, minutes=5, by="anna", now=START)
    bootstrap.open_window(Terminal.objects.order_by("number")[:2], minutes=30, by="anna", now=now)
    recording.write_facts(
        [
            UnknownPhone("00085DFFFF01", "Mitel6930", "6.4.0", "192.0.2.201", START + DAY),
            UnknownPhone("00085DFFFF02", "Mitel6867i", "6.3.0", "192.0.2.202", now),
        ]
    )
    EventMessage.objects.filter(cleared_at=None, severity="serious").update(confirmed_by="anna")
