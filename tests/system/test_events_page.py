import re
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from pbxcerts.system import events
from pbxcerts.system.models import EventMessage, Severity

URL = "/system/events/"
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def kind(monkeypatch):
    """A kind that exists for one test only: the table of kinds is the module's own."""
    monkeypatch.setattr(events.EventKind, "known", dict(events.EventKind.known))
    return events.EventKind(
        "test_kind", Severity.SERIOUS, _("The line %(line)s is <cut>."), cleared=_("It is whole."), hint=_("Mend it.")
    )


def message(kind="a", *, minutes=0, **fields) -> EventMessage:
    values = {"severity": Severity.NORMAL, "raised_at": NOW + timedelta(minutes=minutes), **fields}
    return EventMessage.objects.create(kind=kind, **values)


def rows(response) -> list[str]:
    body = re.search(r"<tbody>(.*)</tbody>", response.content.decode(), re.DOTALL)
    found = re.findall(r"<tr.*?</tr>", body.group(1), re.DOTALL) if body else []
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]


@pytest.fixture(autouse=True)
def _english(viewer_client, operator_client):
    viewer_client.cookies["django_language"] = operator_client.cookies["django_language"] = "en"


def test_it_shows_severity_in_words_the_text_and_what_to_do(operator_client, viewer_client, kind):
    message(kind.id, severity=kind.severity, params={"line": "7"})
    (row,) = rows(operator_client.get(URL))
    assert "Serious" in row
    assert "The line 7 is &lt;cut&gt;." in row
    assert "Mend it." in row
    assert "Mend it." not in rows(viewer_client.get(URL))[0]


def test_a_kind_that_this_version_does_not_know_is_shown_by_its_id(viewer_client):
    message("from_the_future")
    assert "from_the_future" in rows(viewer_client.get(URL))[0]


def test_a_message_of_a_version_that_named_other_things_is_shown_with_a_dash(viewer_client, kind):
    message(kind.id, params={"number": "7"})
    assert "The line – is &lt;cut&gt;." in rows(viewer_client.get(URL))[0]


@pytest.fixture
def dated(monkeypatch):
    monkeypatch.setattr(events.EventKind, "known", dict(events.EventKind.known))
    text = _("%(names)s: until %(until)s, the clock is %(seconds)s.")
    return events.EventKind("dated", Severity.NORMAL, text, instants=("until",), offsets=("seconds",))


def test_instants_and_offsets_are_shown_as_their_kind_says_and_a_name_that_looks_like_one_as_it_is(
    viewer_client, dated
):
    params = {"names": "2026-05-04T12:00:00+00:00", "until": "2026-05-04T12:00:00+00:00", "seconds": -7.25}
    message(dated.id, params=params)

    (row,) = rows(viewer_client.get(URL))

    assert "2026-05-04T12:00:00+00:00: until" in row
    assert row.count("2026-05-04T12:00:00+00:00") == 1
    assert "the clock is 7.2 s ahead." in row


@pytest.mark.parametrize(
    "params", [{"until": "", "seconds": "x"}, {"until": None, "seconds": None}, {"until": 7, "seconds": []}]
)
def test_what_an_older_version_kept_otherwise_is_shown_as_it_is(viewer_client, dated, params):
    message(dated.id, params={"names": "a", **params})

    assert "until" in rows(viewer_client.get(URL))[0]


def test_each_kind_names_parameters_of_its_own_texts():
    for kind in events.EventKind.known.values():
        told = " ".join(str(text) for text in (kind.text, kind.cleared, kind.hint))
        assert [name for name in (*kind.instants, *kind.offsets) if f"%({name})s" not in told] == [], kind.id


def test_open_messages_come_first_and_of_each_the_newest(viewer_client):
    message("over-old", minutes=1, cleared_at=NOW + timedelta(minutes=8))
    message("open-old", minutes=2)
    message("over-new", minutes=3, cleared_at=NOW + timedelta(minutes=9))
    message("open-new", minutes=4)
    listed = [re.search(r"(open|over)-\w+", row).group(0) for row in rows(viewer_client.get(URL))]
    assert listed == ["open-new", "open-old", "over-new", "over-old"]


def test_it_lists_what_the_filter_asks_for(viewer_client):
    message("one", severity=Severity.CRITICAL)
    message("two", severity=Severity.CRITICAL, cleared_at=NOW)
    message("three", severity=Severity.NORMAL)
    shown = rows(viewer_client.get(URL, {"severity": "critical", "state": "open"}))
    assert len(shown) == 1
    assert "one" in shown[0]
    assert len(rows(viewer_client.get(URL, {"severity": "nonsense", "page": "x"}))) == 3


def test_pages_keep_the_filter(viewer_client):
    for count in range(60):
        message(f"kind-{count}", minutes=count)
    first = viewer_client.get(URL, {"state": "open"})
    assert len(rows(first)) == 50
    assert "?state=open&amp;page=2" in first.content.decode()
    assert len(rows(viewer_client.get(URL, {"state": "open", "page": "2"}))) == 10


def test_a_message_without_match_is_confirmed_by_a_person(operator_client, operator):
    waiting = message("a", with_match=False)
    url = reverse("system:events_confirm", args=[waiting.pk])
    assert url in operator_client.get(URL, {"state": "open"}).content.decode()
    response = operator_client.post(f"{url}?state=open")
    assert response.headers["Location"] == f"{URL}?state=open"
    waiting.refresh_from_db()
    assert waiting.cleared_at is not None
    assert waiting.confirmed_by == operator.username


def test_confirming_twice_keeps_the_first_confirmation(operator_client, administrator_client, operator):
    waiting = message("a", with_match=False)
    url = reverse("system:events_confirm", args=[waiting.pk])
    operator_client.post(url)
    administrator_client.post(url)
    waiting.refresh_from_db()
    assert waiting.confirmed_by == operator.username


def test_a_message_with_match_is_cleared_by_its_counterpart_alone(operator_client):
    waiting = message("a", with_match=True)
    url = reverse("system:events_confirm", args=[waiting.pk])
    assert url not in operator_client.get(URL).content.decode()
    assert operator_client.post(url).status_code == 404
    waiting.refresh_from_db()
    assert waiting.cleared_at is None


def test_who_may_only_view_gets_no_button(viewer_client):
    waiting = message("a", with_match=False)
    assert reverse("system:events_confirm", args=[waiting.pk]) not in viewer_client.get(URL).content.decode()


def test_the_page_costs_the_same_with_many_messages(viewer_client, django_assert_max_num_queries):
    for count in range(60):
        message(f"kind-{count}")
    viewer_client.get(URL)
    with django_assert_max_num_queries(6):
        viewer_client.get(URL)
