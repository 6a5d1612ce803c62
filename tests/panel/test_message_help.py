"""What each event message means: one page, made from the code that sends them."""

import pytest
from django.urls import reverse
from django.utils import timezone

from pbxcerts.event_kinds import every_kind
from pbxcerts.system.models import EventMessage, Severity

PAGE = "/system/events/meaning/"


@pytest.mark.parametrize("language", ["de", "en"])
def test_every_kind_stands_there_with_its_text_and_no_placeholder(viewer_client, language):
    viewer_client.cookies["django_language"] = language
    page = viewer_client.get(PAGE).content.decode()

    assert len(every_kind()) > 70
    assert all(f'id="{kind.id}"' in page for kind in every_kind())
    assert "%(" not in page


def test_the_worst_stand_first():
    severities = [kind.severity for kind in every_kind()]

    assert severities == sorted(severities, key=[Severity.CRITICAL, Severity.SERIOUS, Severity.NORMAL].index)


def test_a_message_leads_to_its_place_there(viewer_client, db):
    EventMessage.objects.create(kind="clock_off", severity="critical", raised_at=timezone.now())

    assert f'href="{PAGE}#clock_off"' in viewer_client.get(reverse("system:events")).content.decode()
