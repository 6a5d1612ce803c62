"""A whole renewal with real programs: `up`, Kamailio, and a telephone of each method (rule delivery-methods).

No certificate is carried by the test: the agent loads its own, the Mitel phone fetches its own, a technician brings Linphone
what the personal link gives.
"""

from itertools import permutations

import pytest

from tests.support.telephony.office import Office
from tests.support.telephony.site import Site

pytestmark = pytest.mark.peer

UNKNOWN_ROOT = "self-signed certificate in certificate chain"
UNKNOWN_TO_LINPHONE = "not-trusted"


@pytest.fixture
def office():
    with Office() as office:
        yield office


def assert_apart_is_within_a_restart(apart, telephone, restart):
    """Calls counted apart are calls with this telephone, and each was under way during this restart of its own."""
    went, back = restart
    for pair, began, ended in apart:
        assert telephone.number in pair
        assert began < back
        assert ended > went


def test_a_renewal_with_handover_costs_no_call(office, tmp_path):
    site = Site(office, tmp_path)
    calls = site.calls

    site.manage("regenerate", "--without-clock")
    assert (site.store.target("current"), site.store.target("next")) == ("generations/0001", "generations/0002")
    with site.product.asking_for_heartbeats():
        calls.until(lambda: site.states(2), what="a rollout")
        site.manage("rollout", "restart-now")
        calls.until(
            lambda: site.states(2)["130"] == site.states(2)["120"] == "confirmed", what="the automatic terminals"
        )
        assert not site.is_switched()
        with site.technician() as trust:
            assert site.softphone.start_again(trust).refusal() == ""
        calls.until(site.is_switched, what="the switch, when every terminal has confirmed")
        calls.until(lambda: site.switch_outcome() == "verified", what="a look at the server")
    assert site.speech_goes_on()
    calls.everybody()
    (once_asked,) = site.desk.restarted
    for telephone in (site.clara, site.desk, site.softphone):
        assert telephone.start_again().refusal() == ""
    calls.everybody()

    assert (calls.failed, calls.dropped) == ([], []), "\n".join([site.server.troubles(), *calls.logs])
    assert_apart_is_within_a_restart(calls.apart, site.desk, once_asked)
    assert site.speech_goes_on()
    assert site.desk.asked == 1
    assert "127.0.0.1 asks for a round" in site.agent.log()
    assert site.evidence(2) == {"120": "proved", "130": "fetched", "140": "person"}
    assert site.manage("rollout")["rollout"]["complete"]


def test_the_same_renewal_without_handover_costs_every_call(office, tmp_path):
    site = Site(office, tmp_path, "handover_counts=nobody", "overlap_days=0")
    calls = site.calls

    with site.product.asking_for_heartbeats():
        site.manage("regenerate", "--without-clock")
        assert site.is_switched()
        calls.until(lambda: site.states(2), what="a rollout")
        assert calls.failed == []
        site.manage("rollout", "restart-now")
        calls.until(lambda: len(site.desk.starts) == 2, what="the restart of the Mitel phone")
        site.agent.wait_for("is not trusted")
    calls.failed.clear()
    assert UNKNOWN_ROOT in site.clara.start_again().refusal()
    assert site.softphone.start_again().refusal() == UNKNOWN_TO_LINPHONE
    calls.everybody()

    assert sorted(calls.failed) == sorted(permutations(calls.telephones, 2))
    assert site.desk.refusal().count(UNKNOWN_ROOT) == 3, "it can neither fetch nor register"
    assert "confirmed" not in site.states(2).values()
