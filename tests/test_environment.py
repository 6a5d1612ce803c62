"""The environment variables: each arrives in the settings, and what is wrong is told by its name."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

from pbxcerts import env

FILE = Path("pbxcerts.sqlite3")


def test_the_queue_repeats_and_catches_up_on_nothing():
    """A task that runs is not started twice, and one that was missed is not made up for: the next heartbeat is due anyway."""
    queue = settings.Q_CLUSTER
    assert (queue["catch_up"], queue["max_attempts"], queue["save_limit"]) == (False, 1, -1)
    assert queue["retry"] > queue["timeout"]
    assert queue["poll"] <= 1


def test_sqlite_waits_for_its_turn_and_takes_the_lock_before_it_reads(monkeypatch):
    monkeypatch.delenv("PBXCERTS_DATABASE", raising=False)
    read = env.database("DATABASE", FILE)
    assert read["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert read["OPTIONS"]["timeout"] >= 10
    assert "journal_mode=WAL" in read["OPTIONS"]["init_command"]
    assert read["CONN_MAX_AGE"] is None


def test_it_is_installed_as_a_command_of_its_own():
    scripts = {entry.name: entry.value for entry in entry_points(group="console_scripts")}
    assert scripts["pbxcerts"] == "pbxcerts.__main__:main"
    assert scripts["pbxcerts-agent"] == "terminals.agent.__main__:main"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://pbx:secret@db.example.org:6432/certs",
        "postgres://pbx%20certs:p%40ss%2Fword%3A@[2001:db8::1]:5432/two%20words",
        "postgresql:///certs?host=/run/postgresql",
        "postgresql://pbx@db.example.org/certs?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem",
    ],
)
def test_django_and_libpq_read_the_same_out_of_the_url_of_a_database(monkeypatch, url):
    monkeypatch.setenv("PBXCERTS_DATABASE", url)
    read = env.database("DATABASE", FILE)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    by_django = {libpq: read[django] for django, libpq in names.items() if read[django]} | read["OPTIONS"]

    assert by_django == env.IN_TIME | conninfo_to_dict(url)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://pbx:secret@db.example.org/certs",
        "postgresql://pbx:secret@db.example.org:port/certs",
        "postgresql://pbx:secret@db.example.org:99999/certs",
        "postgresql://pbx:secret@db.example.org/",
        "pbxcerts",
    ],
)
def test_another_database_is_refused_without_telling_the_password(monkeypatch, url):
    monkeypatch.setenv("PBXCERTS_DATABASE", url)
    with pytest.raises(ImproperlyConfigured, match="PBXCERTS_DATABASE must be postgresql://") as refusal:
        env.database("DATABASE", FILE)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["", "redis://:secret@broker.example.org:6379/0", "unix:///run/redis.sock?db=1"])
def test_a_broker_is_none_or_a_redis(monkeypatch, url):
    monkeypatch.setenv("PBXCERTS_BROKER", url)
    assert env.broker("BROKER") == url


@pytest.mark.parametrize("url", ["amqp://:secret@broker.example.org", "redis://:secret@broker:port/0", "broker:6379"])
def test_another_broker_is_refused_without_telling_the_password(monkeypatch, url):
    monkeypatch.setenv("PBXCERTS_BROKER", url)
    with pytest.raises(ImproperlyConfigured, match="PBXCERTS_BROKER must be redis://") as refusal:
        env.broker("BROKER")
    assert "secret" not in str(refusal.value)


# -- secrets -----------------------------------------------------------------------------------------------------------


def read_secret(name):
    readers = {"DATABASE": lambda: env.database(name, FILE)["PASSWORD"], "BROKER": lambda: env.broker(name)}
    return readers.get(name, lambda: env.secret_text(name))()


SECRETS = {
    "DATABASE": ("postgresql://pbx:secret@db.example.org/certs", "secret"),
    "BROKER": ("redis://:secret@broker.example.org/0", "redis://:secret@broker.example.org/0"),
    "SECRET_KEY": ("a secret", "a secret"),
    "METRICS_TOKEN": ("a secret", "a secret"),
}


@pytest.mark.parametrize("name", env.SECRETS)
@pytest.mark.parametrize("content", [b"%s\n", b"\xef\xbb\xbf%s\r\n"], ids=["as-usual", "from-windows"])
def test_a_secret_may_stand_in_a_file(monkeypatch, tmp_path, name, content):
    value, read = SECRETS[name]
    (tmp_path / "secret").write_bytes(content % value.encode())
    monkeypatch.delenv(f"PBXCERTS_{name}", raising=False)
    monkeypatch.setenv(f"PBXCERTS_{name}_FILE", str(tmp_path / "secret"))

    assert read_secret(name) == read


@pytest.mark.parametrize("name", env.SECRETS)
def test_one_secret_in_two_places_is_refused(monkeypatch, tmp_path, name):
    value, _read = SECRETS[name]
    (tmp_path / "secret").write_text(value)
    monkeypatch.setenv(f"PBXCERTS_{name}_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv(f"PBXCERTS_{name}", value)

    with pytest.raises(ImproperlyConfigured, match=f"PBXCERTS_{name} and PBXCERTS_{name}_FILE") as refusal:
        read_secret(name)
    assert "secret@" not in str(refusal.value)


@pytest.mark.parametrize(
    "content", [None, "", "one\ntwo\n", b"\xff\xfe\x00"], ids=["missing", "empty", "lines", "utf-16"]
)
def test_a_file_that_holds_no_secret_is_told(monkeypatch, tmp_path, content):
    if content is not None:
        (tmp_path / "secret").write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.delenv("PBXCERTS_DATABASE", raising=False)
    monkeypatch.setenv("PBXCERTS_DATABASE_FILE", str(tmp_path / "secret"))

    with pytest.raises(ImproperlyConfigured, match=re.escape(str(tmp_path / "secret"))):
        env.database("DATABASE", FILE)


@pytest.mark.parametrize("name", ["STORE", "RELOAD_COMMAND", "HOSTS", "DATABSE"])
def test_a_file_for_what_is_no_secret_is_refused_by_its_name(monkeypatch, name):
    monkeypatch.setenv("PBXCERTS_DATABASE_FILE", "/run/secrets/database")
    monkeypatch.setenv("PBXCERTS_KEY_FILE", "/run/secrets/keys")
    env.refuse_other_files()
    monkeypatch.setenv(f"PBXCERTS_{name}_FILE", "/etc/pbx/anything")

    with pytest.raises(ImproperlyConfigured, match=f"no variable PBXCERTS_{name}_FILE"):
        env.refuse_other_files()


@pytest.mark.parametrize(
    ("key", "weak"),
    [
        ("changeme", True),
        ("ab" * 40, True),
        ("django-insecure-" + "abcdefghijklmnopqrstuvwxyz0123456789", True),
        pytest.param(env.secret(Path("/no/such/directory/django.key")), False, id="made by the product"),
        ("from the environment, fifty characters long, or so", False),
    ],
)
def test_a_secret_key_that_can_be_guessed_is_weak(key, weak):
    assert env.is_weak(key) == weak


# -- the data directory ------------------------------------------------------------------------------------------------


def test_data_lies_beside_manage_py_in_a_checkout(tmp_path):
    (tmp_path / "manage.py").touch()

    assert env.place_for_state(tmp_path) == tmp_path / "data"


@pytest.mark.parametrize(
    ("user", "state", "place"),
    [
        (0, "/home/anna/state", "/var/lib/pbxcerts"),
        (1000, "/home/anna/state", "/home/anna/state/pbxcerts"),
        (1000, "", "/home/anna/.local/state/pbxcerts"),
        (1000, "state", "/home/anna/.local/state/pbxcerts"),
    ],
    ids=["root", "named", "default", "relative"],
)
def test_installed_elsewhere_data_lies_where_the_platform_keeps_state(monkeypatch, tmp_path, user, state, place):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setenv("XDG_STATE_HOME", state)
    monkeypatch.setenv("HOME", "/home/anna")

    assert env.place_for_state(tmp_path) == Path(place)


def test_a_user_without_a_home_is_told_to_name_a_directory(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)

    with pytest.raises(ImproperlyConfigured, match="PBXCERTS_DATA or --data"):
        env.place_for_state(tmp_path)


# -- all others --------------------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parent.parent
SET = {
    "STORE": "/srv/pbx/certificates",
    "STORE_GROUP": "kamailio",
    "KEY_FILE": "/run/secrets/host-keys",
    "RELOAD_COMMAND": "kamcmd 'tls.reload now'",
    "RELOAD_TIMEOUT": "7",
    "HOSTS": "panel.example.org, 192.0.2.1",
    "TERMINALS_HTTPS": "0.0.0.0:9443",
    "TERMINALS_HTTP": "",
    "TERMINALS_PROOF": "[::1]:9444",
    "CONFIGURATION_FOLDER": "/srv/tftp",
    "TRUSTED_PROXIES": "192.0.2.2",
    "URL_PATH": "/pbx/certs/",
    "PLAIN_HTTP": "True",
    "SECURE_COOKIES": "True",
    "CSRF_TRUSTED_ORIGINS": "https://panel.example.org",
    "HSTS_SECONDS": "3600",
    "LOG": "json",
    "METRICS_TOKEN": "a secret",
}
ARRIVES = {
    "STORE": SET["STORE"],
    "STORE_GROUP": SET["STORE_GROUP"],
    "KEY_FILE": SET["KEY_FILE"],
    "RELOAD_COMMAND": ["kamcmd", "tls.reload now"],
    "RELOAD_TIMEOUT": 7,
    "ALLOWED_HOSTS": ["panel.example.org", "192.0.2.1"],
    "TERMINALS_HTTPS": SET["TERMINALS_HTTPS"],
    "TERMINALS_HTTP": None,
    "TERMINALS_PROOF": SET["TERMINALS_PROOF"],
    "CONFIGURATION_FOLDER": SET["CONFIGURATION_FOLDER"],
    "TRUSTED_PROXIES": ["192.0.2.2"],
    "FORCE_SCRIPT_NAME": "/pbx/certs",
    "SESSION_COOKIE_PATH": "/pbx/certs/",
    "CSRF_COOKIE_PATH": "/pbx/certs/",
    "LANGUAGE_COOKIE_PATH": "/pbx/certs/",
    "PLAIN_HTTP": True,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "LANGUAGE_COOKIE_SECURE": True,
    "CSRF_TRUSTED_ORIGINS": [SET["CSRF_TRUSTED_ORIGINS"]],
    "SECURE_HSTS_SECONDS": 3600,
    "LOG": "json",
    "METRICS_TOKEN": "a secret",
    "SECRET_KEY": "fifty characters long, or so",
    "BROKER": "redis://:secret@broker.example.org/0",
}


@pytest.mark.process
def test_every_other_variable_arrives_in_the_settings(tmp_path):
    key = tmp_path / "django.key"
    key.write_text("fifty characters long, or so\n")
    broker = tmp_path / "broker"
    broker.write_text("redis://:secret@broker.example.org/0\n")
    told = "import json, sys; from pbxcerts import settings"
    told += "; print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))"
    printed = subprocess.run(
        [sys.executable, "-c", told, *ARRIVES],
        cwd=ROOT,
        env=os.environ
        | {"PBXCERTS_DATA": str(tmp_path), "PBXCERTS_SECRET_KEY_FILE": str(key), "PBXCERTS_BROKER_FILE": str(broker)}
        | {f"PBXCERTS_{name}": value for name, value in SET.items()},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert json.loads(printed) == ARRIVES


@pytest.mark.process
def test_the_reload_command_gets_the_callers_environment_and_the_store_but_no_secret_of_ours(tmp_path):
    """Not the time zone that Django sets, nor the locale that Python sets where the caller has none (PEP 538)."""
    callers = {"PATH": os.environ["PATH"], "TZ": "Europe/Berlin", "LANG": "C"}
    ours = {
        "PBXCERTS_DATA": str(tmp_path),
        "PBXCERTS_STORE": "/srv/pbx/certificates",
        "PBXCERTS_SECRET_KEY": "fifty characters long, or so",
        "PBXCERTS_DATABASE": "postgresql://pbx:secret@db.example.org/certs",
        "DJANGO_SUPERUSER_PASSWORD": "seven copper kettles",
        "DJANGO_SETTINGS_MODULE": "pbxcerts.settings",
    }
    told = "import django, json, os; django.setup(); assert os.environ['TZ'] == 'UTC'"
    told += "; from certificates.status.observing import communication_server"
    told += "; print(json.dumps(communication_server().reload_environment))"
    printed = subprocess.run(
        [sys.executable, "-c", told], cwd=ROOT, env=callers | ours, capture_output=True, text=True, check=True
    ).stdout

    assert json.loads(printed) == callers | {"PBXCERTS_STORE": "/srv/pbx/certificates"}


@pytest.mark.parametrize(
    ("value", "read", "said"),
    [
        ("61", lambda: env.number("ANY", 30, least=1, most=60), "a whole number from 1 to 60, not “61”"),
        ("soon", lambda: env.number("ANY", 30, least=1, most=60), "a whole number from 1 to 60, not “soon”"),
        ("yes", lambda: env.flag("ANY", default=False), "True or False, not “yes”"),
        ("xml", lambda: env.choice("ANY", "text", ("text", "json")), "one of text, json, not “xml”"),
        ("pbx", lambda: env.url_path("ANY"), "a path as in /pbxcerts, not “pbx”"),
        ("/a b", lambda: env.url_path("ANY"), "a path as in /pbxcerts, not “/a b”"),
        ("/a/../b", lambda: env.url_path("ANY"), "a path as in /pbxcerts, not “/a/../b”"),
        ("//b.example", lambda: env.url_path("ANY"), "a path as in /pbxcerts, not “//b.example”"),
        ("8443", lambda: env.endpoint("ANY", "127.0.0.1:8443"), "host:port, as in 127.0.0.1:8443, not “8443”"),
    ],
    ids=["too-much", "no-number", "no-flag", "no-choice", "no-slash", "a-space", "upwards", "another-host", "no-port"],
)
def test_a_value_that_is_wrong_is_told_with_its_variable(monkeypatch, value, read, said):
    monkeypatch.setenv("PBXCERTS_ANY", value)

    with pytest.raises(ImproperlyConfigured, match=f"PBXCERTS_ANY must be {said}"):
        read()


@pytest.mark.process
@pytest.mark.parametrize("command", [["status"], ["up"]], ids=lambda command: command[0])
def test_it_is_told_in_the_language_of_all_that_is_said_before_the_database_is_read(command):
    own = {name: value for name, value in os.environ.items() if not name.startswith("PBXCERTS_")}
    done = subprocess.run(
        [sys.executable, "manage.py", *command, "--json"],
        cwd=ROOT,
        env=own | {"PBXCERTS_RELOAD_TIMEOUT": "soon", "DJANGO_SETTINGS_MODULE": "pbxcerts.settings"},
        capture_output=True,
        text=True,
        check=False,
    )

    said = "PBXCERTS_RELOAD_TIMEOUT muss eine ganze Zahl von 1 bis 60 sein, nicht „soon“."
    assert (done.returncode, done.stderr) == (1, said + "\n")
    assert json.loads(done.stdout) == {"error": {"code": "configuration", "text": said}}


@pytest.mark.parametrize(
    ("value", "read"),
    [("", ""), ("/", ""), ("/pbxcerts", "/pbxcerts"), ("/pbxcerts/", "/pbxcerts"), ("/a/b-1", "/a/b-1")],
)
def test_a_path_is_read_with_and_without_the_last_slash(monkeypatch, value, read):
    monkeypatch.setenv("PBXCERTS_ANY", value)

    assert env.url_path("ANY") == read
