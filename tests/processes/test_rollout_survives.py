"""A rollout to telephones on real sockets while the processes of the product are stopped and killed, or its database is locked."""

import os
import signal
import time
from urllib.error import HTTPError

import pytest

from tests.support.live_phones import LiveSite
from tests.support.running import wait_for

pytestmark = [pytest.mark.process, pytest.mark.takes_minutes]

NUMBER = 8
# `timeout` of the database, 20 s, and some more.
LONGER_THAN_IT_IS_WAITED_FOR = 23
PAUSE = "/terminals/rollout/2/order/"


@pytest.fixture
def site(tmp_path):
    with LiveSite(tmp_path) as site:
        yield site.furnish(NUMBER)


def test_phones_that_can_not_fetch_because_the_web_process_stands_still_and_is_killed_come_later(site):
    site.may_fetch.let(1)
    site.begin()
    with site.asking_for_heartbeats():
        site.wait_for_the_first(1)
        web = site.web
        os.kill(web, signal.SIGSTOP)
        site.may_fetch.set()
        wait_for(lambda: any(phone.is_fetching for phone in site.phones), what="a phone that wants its files")
        site.wait_for_a_heartbeat()
        time.sleep(2)
        assert (site.fetched, site.confirmed()) == (1, 1), "nothing comes from a process that stands still"

        os.kill(web, signal.SIGKILL)

        site.assert_all_went_well()
        assert site.refused
    assert site.web != web


def test_phones_that_hang_while_the_web_process_stands_still_get_their_files_when_it_goes_on(site):
    site.may_fetch.let(1)
    site.begin()
    with site.asking_for_heartbeats():
        site.wait_for_the_first(1)
        os.kill(site.web, signal.SIGSTOP)
        site.may_fetch.set()
        wait_for(lambda: any(phone.is_fetching for phone in site.phones), what="a phone that wants its files")
        time.sleep(2)
        assert site.confirmed() == 1

        os.kill(site.web, signal.SIGCONT)

        site.assert_all_went_well()


def test_what_was_fetched_while_the_database_is_locked_survives_even_a_killed_web_process(site):
    site.set_delivery(waves=False)
    site.may_fetch.clear()
    site.begin()
    with site.asking_for_heartbeats():
        wait_for(lambda: sum(site.asked) == NUMBER, what="everybody asked")
        with site.locked_database():
            site.may_fetch.set()
            wait_for(lambda: site.fetched == NUMBER, what="everybody's files, in spite of the lock")
            time.sleep(1)
            web = site.web
            os.kill(web, signal.SIGKILL)
            assert site.confirmed() == 0

        site.assert_all_went_well()
    assert site.web != web


def refusal_of(order):
    """The page that says that nothing was done, and 503 with it."""
    with pytest.raises(HTTPError) as refused:
        order()
    assert refused.value.code == 503
    return refused.value.read().decode()


def test_answers_and_fetches_that_come_while_the_database_is_locked_are_recorded_afterwards(site):
    site.set_delivery(waves=False)
    site.log_in()
    for phone in site.phones:
        phone.may_answer.clear()
    site.begin()
    with site.asking_for_heartbeats():
        wait_for(lambda: site.installations("state") == [("asked",)] * NUMBER, what="everybody claimed")
        with site.locked_database():
            for phone in site.phones:
                phone.may_answer.set()
            wait_for(lambda: site.fetched == NUMBER, what="everybody's files")
            locked_since = time.monotonic()
            assert "Another process has locked the database" in refusal_of(lambda: site.otto.post(PAUSE, order="pause"))
            time.sleep(max(0, locked_since + LONGER_THAN_IT_IS_WAITED_FOR - time.monotonic()))
            assert "Generation 2" in site.otto.page("/terminals/rollout/"), "what is only read is there all the same"
            assert site.confirmed() == 0

        site.assert_all_went_well()
        wait_for(lambda: set(site.installations("status_code")) == {(200,)}, what="everybody's answer")
    assert "pieces of evidence wait for the database: database is locked" in site.log.read_text()


def test_a_rollout_whose_database_is_locked_in_the_middle_goes_on_by_itself(site):
    site.set_delivery(waves=False, at_once=1)
    site.begin()
    with site.asking_for_heartbeats():
        wait_for(lambda: site.confirmed(), what="the first phone")
        with site.locked_database():
            time.sleep(2)
            asked = sum(site.asked)
            time.sleep(LONGER_THAN_IT_IS_WAITED_FOR)
            assert sum(site.asked) == asked < NUMBER, "nobody is asked whose claim is not written"

        site.assert_all_went_well()


def test_its_end_is_not_held_up_by_phones_that_do_not_answer_and_they_are_asked_again_later(site):
    for phone in site.phones:
        phone.may_answer.clear()
    site.begin()
    with site.asking_for_heartbeats():
        wait_for(lambda: ("asked",) in site.installations("state"), what="a phone that is asked")

        assert site.end() == 0

    assert {state for state, attempts in site.installations("state, attempts") if attempts} == {"absent"}
    # What is waited for to the end is that nobody is there.
    assert set(site.installations("reaction")) == {("",)}
