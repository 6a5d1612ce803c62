"""A site with telephones of one maker that were given the served pair, and whose type turns the check on."""

from datetime import timedelta
from itertools import count

import pytest
from django.db.models import Q
from django.test import Client
from django.utils.html import strip_tags
from sipmessage import Message

from certificates.renewal.handover import known_terminals
from pbxcerts.system.time import timekeeping
from terminals.checking import rounds
from terminals.checking.models import Checking
from terminals.drivers.base import Reaction
from terminals.evidence.models import Requester
from terminals.models import Installation, Terminal, TerminalType
from terminals.rollout import claims
from terminals.rollout.claims import AskResult
from terminals.rollout.rounds import reconcile_rollouts
from tests.support.asking import Listeners
from tests.support.generations import DAY, HOUR, MINUTE
from tests.support.makers.at_handlers import at_the_handlers
from tests.support.makers.grandstream import Grandstream
from tests.support.makers.snom import Snom
from tests.support.makers.yealink import Yealink
from tests.terminals.drivers.simulated.asking import REQUEST

MAKERS = {
    "yealink": (Yealink, "0015650000", "pem", {}),
    "snom": (Snom, "0004130000", "der", {"firmware": "8.9.3.80", "model": "720"}),
    "grandstream": (Grandstream, "000B820000", "pem", {}),
}
"""Of each maker one that checks nothing as it is sent out."""
_numbers = count(1)


class Site:
    """The heartbeat, the wire, the clock and the telephones; it is a `NotifySender` and a `Stopwatch`."""

    def __init__(self, world, maker):
        self.world, self.maker = world, maker
        self.listeners = Listeners(world)
        _kind, _oui, form, _options = MAKERS[maker]
        self.type = TerminalType.objects.create(
            name=f"A {maker}", method=maker, wants="root", trust_format=form, turns_checking_on=True
        )
        self.phones, self.deaf, self.notified = {}, set(), []
        self._answers, self._began, self._last = [], None, None

    def add(self, number=1, **options):
        """One that has polled until it holds the served root, and whose slots count."""
        kind, oui, _form, defaults = MAKERS[self.maker]
        n = len(self.phones) + 1
        mac, address = f"{oui}{n:02X}", f"192.0.2.{n}"
        row = Terminal.objects.create(number=str(100 + n), type=self.type, mac=mac, address=address)
        phone = at_the_handlers(kind, self.listeners, mac, address=address, judges=True, **defaults | options)
        phone.settings["static.security.trust_certificates"] = "0"
        phone.settings["P4428"] = "1"
        phone.row = row
        self.phones[row.pk] = phone
        phone.restart()
        phone.restarts = 0
        assert phone.takes_calls()
        return phone

    # The worker

    def beat(self, *, in_call=()):
        situation = self.world.beat().situation
        reconcile_rollouts(situation)
        types = rounds.reconcile(situation, last=self._last)
        self._last = situation.clock.machine
        asks = rounds.tell(situation, types, in_call=lambda: frozenset(in_call))
        self._began = self.world.now
        if asks:
            rounds.ask(situation, asks, self, stopwatch=self)
        self.world.after(MINUTE)
        for phone in self.phones.values():
            phone.act()
        return asks

    def night(self):
        """In the window of restarts of the next night; who restarts for nothing asks by itself then."""
        now = self.world.now + DAY
        asks = self.beats(now.replace(hour=1, minute=0))
        if self.maker == "grandstream":
            # It has to show that what it holds counts before it is told (rule first-check).
            self.world.after(5 * MINUTE)
            self.beat()
        if self.maker == "snom":
            self.poll_later(*self.phones.values(), after=MINUTE)
        return asks

    def day(self):
        return self.beats((self.world.now + DAY).replace(hour=13, minute=0))

    def beats(self, until):
        """The worker lives until then, and beats."""
        while self.world.now < until:
            self.world.at(min(until, self.world.now + 9 * MINUTE))
            self._last = self.world.now
        return self.beat()

    def ask(self, asks):
        for ask in asks:
            phone = self.phones[ask.terminal.pk]
            self.notified.append(phone)
            if ask.terminal.pk in self.deaf:
                continue
            number = next(_numbers)
            request = Message.parse(REQUEST.format(event=ask.event, number=number).replace("\n", "\r\n").encode())
            assert phone.hears(None, request)
            self._answers.append(AskResult(ask, 200, Reaction.HEARD))

    def answers(self, within):
        if not self._answers:
            self.world.after(within)
        came, self._answers = self._answers, []
        return came

    def asked_for(self, generation):
        """Whom the rollout asks now, and who does what it was asked to."""
        now = self.world.after(MINUTE).now
        asks = claims.claim(generation, Q(), at_once=100, now=now, machine=now)
        self.ask(asks)
        heard, self._answers = self._answers, []
        deaf = [AskResult(ask, 0, Reaction.ABSENT) for ask in asks if ask.terminal.pk in self.deaf]
        claims.record([*heard, *deaf], now=now, seen_at=now)
        self.world.after(MINUTE)
        for phone in self.phones.values():
            phone.act()
        return [self.phones[answer.ask.terminal.pk] for answer in heard]

    def elapsed(self):
        return self.world.now - self._began

    def pause(self, span):
        self.world.after(max(span, timedelta(seconds=1)))

    # How things stand

    def state(self, phone):
        row = Checking.objects.filter(terminal=phone.row).first()
        return row and row.state

    def states(self):
        found = list(Checking.objects.values_list("state", flat=True))
        return {state: found.count(state) for state in sorted(set(found))}

    def brought_back(self, phone):
        """It was told, has read it, and came back."""
        self.night()
        self.poll_later(phone)
        assert self.state(phone) == "shown"

    def poll_later(self, *phones, after=HOUR):
        self.world.after(after)
        for phone in phones:
            phone.poll()


def the_form(of):
    """What a browser sends of the form of a type as it stands."""
    names = ("name", "manufacturer", "model", "method", "event", "way", "wants", "trust_format", "source", "own_lines")
    return {name: getattr(of, name) for name in names}


def checks(phone):
    return phone.sip.chain


@pytest.fixture
def site(world, monkeypatch):
    monkeypatch.setattr(timekeeping, "machine_time", lambda: world.now)

    def of(maker):
        return Site(world, maker)

    return of


@pytest.fixture(params=MAKERS)
def of_each(request, site):
    return site(request.param)


@pytest.fixture
def yealinks(site):
    return site("yealink")


def proof_of(phone):
    return Installation.objects.get(terminal=phone.row, generation=1).proof


class AskedAnew:
    """The handover waits for the telephones of the list."""

    def __getattr__(self, name):
        return getattr(known_terminals(), name)


@pytest.fixture
def emptying(yealinks):
    """Its type lets full lists be emptied, and a person has seen the first one."""
    TerminalType.objects.update(empties_list=True, emptying_seen=True)
    yealinks.world.telephones = AskedAnew()
    return yealinks


OLD = [*range(-7, 1)]
"""Generations before those that this world knows: nothing serves them any more."""


def filled(site, phone, old=OLD):
    """It has taken so many before the served one."""
    phone.own[:0] = [f"the root of generation {number}" for number in old]
    Requester.objects.filter(terminal=phone.row).update(holds=[*old, 1])
    return phone


def full(site):
    return filled(site, site.add())


def checking(site, **habit):
    """One that checks since pbxcerts told it to, and then has filled up."""
    phone = site.add(**habit)
    site.brought_back(phone)
    return filled(site, phone)


def a_day_with(site, *phones):
    """They ask by themselves; a call is possible all the time."""
    site.day()
    for phone in phones:
        phone.poll()
        assert phone.takes_calls()


@pytest.fixture
def by(viewer, operator, administrator):
    """A browser of a person who has just logged in: between two looks hours pass here."""
    known = {"viewer": viewer, "operator": operator, "administrator": administrator}

    def logged_in(name):
        client = Client()
        client.cookies["django_language"] = "en"
        client.force_login(known[name])
        return client

    return logged_in


@pytest.fixture
def page(by):
    """What a viewer reads on it."""

    def of(path):
        said = " ".join(strip_tags(by("viewer").get(path).content.decode()).split())
        return said.replace("&#x27;", "'").replace("\xa0", " ")

    return of
