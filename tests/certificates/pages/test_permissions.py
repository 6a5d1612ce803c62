"""Who may do what: everything that changes something is refused to those who may not, on the page and when it is sent."""

from django.test import Client

from certificates.models import Generation, Switch

VIEWED = [
    "/certificates/",
    "/certificates/status/",
    "/certificates/history/",
    "/certificates/history/2/",
    "/certificates/download/host.pem",
    "/certificates/history/1/root.der",
]
OPERATED = [
    "/certificates/generate/",
    "/certificates/2/activate/",
    "/certificates/2/deadline/",
    "/certificates/2/discard/",
    "/certificates/1/roll-back/",
]
ADMINISTERED = ["/certificates/2/withdraw/", "/certificates/store/"]


def clients(request):
    return {role: request.getfixturevalue(f"{role}_client") for role in ("viewer", "operator", "administrator")}


def test_a_page_opens_for_those_who_may(handing_over, request, subtests):
    for url, allowed in [
        *((url, {"viewer", "operator", "administrator"}) for url in VIEWED),
        *((url, {"operator", "administrator"}) for url in OPERATED),
        *((url, {"administrator"}) for url in ADMINISTERED),
    ]:
        with subtests.test(url=url, allowed=allowed):
            statuses = {role: client.get(url).status_code for role, client in clients(request).items()}

            assert {role for role, status in statuses.items() if status != 403} == allowed


def test_a_viewer_can_not_send_it_either(handing_over, viewer_client, password, subtests):
    for url in [*OPERATED, *ADMINISTERED]:
        with subtests.test(url=url):
            sent = {"password": password, "reason": "x", "newest": 2, "how": "handover", "at": "2030-01-01T02:00"}

            assert viewer_client.post(url, sent).status_code == 403
            assert handing_over.states == {1: "active", 2: "prepared"}
            assert not Switch.objects.filter(running=True).exists()


def test_an_operator_can_not_withdraw(handing_over, operator_client, password):
    assert operator_client.post("/certificates/2/withdraw/", {"password": password}).status_code == 403
    assert not Generation.objects.exclude(withdrawn_at=None).exists()


def test_what_only_shows_takes_no_post(handing_over, administrator_client, subtests):
    for url in VIEWED[1:]:
        with subtests.test(url=url):
            assert administrator_client.post(url).status_code == 405


def test_opening_a_page_changes_nothing(handing_over, administrator_client, subtests):
    for url in [*OPERATED, *ADMINISTERED]:
        with subtests.test(url=url):
            administrator_client.get(url)

            assert handing_over.states == {1: "active", 2: "prepared"}
            assert not Switch.objects.filter(running=True).exists()


def test_a_forged_form_is_refused(handing_over, administrator, subtests):
    for url in [*OPERATED, *ADMINISTERED, "/certificates/"]:
        with subtests.test(url=url):
            client = Client(enforce_csrf_checks=True)
            client.force_login(administrator, backend="django.contrib.auth.backends.ModelBackend")

            assert client.post(url, {}).status_code == 403
