"""No line of the log holds a link or a token, whatever a stranger or a telephone does with it; and one of JSON is one object
(rules log-without-secrets, json-lines).
"""

import io
import json
import logging
from contextlib import suppress
from copy import deepcopy
from logging.config import DictConfigurator

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client

from certificates.models import Generation
from certificates.renewal import states
from pbxcerts.system import events
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.log_lines import REQUEST, JsonLines, WithoutSecrets
from pbxcerts.system.models import EventMessage, Severity
from pbxcerts.system.time.timekeeping import machine_time

TOKEN = "4ihywCnrhaENwhDMM8rDMGQOetLAf1BAdOPA-6bafrE"


@pytest.fixture(params=["text", "json"])
def lines(request, caplog):
    """What a deployment would have written to its log by now."""
    # It is changed by being configured.
    written = deepcopy(settings.LOGGING)
    assert written["root"]["handlers"] == [*written["handlers"]] == ["console"]
    assert written["handlers"]["console"]["formatter"] == "text"
    formatter = DictConfigurator(written).configure_formatter(written["formatters"][request.param])
    return lambda: [formatter.format(record) for record in caplog.records]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", f"/terminals/link/{TOKEN}/"),
        ("delete", f"/terminals/link/{TOKEN}/file/"),
        ("get", f"/terminals/link/{TOKEN}/more"),
        ("get", f"/{TOKEN}/00085D000001.cfg"),
        ("get", f"/{TOKEN}.cfg"),
    ],
)
def test_a_request_with_a_secret_in_its_path_is_told_without_it(lines, method, path):
    getattr(Client(), method)(path)

    assert lines()
    left_out = ("/…", r"/\u2026")
    assert [line for line in lines() if TOKEN[:20] in line or not any(sign in line for sign in left_out)] == []


def test_what_is_no_secret_stays():
    record = logging.makeLogRecord(
        {"msg": 'Not Found: /terminals/types/12/edit/x.pem File "/srv/configuration_folder.py", line 7'}
    )

    assert WithoutSecrets("%(message)s").format(record) == record.msg


# -- JSON --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def log():
    """A logger, and what it has written as JSON, one object for each line."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("pbxcerts.test")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger, lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logger.removeHandler(handler)


def test_a_line_is_one_object_whatever_is_in_it(log):
    logger, objects = log
    logger.warning('two\nlines, "quotes", Grüße, %s and \u2028', "\0\x1b[31m")

    (said,) = objects()
    assert said.keys() == {"time", "level", "logger", "message"}
    assert said["message"] == 'two\nlines, "quotes", Grüße, \0\x1b[31m and \u2028'
    assert (said["level"], said["logger"]) == ("WARNING", "pbxcerts.test")
    assert said["time"].endswith("+00:00")


def test_an_exception_is_a_field_of_it_and_holds_no_secret(log):
    logger, objects = log
    try:
        raise ValueError(f"no /terminals/link/{TOKEN}/ here")
    except ValueError:
        logger.exception("It failed at /%s/x.cfg.", TOKEN)

    (said,) = objects()
    assert said["message"] == "It failed at /…/x.cfg."
    assert said["exception"].startswith("Traceback")
    assert said["exception"].endswith("ValueError: no /terminals/link/…/ here")


def test_what_a_line_is_about_is_named(log):
    logger, objects = log
    logger.info("so", extra={"event": "pair_ends", "generation": 7, "terminal": "120", "another": "x"})
    logger.info("so", extra={"terminal": f"/{TOKEN}"})

    first, second = objects()
    assert (first["event"], first["generation"], first["terminal"]) == ("pair_ends", 7, "120")
    assert "another" not in first
    assert second["terminal"] == "/…"


@pytest.mark.parametrize("formatter", [WithoutSecrets("%(levelname)s %(message)s"), JsonLines()], ids=["text", "json"])
def test_a_line_of_a_request_has_its_id_and_one_of_none_has_none(formatter):
    record = logging.makeLogRecord({"msg": "so", "levelname": "INFO"})
    before = formatter.format(record)
    token = REQUEST.set("a1b2c3d4e5f60718")
    try:
        during = formatter.format(record)
    finally:
        REQUEST.reset(token)

    assert "a1b2c3d4e5f60718" in during
    assert formatter.format(record) == before


def test_the_id_stands_at_the_end_of_the_first_line_of_a_traceback():
    try:
        raise ValueError("no")
    except ValueError as error:
        record = logging.makeLogRecord({"msg": "so", "exc_info": (type(error), error, error.__traceback__)})
    token = REQUEST.set("a1b2c3d4e5f60718")
    try:
        first, *_rest = WithoutSecrets("%(message)s").format(record).splitlines()
    finally:
        REQUEST.reset(token)

    assert first == "so [a1b2c3d4e5f60718]"


@pytest.mark.django_db
def test_an_event_message_is_logged_when_it_comes_and_when_it_is_over(
    caplog, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr(EventKind, "known", {})
    kind = EventKind("something_is_wrong", Severity.CRITICAL, "Something is wrong.", cleared="It is right.")
    with (
        caplog.at_level(logging.INFO, "pbxcerts.system.events"),
        django_capture_on_commit_callbacks(execute=True),
    ):
        for _ in range(2):
            events.send_and_clear([Notice(kind, subject="7")], now=machine_time())
        events.send_and_clear([], now=machine_time())

    said = [(one.levelname, one.getMessage(), one.event) for one in caplog.records]
    assert said == [
        ("ERROR", "event message: something_is_wrong 7", "something_is_wrong"),
        ("INFO", "event message over: something_is_wrong 7", "something_is_wrong"),
    ]
    assert EventMessage.objects.count() == 1


@pytest.mark.django_db
def test_what_is_taken_back_is_not_logged(caplog, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(EventKind, "known", {})
    kind = EventKind("something_is_wrong", Severity.CRITICAL, "Something is wrong.")
    with (
        caplog.at_level(logging.INFO, "pbxcerts.system.events"),
        django_capture_on_commit_callbacks(execute=True),
        suppress(ZeroDivisionError),
        transaction.atomic(),
    ):
        events.tell(Notice(kind), now=machine_time())
        _ = 1 / 0

    assert EventMessage.objects.count() == 0
    assert caplog.records == []


@pytest.mark.django_db
def test_a_change_of_a_generation_is_logged_with_its_number(caplog, django_capture_on_commit_callbacks):
    now = machine_time()
    made = Generation(number=7, replaces=0, trigger="page", key_type="p256", ordered_at=now)
    states.begin(made)
    with caplog.at_level(logging.INFO, states.__name__), django_capture_on_commit_callbacks(execute=True):
        states.move(made, Generation.State.FAILED, now=now)

    (said,) = caplog.records
    assert (said.getMessage(), said.generation) == ("generation 7: making -> failed", 7)
