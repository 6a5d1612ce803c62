import pytest

from pbxcerts import process_state, process_warnings
from pbxcerts.process_state import Failing


@pytest.fixture
def state(tmp_path, settings):
    settings.DATA = tmp_path
    (tmp_path / "run").mkdir()
    return process_state.file(tmp_path)


def test_a_worker_that_fails_again_and_again_is_a_critical_warning_that_says_how_it_ended(state):
    process_state.write(state, {"worker": Failing(4, "exit code 3")})

    (warning,) = process_warnings.warnings()

    assert warning.id == "worker_process_fails"
    assert warning.severity == "critical"
    assert "4" in warning.text
    assert "exit code 3" in warning.text


def test_nothing_is_warned_of_without_a_state_or_with_a_damaged_one(state):
    assert process_warnings.warnings() == []

    state.write_text('{"worker": {"fail')

    assert process_warnings.warnings() == []


def test_a_state_that_cannot_be_written_does_not_stop_supervision(tmp_path):
    assert not process_state.write(process_state.file(tmp_path / "missing"), {})


@pytest.mark.django_db
def test_every_page_says_it_because_no_heartbeat_would(state, viewer_client):
    assert b"exit code 3" not in viewer_client.get("/system/events/").content

    process_state.write(state, {"worker": Failing(4, "exit code 3")})

    assert b"exit code 3" in viewer_client.get("/system/events/").content
