"""Who checks goes through a handover without losing a call, and who counts in it restarts for it (rule checking)."""

import pytest

from terminals.checking.models import Checking
from terminals.checking.older_copy import begin_anew
from terminals.directory.listing import TerminalListing
from terminals.evidence import fetches
from terminals.models import Installation
from tests.support.generations import DAY, HOUR
from tests.terminals.checking.conftest import checks

pytestmark = pytest.mark.simulation


def test_while_a_handover_is_under_way_nobody_is_told_and_who_was_told_is_no_longer(site):
    site = site("snom")
    phone, later = site.add(), site.add()
    site.beat()
    told = next(one for one in (phone, later) if site.state(one) == "told")

    site.world.after(DAY).generate()
    site.beat()
    site.poll_later(phone, later)

    assert site.state(told) == "told"
    assert not checks(told)
    assert Checking.objects.count() == 1


def test_one_that_checks_goes_through_a_handover_without_losing_a_call(of_each):
    site, phone = of_each, of_each.add()
    site.night()
    assert checks(phone)
    assert site.state(phone) == "read"

    site.world.after(HOUR).generate()
    site.beat()
    site.poll_later(phone)
    site.poll_later(phone)
    if site.type.driver.capabilities.counts_from_restart:
        assert site.asked_for(2) == [phone]
    assert Installation.objects.of(2).get().confirmed_at
    site.world.activate()

    assert site.world.active.number == 2
    assert checks(phone)
    assert phone.takes_calls()
    assert site.state(phone) == "shown"
    site.poll_later(phone)
    assert phone.refused == []


def test_who_checks_and_takes_the_next_one_by_itself_is_restarted_for_it_where_it_counts_from_then_on(site):
    site = site("grandstream")
    phone = site.add()
    site.brought_back(phone)
    site.world.after(HOUR).generate()
    site.beat()

    site.poll_later(phone)

    row = Installation.objects.of(2).get()
    assert (row.state, row.confirmed_at, row.evidence, row.proof) == ("waiting", None, "fetched", "record")
    assert site.world.active.number == 1
    [said] = TerminalListing(site.world.situation, (site.type,)).lines([phone.row])
    assert "zählt ab seinem nächsten Neustart" in said.why_missing
    site.deaf.add(phone.row.pk)
    assert site.asked_for(2) == []
    site.poll_later(phone)
    assert Installation.objects.of(2).get().confirmed_at is None
    site.deaf.clear()
    Installation.objects.of(2).update(next_at=None)

    assert site.asked_for(2) == [phone]

    assert Installation.objects.of(2).get().state == "confirmed"
    site.world.activate()
    assert checks(phone)
    assert phone.takes_calls()


def test_who_checks_and_is_known_by_an_address_that_is_accepted_later_is_restarted_for_it_too(site):
    site = site("grandstream")
    phone = site.add()
    site.brought_back(phone)
    site.world.after(HOUR).generate()
    site.beat()
    phone.address = "198.51.100.7"
    site.poll_later(phone)
    assert Installation.objects.of(2).get().state == "unproved"

    fetches.accept(phone.row.pk, "198.51.100.7", by="anna")

    row = Installation.objects.of(2).get()
    assert (row.state, row.confirmed_at) == ("unproved", None)
    site.poll_later(phone)
    row = Installation.objects.of(2).get()
    assert (row.state, row.confirmed_at, row.evidence) == ("waiting", None, "fetched")
    assert site.asked_for(2) == [phone]
    assert Installation.objects.of(2).get().state == "confirmed"


def test_who_checks_nothing_need_not_restart_for_it(site):
    site = site("grandstream")
    phone = site.add()
    site.world.after(HOUR).generate()
    site.beat()

    site.poll_later(phone)

    assert Installation.objects.of(2).get().state == "confirmed"


def test_who_may_have_been_told_before_an_older_copy_came_back_restarts_for_it(site):
    site = site("grandstream")
    phone = site.add()
    site.brought_back(phone)
    begin_anew()
    assert checks(phone)
    site.world.after(HOUR).generate()
    site.beat()

    site.poll_later(phone)

    assert Installation.objects.of(2).get().state == "waiting"
    assert site.asked_for(2) == [phone]
    assert Installation.objects.of(2).get().state == "confirmed"
    site.world.activate()
    assert phone.takes_calls()


def test_one_that_was_reset_is_told_to_check_only_with_the_root_that_is_served(yealinks):
    phone = yealinks.add()
    yealinks.brought_back(phone)
    yealinks.world.after(HOUR).generate()
    yealinks.beat()
    yealinks.poll_later(phone)
    assert len(phone.own) == 2

    phone.forget()
    phone.settings["static.security.trust_certificates"] = "0"
    for _poll in range(3):
        yealinks.poll_later(phone)
        assert phone.takes_calls()
