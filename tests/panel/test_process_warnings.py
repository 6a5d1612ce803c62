import pytest

from pbxcerts.panel import process_warnings
from pbxcerts.system.run_files import FAILING_PROCESSES, FailingProcess


@pytest.fixture
def data(tmp_path, settings):
    settings.DATA = tmp_path
    (tmp_path / "run").mkdir()
    return tmp_path


def test_a_worker_that_fails_again_and_again_is_a_critical_warning_that_says_how_it_ended(data):
    FAILING_PROCESSES.write(data, {"worker": FailingProcess(4, "exit code 3")})

    (warning,) = process_warnings.warnings()

    assert warning.id == "worker_process_fails"
    assert warning.severity == "critical"
    assert "4" in warning.text
    assert "exit code 3" in warning.text


def test_nothing_is_warned_of_without_a_state_or_with_a_damaged_one(data):
    assert process_warnings.warnings() == []

    FAILING_PROCESSES.at(data).write_text('{"worker": {"fail')

    assert process_warnings.warnings() == []


def test_a_weak_secret_key_is_a_serious_warning(data, settings):
    settings.SECRET_KEY = "django-insecure-" + "0123456789" * 5

    (warning,) = process_warnings.warnings()

    assert (warning.id, warning.severity) == ("secret_key_weak", "serious")


def test_a_state_that_cannot_be_written_does_not_stop_supervision(tmp_path):
    assert not FAILING_PROCESSES.write(tmp_path / "missing", {})


@pytest.mark.django_db
def test_every_page_says_it_because_no_heartbeat_would(data, viewer_client):
    assert b"exit code 3" not in viewer_client.get("/system/events/").content

    FAILING_PROCESSES.write(data, {"worker": FailingProcess(4, "exit code 3")})

    assert b"exit code 3" in viewer_client.get("/system/events/").content
