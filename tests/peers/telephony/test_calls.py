"""Real calls through a real communication server that serves the published files."""

import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from certificates.pki.identity import Identity
from certificates.pki.keys import KeyType
from tests.support.telephony.office import Office, trust_file
from tests.support.telephony.programs import eventually
from tests.support.x509 import a_pair

pytestmark = pytest.mark.peer

NAME = "pbx.test"
A_SECOND_OF_SPEECH = 50  # RTP packets of 20 ms


@pytest.fixture
def office():
    with Office() as office:
        yield office


@pytest.fixture
def pair():
    now = datetime.now(UTC)
    return a_pair(
        identity=Identity((NAME,), ()),
        key_type=KeyType.RSA2048,
        made_at=now,
        not_before=now - timedelta(days=1),
        end=now + timedelta(days=9),
    )


@pytest.fixture
def store(office, pair):
    return office.store_with("store", pair)


@pytest.fixture
def server(office, store):
    return office.kamailio(store)


@pytest.fixture
def exported(server, store):
    """What every telephone is set to: the server's name, and the exported trust file."""
    return {"server": f"{NAME}:{server.port}", "trust": trust_file(store)}


def test_two_telephones_talk_to_each_other(office, exported):
    anna, berta = office.baresip("anna", **exported), office.baresip("berta", **exported)
    assert [anna.refusal(), berta.refusal()] == ["", ""]

    anna.dial("berta")
    for telephone in (anna, berta):
        telephone.wait_for_call()
        telephone.wait_for_packets(A_SECOND_OF_SPEECH)

    anna.hang_up()
    berta.wait_for_no_call()


def test_who_calls_one_that_is_away_can_be_called_afterwards(office, server, exported):
    anna, berta, clara = (office.baresip(name, **exported) for name in ("anna", "berta", "clara"))
    assert [one.refusal() for one in (anna, berta, clara)] == [""] * 3
    os.killpg(berta.process.pid, signal.SIGKILL)
    berta.process.wait()
    # Before that the server still writes to berta, and the call ends by its timer instead.
    eventually(lambda: server.connections() == 2, what=server.log)

    anna.dial("berta")
    anna.wait_for(r"session closed: 477")
    clara.dial("anna")

    for telephone in (anna, clara):
        telephone.wait_for_call()


def test_telephones_of_two_makers_talk_to_each_other(office, exported):
    anna, clara = office.baresip("anna", **exported), office.linphone("clara", **exported)
    assert [anna.refusal(), clara.refusal()] == ["", ""]

    clara.dial("anna")
    for telephone in (anna, clara):
        telephone.wait_for_call()
    anna.wait_for_packets(A_SECOND_OF_SPEECH)

    anna.hang_up()
    clara.wait_for_packets(A_SECOND_OF_SPEECH)


def test_the_server_reads_the_key_by_its_group_alone(office, pair, store, server):
    key = store.path / "current/host.key"
    assert (key.stat().st_mode & 0o777, key.group()) == (0o640, server.group)
    assert key.owner() != server.user
    server.stop()

    with pytest.raises(AssertionError, match=r"Permission denied"):
        office.kamailio(office.store_with("store-of-others", pair, group=""))
