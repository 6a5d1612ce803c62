"""While the server may present what the database does not know, no terminal gets anything (rule what-is-served-stays)."""

import pytest

from certificates.models import StoreDecision
from certificates.renewal import deciding
from terminals.drivers.base import Reaction
from terminals.evidence.queue import EvidenceQueue
from terminals.models import Installation, Rollout, TerminalType
from terminals.trust_file import StoreUndecided, trust_file
from terminals.web import snapshot
from terminals.web.acknowledgement import Acknowledgements
from terminals.web.refusals import RefusalCounter
from terminals.web.routing import TerminalRequest
from terminals.web.snapshot import Snapshots
from terminals.web.tables import ListenerName, applications
from tests.support.copies import DatabaseCopy
from tests.support.generations import HOUR

FETCHED = {
    ListenerName.HTTPS: [
        "/startup.cfg",
        "/00085D000064.cfg",
        f"/{'s' * 43}/00085D000064.cfg",
        f"/00085D000064/1.01234567.{'0' * 32}.pem",
        "/.well-known/est/cacerts",
    ],
    ListenerName.HTTP: ["/startup.cfg", "/root.pem", "/root.sha256"],
}


@pytest.fixture
def undecided(world):
    """An older copy of the database: the pair that is served has a key that does not fit, so it is not adopted."""
    before = DatabaseCopy()
    world.after(HOUR).generate(at_once=True)
    key = world.store.path / "generations" / "0002" / "host.key"
    key.write_bytes((world.store.path / "generations" / "0001" / "host.key").read_bytes())
    before.put_back()
    return world


@pytest.fixture
def answers():
    """What each listener answers to a request, as the web process would from what is in the database now."""
    snapshots = Snapshots()
    snapshots.current = snapshot.read_snapshot()
    queue = EvidenceQueue(others_first=lambda: False, afterwards=lambda: None, journal=None)
    apps = applications(
        snapshots,
        queue,
        Acknowledgements(queue.add),
        RefusalCounter(),
        lambda: None,
        https_port=8443,
        http_port=8080,
    )

    def answer(listener, method, path):
        route, parameters = apps[listener].find(method, path)
        request = TerminalRequest(method, path, parameters=parameters, scheme="https", client="192.0.2.1")
        return apps[listener].answer(route, request)

    return answer


@pytest.mark.parametrize(("listener", "path"), [(name, path) for name, paths in FETCHED.items() for path in paths])
def test_whoever_fetches_is_told_to_come_back_later(undecided, answers, listener, path):
    for method in ("GET", "HEAD"):
        answer = answers(listener, method, path)
        assert (answer.status, answer.headers["retry-after"]) == (503, "60")
        assert answer.evidence == ()


def test_what_terminals_say_is_still_heard(undecided, answers):
    assert answers(ListenerName.HTTPS, "POST", "/report").status == 401
    assert answers(ListenerName.PROOF, "POST", "/proof").status == 401


def test_once_it_is_decided_they_get_their_files_again(undecided, request):
    deciding.order_decision(undecided.clock(), StoreDecision.Decision.FROM_DATABASE, by="anna")
    undecided.beat()
    answers = request.getfixturevalue("answers")
    assert answers(ListenerName.HTTPS, "GET", "/.well-known/est/cacerts").status == 200


@pytest.mark.parametrize("page", ["/terminals/rollout/", "/terminals/work-list/"])
def test_the_pages_say_so(undecided, viewer_client, page):
    assert 'id="undecided"' in viewer_client.get(page).content.decode()
    deciding.order_decision(undecided.clock(), StoreDecision.Decision.FROM_DATABASE, by="anna")
    undecided.beat()
    assert 'id="undecided"' not in viewer_client.get(page).content.decode()


def test_no_file_is_made_for_the_work_list_or_a_link_either(undecided):
    for one in TerminalType.objects.all():
        with pytest.raises(StoreUndecided):
            trust_file(undecided.situation, one)


def test_a_rollout_rests_and_goes_on_where_it_was(fleet, world):
    kind = TerminalType.objects.get(name="Mitel 6930")
    world.after(HOUR)
    fleet.equipped(3, kind)
    world.generate()
    phones = list(fleet.phones.values())
    for phone in phones:
        phone.answer = Reaction.ABSENT
    fleet.beat()
    rollout = Rollout.objects.get(generation=2)
    before, mark = Rollout.objects.values().get(pk=rollout.pk), world.store.mark()
    rows = list(Installation.objects.filter(generation=2).values())
    assert rows

    theirs = mark.content().replace(mark.installation.encode(), b"f" * 32)
    (world.store.path / "mark.json").write_bytes(theirs)
    heard = fleet.notified(phones)
    for _round in range(3):
        world.after(12 * HOUR)
        fleet.beat()
    assert fleet.notified(phones) == heard
    assert list(Installation.objects.filter(generation=2).values()) == rows
    assert Rollout.objects.values().get(pk=rollout.pk) == before

    (world.store.path / "mark.json").write_bytes(mark.content())
    # The next night.
    world.at("2026-07-03 00:00")
    fleet.beat()
    assert Rollout.objects.get(pk=rollout.pk).state == "running"
    assert fleet.notified(phones) > heard
