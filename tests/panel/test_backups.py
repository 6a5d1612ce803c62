"""Backups on the page of System / General: the schedule, how it goes, and one at once."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import translation

from pbxcerts.backup import schedule
from pbxcerts.backup.models import BackupRun
from pbxcerts.panel import backups, saving
from pbxcerts.system.database.versioned import InvalidValues
from pbxcerts.system.models import General
from pbxcerts.system.time import timekeeping
from tests.support.backups import KeyPair

pytestmark = [pytest.mark.django_db, pytest.mark.peer]

URL, NOW = reverse("system:general"), reverse("system:general_backup")


@pytest.fixture(autouse=True)
def english():
    General.load()
    General.objects.update(language="en")
    with translation.override("en"):
        yield


@pytest.fixture
def public(tmp_path):
    return KeyPair(tmp_path).public


@pytest.fixture
def place(settings, tmp_path):
    settings.DATA, settings.BACKUPS = tmp_path / "data", tmp_path / "backups"
    settings.BACKUPS.mkdir()
    settings.DATA.mkdir()
    return settings.BACKUPS


def save(**changes):
    general = General.load()
    values = {name: str(value) for name, value in changes.items()}
    return saving.apply_general(values, expected_version=general.version, now=timekeeping.now())


def errors_of(**changes):
    with pytest.raises(InvalidValues) as refused:
        save(**changes)
    return refused.value.errors


def test_without_a_place_or_a_key_it_can_not_be_switched_on(settings, public, place):
    assert {*errors_of(backup_enabled="true")} == {"backup_recipients"}
    settings.BACKUPS = None
    errors = errors_of(backup_enabled="true", backup_recipients=public)
    assert "PBXCERTS_BACKUPS is not set" in errors["backup_enabled"][0]
    assert not General.load().backup_enabled


@pytest.mark.parametrize(
    ("name", "value"), [("backup_days", "0"), ("backup_days", "32"), ("backup_keep", "0"), ("backup_time", "25:00")]
)
def test_what_is_no_value_is_refused(name, value):
    assert {*errors_of(**{name: value})} == {name}


def test_a_private_key_is_refused_and_not_shown(tmp_path):
    private = KeyPair(tmp_path).identities.keys[0]
    (said,) = errors_of(backup_recipients=private)["backup_recipients"]

    assert "AGE-SECR…" in said
    assert private not in said


def test_whoever_switches_it_on_begins_anew(place, public):
    BackupRun.objects.create(tries=7, failure="no room")
    save(backup_enabled="true", backup_recipients=public)
    row = BackupRun.load()

    assert (row.tries, row.failure) == (0, "")
    assert row.since is not None
    since = row.since
    BackupRun.objects.update(tries=7)
    save(backup_keep="5")
    assert (BackupRun.load().tries, BackupRun.load().since) == (0, since)
    BackupRun.objects.update(tries=7)
    save(site_name="North")
    assert BackupRun.load().tries == 7


def test_the_page_says_how_it_goes(administrator_client, place, public):
    assert 'id="backup"' not in administrator_client.get(URL).content.decode()
    save(backup_enabled="true", backup_recipients=public)
    assert "No backup has been made yet" in administrator_client.get(URL).content.decode()

    now = timekeeping.machine_time()
    BackupRun.objects.update(tried_at=now, tries=1, failure="No room in <there>.")
    page = administrator_client.get(URL).content.decode()
    assert "No room in &lt;there&gt;." in page
    BackupRun.objects.update(tries=1, failure="")
    assert "A backup is being made" in administrator_client.get(URL).content.decode(), "it has just been started"
    BackupRun.objects.update(tried_at=now - timedelta(minutes=2))
    assert "did not come to its end" in administrator_client.get(URL).content.decode()
    BackupRun.objects.update(
        tries=0, good_at=now, good_name="pbxcerts-1.tar.gz.age", good_size=123_456, beside_data=True
    )
    page = administrator_client.get(URL).content.decode()
    assert "pbxcerts-1.tar.gz.age" in page
    assert str(place) in page
    assert "on the file system of the data directory" in page


@pytest.fixture
def started(monkeypatch):
    count = []
    monkeypatch.setattr(backups.schedule, "start", lambda _run, _now: count.append(1))
    return count


def test_one_is_made_at_once_by_whoever_administers(
    administrator_client, operator_client, viewer_client, place, public, started
):
    administrator_client.post(NOW)
    assert started == [], "not while it is off"
    save(backup_enabled="true", backup_recipients=public)
    for client in (viewer_client, operator_client):
        assert client.post(NOW).status_code == 403
        assert "Back up now" not in client.get(URL).content.decode()
    assert started == []
    assert "Back up now" in administrator_client.get(URL).content.decode()
    assert administrator_client.get(NOW).status_code == 405

    assert administrator_client.post(NOW, follow=True).status_code == 200
    assert started == [1]
    assert schedule.due_at(General.load(), BackupRun.load(), timekeeping.machine_time()) is not None
