"""An installation in which every page of the panel has something to show, with names as long as somebody may enter."""

import pytest
from django.utils import timezone

from certificates.call_proof.models import CallProof
from pbxcerts.system.models import EventMessage, General
from pbxcerts.system.notifications.models import Delivery, Destination, Watchdog
from terminals.evidence.models import Discovered
from terminals.models import Installation, Terminal, TerminalType
from tests.support.known_types import know_types
from tests.terminals.pages.conftest import fleet, mixed, world, yealink

__all__ = ["fleet", "mixed", "world", "yealink"]

LONG = "Donaudampfschifffahrtsgesellschaftskapitänskajütentürschlüsselbund"


def _destinations(seen):
    """One of each kind, in every state that a page shows."""
    mail = {"host": f"{LONG[:60]}.example.org", "port": 587, "encryption": "starttls", "user": "pbx"}
    mail |= {"sender": "pbx@example.org", "recipients": [f"{LONG}@example.org", "b@example.org"]}
    log = {"transport": "udp", "server": "192.0.2.1:514", "socket": "", "facility": "daemon", "enterprise": 32473}
    said = {"fault": "login_refused", "said": {"said": LONG * 3}}
    made = {"made_at": seen, "made_boottime": 1, "made_boot_id": "a"}
    for kind, options, fields in (
        ("email", mail, {"failures": 4, **said}),
        ("syslog", log, {"enabled": False}),
        ("webhook", {"shown": f"https://{LONG[:60]}.example.org/…"}, {"timing": "digest", "delivered_at": seen}),
        ("apprise", {"shown": "Slack (slack://…)"}, {"delivered_at": seen, **said}),
    ):
        # A name may have 64 characters.
        name = f"{kind} {LONG}"[:64]
        place = Destination.objects.create(name=name, kind=kind, options=options, url="http://192.0.2.1/", **fields)
        test = {"kind": "test", "state": "given_up", "ended_at": seen} | said
        Delivery.objects.create(destination=place, **test, **made)
        Delivery.objects.create(
            destination=place, kind="events", counts={"serious": 7}, due_at=seen, attempts=3, **made
        )
        Delivery.objects.create(destination=place, kind="digest", counts={"critical": 2}, **made)
        lost = {"kind": "ahead", "matter": "a", "state": "given_up", "ended_at": seen, "attempts": 28} | said
        Delivery.objects.create(destination=place, **lost, **made)
    Watchdog.objects.create(url="http://192.0.2.1/", shown=f"https://{LONG}.example.org/…", failures=7, **said)


def a_proof(generation):
    """By call, of all steps; no speech has come back, and some telephones are connected since before the switch."""
    said = {"call": "200 OK", "options": "200 OK", "media": "192.0.2.9:40000"}
    steps = [
        {"step": step, "result": "ok", "finding": "ok", "where": "pbx.example.com:5061", "said": said.get(step, "")}
        | {"seconds": 0.25}
        for step in ("tls", "options", "register", "call", "media", "hang_up")
    ]
    steps[0]["sha256"] = generation.host_sha256
    steps[4] |= {"result": "failed", "finding": "nothing_came", "sent": 150}
    older = {"result": "skipped", "finding": "old_connections", "said": "100, 101, 102, 103, 104, 105"}
    steps.append({"step": "registered", "sent": 10, "received": 4} | older)
    return CallProof.objects.create(
        generation=generation,
        host_sha256=generation.host_sha256,
        why="switch",
        ordered_at=generation.ordered_at,
        finished_at=generation.ordered_at,
        running=None,
        outcome="media_failed",
        steps=steps,
    )


def _connected(world):
    """Of the telephones that have the served pair, some since the switch and some before; the others nobody has seen."""
    rows = Installation.objects.filter(generation=2).order_by("terminal__number")
    older, since = (list(rows.values_list("pk", flat=True)[cut]) for cut in (slice(0, 6), slice(6, 10)))
    rows.filter(pk__in=older + since).update(registered_at=world.now)
    Installation.objects.filter(pk__in=since).update(registered_since=world.now)


@pytest.fixture
def everything(mixed, administrator):
    """Generation 1 was served before, 2 is active, 3 is prepared; terminals of every type in every state."""
    world = mixed.world
    know_types()
    for number, one in enumerate(TerminalType.objects.exclude(name="A Yealink"), start=700):
        mixed.add(1, one, mac=f"00085D0A0{number}", address="192.0.2.7", notes=LONG * 3)
    # Against the next pair something serious is known at these, whatever their firmware is called.
    TerminalType.objects.filter(name="Snom").update(event="check-sync;reboot=false")
    Terminal.objects.filter(type__name="Snom").update(firmware=LONG[:64])
    world.activate()
    world.generate(reason=LONG)
    mixed.beat()
    rows = Installation.objects.filter(generation=3).order_by("pk")
    for row, state in zip(rows, Installation.State.values, strict=False):
        confirmed_at = world.now if state == Installation.State.CONFIRMED else None
        Installation.objects.filter(pk=row.pk).update(
            state=state, confirmed_at=confirmed_at, failure="refused", failed_at=world.now, user_agent=LONG * 2
        )
    Installation.objects.filter(generation=3, terminal__number__in=["116", "117"]).update(state="full")
    _connected(world)
    for phone in list(mixed.phones.values())[:4]:
        type(phone.terminal).objects.filter(pk=phone.terminal.pk).update(name=LONG)
    seen = timezone.now()
    Discovered.objects.create(mac="00085D0000FF", model=LONG[:32], firmware=LONG[:64], first_seen=seen, last_seen=seen)
    EventMessage.objects.create(
        kind="terminals_failed",
        subject="3",
        severity="serious",
        params={"number": 3, "count": 2, "names": f"101 {LONG}, 102 {LONG}"},
        raised_at=seen,
    )
    General.objects.update(site_name=LONG[:64])
    for _ in range(2):
        a_proof(world.situation.active)
    _destinations(seen)
    return mixed
