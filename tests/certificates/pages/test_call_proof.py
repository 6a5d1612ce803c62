"""The page of the proof by call: its button, its settings, and what came of the last ones (rule proof-by-call)."""

import pytest

from certificates.call_proof.models import CallProof, CallProofSettings
from pbxcerts.system.models import General
from pbxcerts.system.sealing import unseal
from tests.support.generations import START

PAGE = "/certificates/call-proof/"
TLS = "192.0.2.10:5061"
STEPS = [
    {"step": "tls", "result": "ok", "finding": "ok", "where": TLS, "seconds": 0.05, "sha256": "ab" * 32},
    {"step": "options", "result": "ok", "finding": "ok", "where": TLS, "said": "200 OK"},
    {"step": "register", "result": "ok", "finding": "ok", "where": TLS},
    {"step": "call", "result": "ok", "finding": "ok", "where": TLS},
    {
        "step": "media",
        "result": "failed",
        "finding": "nothing_came",
        "where": TLS,
        "said": "192.0.2.9:4000",
        "sent": 150,
    },
]


@pytest.fixture
def with_address(running):
    General.objects.update(tls_addresses=[TLS])
    return running


@pytest.fixture
def a_proof(with_address):
    """One that is over."""

    def make(outcome="media_failed", **values):
        active = with_address.situation.active
        over = {"running": None, "finished_at": START, "outcome": outcome, "steps": STEPS}
        return CallProof.objects.create(
            **{"generation": active, "host_sha256": active.host_sha256, "why": "switch", "ordered_at": START}
            | over
            | values
        )

    return make


def entered(**values):
    version = CallProofSettings.load().version
    return {"version": version, "after_switch": "on", "user": "", "password": "", "domain": "", "number": ""} | values


# -- the button ---------------------------------------------------------------------------------------------------------


def test_the_button_orders_one_and_says_that_it_is_under_way(with_address, operator_client, text):
    page = text(operator_client.post(f"{PAGE}prove/", follow=True))

    proof = CallProof.objects.get()
    assert (proof.why, proof.generation_id, proof.running) == ("person", 1, True)
    assert proof.host_sha256 == with_address.situation.active.host_sha256
    assert "ordered: generation 1" in page


def test_a_second_press_orders_no_second_one(with_address, operator_client, text):
    operator_client.post(f"{PAGE}prove/")
    assert "A proof is under way already." in text(operator_client.post(f"{PAGE}prove/", follow=True))
    assert CallProof.objects.count() == 1


def test_who_may_only_view_orders_nothing(with_address, viewer_client):
    assert f"{PAGE}prove/" not in viewer_client.get(PAGE).content.decode()
    assert viewer_client.post(f"{PAGE}prove/").status_code == 403
    assert not CallProof.objects.exists()


def test_without_an_address_it_says_what_to_do(running, operator_client, text):
    assert "Enter them under System / General" in text(operator_client.get(PAGE))
    assert "System / General" not in text(operator_client.get(f"{PAGE}newest/"))
    operator_client.post(f"{PAGE}prove/")
    assert not CallProof.objects.exists()


def test_that_none_can_be_made_now_is_said_before_an_older_one(a_proof, administrator_client, text):
    a_proof()
    General.objects.update(tls_addresses=[])
    page = text(administrator_client.get(PAGE))

    assert page.index("no proof can be made now") < page.index("failed: speech")
    assert "no proof can be made" not in text(administrator_client.get(f"{PAGE}newest/"))


def test_without_a_pair_there_is_nothing_to_prove(world, operator_client, text):
    assert "no active pair yet" in text(operator_client.get(PAGE))


# -- what came of it ----------------------------------------------------------------------------------------------------


def test_each_step_is_a_sentence_and_a_failure_offers_the_way_back(running, a_proof, operator_client, text):
    running.set(tls_addresses=[])
    running.generate(at_once=True)
    running.set(tls_addresses=[TLS])
    a_proof(generation=running.situation.active, host_sha256=running.situation.active.host_sha256)
    page = text(operator_client.get(PAGE))

    assert "failed: speech: generation 2" in page
    assert f"{TLS}: 150 packets of speech (RTP) went to 192.0.2.9:4000, none came back" in page
    assert "Back to generation 1" in page


def test_one_that_went_well_offers_no_way_back(a_proof, operator_client, text):
    a_proof("proved", steps=STEPS[:2])
    page = text(operator_client.get(PAGE))

    assert "proved as far as it goes without a test account" in page
    assert "Back to generation" not in page


def test_it_asks_again_only_while_one_is_under_way(a_proof, operator_client):
    a_proof()
    assert b"every 2s" not in operator_client.get(PAGE).content
    a_proof(running=True, finished_at=None, outcome="", steps=[])
    assert b"every 2s" in operator_client.get(f"{PAGE}newest/").content


def test_it_stands_with_its_generation_and_in_the_history(a_proof, viewer_client, text):
    a_proof()
    page = text(viewer_client.get("/certificates/history/1/"))

    assert "Proofs by call" in page
    assert "none came back" in page
    assert "SHA-256 ABABABABABABABAB" in page
    assert "Proof by call: failed: speech" in text(viewer_client.get("/certificates/history/"))


def test_the_history_costs_the_same_with_a_hundred_proofs(a_proof, viewer_client, django_assert_max_num_queries):
    a_proof()
    viewer_client.get("/certificates/history/")
    with django_assert_max_num_queries(20) as few:
        viewer_client.get("/certificates/history/")
    for _ in range(100):
        a_proof()
    with django_assert_max_num_queries(len(few)):
        viewer_client.get("/certificates/history/")


def test_what_a_newer_version_has_kept_is_left_out(a_proof, viewer_client, text):
    a_proof(steps=[{"step": "video", "result": "ok", "finding": "ok"}, *STEPS[:1]])
    assert "chain, name and dates" in text(viewer_client.get("/certificates/history/1/"))


# -- the settings -------------------------------------------------------------------------------------------------------


def test_the_password_is_kept_sealed_and_never_shown(running, administrator_client, text):
    administrator_client.post(PAGE, entered(user="900", password="four green bottles", number="*43"))
    row = CallProofSettings.load()

    assert (row.user, row.number) == ("900", "*43")
    assert unseal(row.password) == b"four green bottles"
    assert b"four green bottles" not in bytes(row.password)
    page = administrator_client.get(PAGE).content.decode()
    assert "four green bottles" not in page
    assert 'placeholder="stored"' in page


def test_an_empty_password_keeps_it_and_no_account_forgets_it(running, administrator_client):
    administrator_client.post(PAGE, entered(user="900", password="four green bottles"))
    administrator_client.post(PAGE, entered(user="900", number="*43"))
    assert CallProofSettings.load().password is not None
    administrator_client.post(PAGE, entered())
    assert CallProofSettings.load().password is None


def test_another_account_needs_its_own_password(running, administrator_client, text):
    administrator_client.post(PAGE, entered(user="900", password="four green bottles"))
    page = text(administrator_client.post(PAGE, entered(user="901")))

    assert "Another account has another password" in page
    assert CallProofSettings.load().user == "900"


def test_a_number_needs_an_account(running, administrator_client, text):
    assert "Enter the test account" in text(administrator_client.post(PAGE, entered(number="*43")))


@pytest.mark.parametrize("domain", ["no name", "a_b.example"])
def test_a_domain_that_is_none_is_said(running, administrator_client, domain):
    response = administrator_client.post(PAGE, entered(domain=domain))
    assert response.status_code == 200
    assert domain in response.content.decode()


def test_two_administrators_do_not_overwrite_each_other(running, administrator_client, text):
    stale = entered(user="900", password="four green bottles")
    administrator_client.post(PAGE, entered(domain="pbx.test"))
    assert "Somebody else has changed" in text(administrator_client.post(PAGE, stale))
    assert CallProofSettings.load().user == ""


def test_who_does_not_administer_changes_nothing(running, operator_client):
    assert operator_client.post(PAGE, entered(domain="pbx.test")).status_code == 403


def test_an_account_that_was_refused_is_tried_again_once_it_is_entered_anew(running, administrator_client):
    administrator_client.post(PAGE, entered(user="900", password="four green bottles"))
    CallProofSettings.objects.update(refused=True)
    administrator_client.post(PAGE, entered(user="900", number="*43"))
    assert CallProofSettings.load().refused
    administrator_client.post(PAGE, entered(user="900", password="five green bottles"))
    assert not CallProofSettings.load().refused
