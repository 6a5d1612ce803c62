"""A renewal must never cost a call: the product's own handover, carried out under a call (rule make-before-break)."""

from dataclasses import replace
from io import StringIO

import pytest
from django.core.management import call_command

from certificates.models import Generation, Switch
from certificates.renewal import orders
from certificates.renewal.rounds import reconcile
from certificates.renewal.situation import Situation
from certificates.status.observing import communication_server
from pbxcerts.system.models import General
from pbxcerts.system.time.timekeeping import current_clock
from tests.support.telephones import NoTerminals
from tests.support.telephony.office import Office
from tests.support.telephony.programs import SERVER_GROUP

pytestmark = [pytest.mark.peer, pytest.mark.django_db]

NAME = "pbx.test"
A_SECOND_OF_SPEECH = 50  # RTP packets of 20 ms
UNKNOWN_ROOT = "self-signed certificate in certificate chain"


@pytest.fixture
def office():
    with Office() as office:
        yield office


@pytest.fixture
def store(office, settings):
    settings.STORE, settings.STORE_GROUP = office.directory / "store", SERVER_GROUP
    settings.KEY_FILE = office.directory / "host-keys.key"
    return office.store("store")


@pytest.fixture
def general(store):
    general = General.load()
    general.fqdn = NAME
    general.save()
    return general


@pytest.fixture
def server(office, store, general, settings):
    """Kamailio with the first pair; from here on the product reloads it and looks at it."""
    generate(at_once=True)
    server = office.kamailio(store)
    settings.RELOAD_COMMAND = server.reload_command
    general.tls_addresses = [f"127.0.0.1:{server.port}"]
    general.save()
    return server


def generate(**options):
    clock = current_clock()
    orders.order_generation(clock, orders.GenerationOrder(Generation.Trigger.PAGE, without_clock=True, **options))
    a_heartbeat(clock)


def a_heartbeat(clock, **options):
    """One round of the product's own, against the communication server of the environment."""
    outcome = reconcile(clock, terminals=NoTerminals(), server=replace(communication_server(), **options))
    assert outcome.publish_failure == ""


def export_trust(office):
    """What an administrator exports for the telephones."""
    file = office.directory / "exported.pem"
    call_command("export", "trust", output=str(file), stdout=StringIO(), stderr=StringIO())
    return file.read_bytes()


def at_the_deadline():
    clock = current_clock()
    deadline = Situation.load(clock).pending.deadline
    return replace(clock, machine=deadline, corrected=deadline)


class Telephones:
    def __init__(self, office, server):
        self.office, self.place = office, f"{NAME}:{server.port}"

    def register(self, maker, name, trust):
        telephone = getattr(self.office, maker)(name, server=self.place, trust=trust)
        assert telephone.refusal() == ""
        return telephone

    def call(self, caller, called, name):
        caller.dial(name)
        for telephone in (caller, called):
            telephone.wait_for_call()
        caller.wait_for_packets(A_SECOND_OF_SPEECH)


@pytest.fixture
def telephones(office, server):
    return Telephones(office, server)


def assert_speech_goes_on(*telephones):
    for telephone in telephones:
        assert telephone.in_call()
        telephone.wait_for_packets(telephone.packets_received() + A_SECOND_OF_SPEECH)


def test_a_renewal_costs_no_call(telephones, office, server, store):
    old_trust = export_trust(office)
    anna = telephones.register("baresip", "anna", old_trust)
    berta = telephones.register("baresip", "berta", old_trust)
    telephones.call(anna, berta, "berta")

    generate()
    bundle = export_trust(office)
    assert (store.target("current"), store.target("next")) == ("generations/0001", "generations/0002")
    before = telephones.register("linphone", "before", bundle)
    telephones.call(telephones.register("baresip", "clara", bundle), before, "before")

    a_heartbeat(at_the_deadline())
    switch = Switch.objects.first()
    assert (switch.why, switch.outcome) == (Switch.Why.DEADLINE, Switch.Outcome.VERIFIED)
    assert store.target("current") == "generations/0002"

    assert_speech_goes_on(anna, berta)
    after = telephones.register("linphone", "after", bundle)
    telephones.call(telephones.register("baresip", "dora", bundle), after, "after")
    # Anna would not trust the server anew: her telephone says so over the connection that the call was made on.
    anna.hang_up()
    berta.wait_for_no_call()

    left_behind = office.baresip("left-behind", server=telephones.place, trust=old_trust)
    assert left_behind.refusal() == UNKNOWN_ROOT


def test_a_reload_that_only_seems_to_succeed_costs_no_call_either(telephones, office, server, store, settings):
    trust = export_trust(office)
    anna, berta = (telephones.register("baresip", name, trust) for name in ("anna", "berta"))
    telephones.call(anna, berta, "berta")

    # kamcmd's exit status is 0 when the server refuses: only a look at what it presents tells.
    settings.RELOAD_COMMAND = [*server.reload_command[:-1], "tls.no_such_command"]
    generate()
    a_heartbeat(at_the_deadline(), look_for=1)

    switch = Switch.objects.first()
    assert (switch.reload_failure, switch.outcome) == ("", Switch.Outcome.WENT_BACK)
    assert Generation.objects.get(state=Generation.State.HELD).number == 2
    assert store.target("current") == "generations/0001"
    assert_speech_goes_on(anna, berta)
    anna.hang_up()
    berta.wait_for_no_call()
    telephones.register("baresip", "clara", trust)
