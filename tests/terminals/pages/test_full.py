"""Where a person reads that the lists of telephones are full, and what to do (rules full-list, why-missing)."""

import pytest

from certificates.status.page import CertificateStatus
from pbxcerts.panel.overview import Overview
from terminals.evidence.models import Requester
from terminals.models import TerminalType
from terminals.rollout import rounds, warnings
from terminals.rollout.target import rollout_in_force
from terminals.states import DeliveryState

pytestmark = pytest.mark.simulation


FULL = "It holds 10 certificates, as many as it can, and would refuse the next one, so it is not told it."
BY_HAND = (
    "Delete those that are no longer served at the telephone, as its guide says, and say so on its page, or of all of its type on the work"
    " list."
)
OR_BY_ITSELF = "Or let pbxcerts empty full lists, on the page of its type"
LEFT_ALONE = "It is not notified meanwhile; when there is room again it is, by itself."


@pytest.fixture
def kind(fleet):
    return fleet.type("A T46S", "yealink", wants="root")


@pytest.fixture
def full(fleet, kind):
    """Two of three are full, and the next pair is prepared."""
    phones = fleet.equipped(3, kind)
    Requester.objects.filter(terminal__in=[phone.terminal for phone in phones[:2]]).update(holds=[*range(101, 110), 1])
    fleet.world.generate()
    rounds.reconcile_rollouts(fleet.world.situation)
    return phones[:2]


def test_its_page_and_the_list_say_that_it_is_full_and_what_to_do(full, viewer_client, text):
    page = text(viewer_client.get(f"/terminals/{full[0].terminal.pk}/"))
    row = text(viewer_client.get("/terminals/", {"text": full[0].terminal.number}))

    for said in (FULL, BY_HAND, OR_BY_ITSELF, LEFT_ALONE):
        assert (said in page, said in row) == (True, True), said
    assert "list is full" in page


def test_the_list_shows_those_that_are_full_alone(full, viewer_client, text):
    page = text(viewer_client.get("/terminals/", {"state": "full"}))

    assert [number in page for number in ("desk 100", "desk 101", "desk 102")] == [True, True, False]


def test_where_pbxcerts_empties_lists_it_says_when_it_does(full, kind, viewer_client, text):
    TerminalType.objects.filter(pk=kind.pk).update(turns_checking_on=True, empties_list=True)

    page = text(viewer_client.get(f"/terminals/{full[0].terminal.pk}/"))

    assert "pbxcerts empties the list only while no handover is under way" in page
    assert OR_BY_ITSELF not in page


def test_who_lacks_the_certificate_of_the_server_is_not_told_that_its_list_is_emptied_by_itself(
    full, fleet, kind, viewer_client, text
):
    TerminalType.objects.filter(pk=kind.pk).update(turns_checking_on=True, empties_list=True)
    fleet.world.activate()
    rounds.reconcile_rollouts(fleet.world.situation)

    for path in (f"/terminals/{full[0].terminal.pk}/", "/terminals/work-list/", "/terminals/rollout/"):
        page = text(viewer_client.get(path))
        assert BY_HAND in page
        assert "pbxcerts empties" not in page


def test_the_work_list_says_how_many_and_what_to_do(full, viewer_client, text):
    page = text(viewer_client.get("/terminals/work-list/"))

    assert "The lists of 2 terminals are full: they are not told generation 2" in page
    assert f"A T46S 2 terminals {BY_HAND} {OR_BY_ITSELF}" in page
    assert "Nothing to be done by hand" not in page


def test_the_rollout_names_them_with_the_remedy_and_leads_to_the_work_list(full, viewer_client, text):
    response = viewer_client.get("/terminals/rollout/")
    page = text(response)

    assert "List is full: 2" in page
    assert page.count(BY_HAND) == 1
    assert page.index(BY_HAND) < page.index("100 desk 100 A T46S") < page.index("101 desk 101 A T46S")
    assert "2 list is full" in page
    assert "/terminals/work-list/" in response.content.decode()
    assert "Failed:" not in page


def test_where_types_need_different_remedies_each_is_said_once_with_its_types(full, fleet, kind, viewer_client, text):
    [other] = fleet.add(1, fleet.type("A T54W", "yealink", wants="root", turns_checking_on=True, empties_list=True))
    first = Requester.objects.filter(terminal=full[0].terminal).get()
    Requester.objects.create(
        terminal=other.terminal,
        source=first.source,
        address=first.address,
        last_at=first.last_at,
        holds=first.holds,
        change=1,
    )
    rounds.reconcile_rollouts(fleet.world.situation)

    page = text(viewer_client.get("/terminals/rollout/"))

    assert page.count(OR_BY_ITSELF) == 1
    assert f"A T46S: {BY_HAND} {OR_BY_ITSELF}" in page
    assert "A T54W: pbxcerts empties the list only while no handover is under way" in page


def test_a_message_names_them_and_is_over_when_there_is_room(full, fleet):
    def told():
        situation = fleet.world.situation
        return {
            notice.id: notice.params for notice in warnings.rollout_warnings(situation, rollout_in_force(situation))
        }

    assert told()["lists_full"] == {"number": 2, "count": 2, "names": "100 desk 100, 101 desk 101"}

    Requester.objects.update(holds=[1])
    rounds.reconcile_rollouts(fleet.world.situation)
    assert "lists_full" not in told()


def test_the_overview_counts_them_among_those_that_need_a_person(full, fleet, monkeypatch):
    parts = {part.kind: part.words for part in Overview(CertificateStatus.load()).parts}

    assert parts["by-hand"] == "2 need a person"
    assert "trouble" not in parts
    assert parts["waiting"] == "1 waits for its turn"


def test_it_says_so_too_before_the_next_heartbeat_and_when_there_is_room_again(full, fleet, viewer_client, text):
    Requester.objects.update(holds=[1])
    page = text(viewer_client.get(f"/terminals/{full[0].terminal.pk}/"))
    assert "Its list was full and has room again: it is asked in its turn from the next heartbeat on." in page

    rounds.reconcile_rollouts(fleet.world.situation)
    assert fleet.states(2) == {DeliveryState.WAITING.value: 3}
    page = text(viewer_client.get(f"/terminals/{full[0].terminal.pk}/"))
    assert "full" not in page.partition("Certificates taken one by one")[0]


def test_a_person_says_of_all_of_a_type_that_there_is_room_again(full, fleet, kind, operator_client, text):
    path = f"/terminals/work-list/types/{kind.pk}/room-again/"
    assert path in operator_client.get("/terminals/work-list/").content.decode()
    page = text(operator_client.get(path))
    assert "2 terminals are told generation 2, on your word that their old certificates are deleted." in page

    said = text(operator_client.post(path, {"told": "2:2"}, follow=True))

    assert "From their next contact on 2 terminals are told the next certificate." in said
    assert {tuple(row.holds) for row in Requester.objects.filter(terminal__type=kind)} == {(1,)}
    rounds.reconcile_rollouts(fleet.world.situation)
    assert fleet.states(2) == {DeliveryState.WAITING.value: 3}
    assert "No list of this type is full any more." in text(operator_client.get(path, follow=True))


def test_only_of_so_many_as_the_page_has_said_and_only_an_operator(full, kind, viewer_client, operator_client, text):
    path = f"/terminals/work-list/types/{kind.pk}/room-again/"
    before = list(Requester.objects.order_by("pk").values_list("holds", flat=True))

    assert viewer_client.get(path).status_code == 403
    assert path not in viewer_client.get("/terminals/work-list/").content.decode()
    for told in ("2:3", "1:2", ""):
        page = text(operator_client.post(path, {"told": told}, follow=True))
        assert "The work list has changed meanwhile. Nothing has been confirmed." in page
    assert operator_client.get("/terminals/work-list/types/999999/room-again/").status_code == 302

    assert list(Requester.objects.order_by("pk").values_list("holds", flat=True)) == before


def test_of_another_type_it_says_nothing(full, fleet, kind, operator_client):
    [other] = fleet.add(1, fleet.type("A T54W", "yealink", wants="root"))
    Requester.objects.create(
        terminal=other.terminal,
        source="192.0.2.9",
        address="192.0.2.9",
        last_at=fleet.world.now,
        holds=[*range(101, 111)],
        change=1,
    )
    rounds.reconcile_rollouts(fleet.world.situation)

    operator_client.post(f"/terminals/work-list/types/{kind.pk}/room-again/", {"told": "2:2"})

    assert len(Requester.objects.get(terminal=other.terminal).holds) == 10
