"""A backup of the data directory is restored beside the store that the communication server goes on reading: with the real
processes, the real database and telephones that fetch.
"""

import json
import shutil
import sys

import pytest

from tests.support import forked
from tests.support.provisioning import Provisioning, fetch, trusting
from tests.support.running import MANAGE, wait_for

pytestmark = pytest.mark.process


def remove(entry):
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink()


class Backup:
    """Of everything but the store, which is not a part of it."""

    def __init__(self, data, place):
        self._data, self._place = data, place
        shutil.copytree(data, place, ignore=shutil.ignore_patterns("store", "run"))

    def restore(self):
        for entry in self._data.iterdir():
            if entry.name not in {"store", "run"}:
                remove(entry)
        shutil.copytree(self._place, self._data, dirs_exist_ok=True)


@pytest.fixture
def product(tmp_path):
    with Provisioning(tmp_path) as product:
        yield product.open(phones=1)


def command(product, *arguments):
    return forked.run(
        [sys.executable, MANAGE, *arguments], env=product.environment, capture_output=True, text=True, check=False
    )


def served(product):
    current = product.data / "store" / "current"
    return {name: (current / name).read_bytes() for name in ("host.pem", "host.key")}


def states(product):
    return {row["number"]: row["state"] for row in product.rows("certificates.Generation", "number", "state")}


def test_an_older_backup_never_destroys_what_is_served(product, tmp_path):
    product.end()
    backup = Backup(product.data, tmp_path / "backup")
    assert product.generate() == 2
    product.activate()
    before = served(product)
    for place in ("secrets", "pbxcerts.sqlite3"):
        (tmp_path / "backup" / place).chmod(0o755)
    backup.restore()
    product.go_on()
    product.wait_for_a_heartbeat()

    assert served(product) == before
    assert states(product) == {1: "superseded", 2: "active"}
    root = next(row for row in product.rows("certificates.Generation", "number", "root_pem") if row["number"] == 2)
    phone = product.phone(100)
    phone.trusts = root["root_pem"]
    wait_for(lambda: phone.get(f"/{phone.mac}.cfg").status == 200, what="files for the telephone")
    phone.restart()
    assert phone.trusts.count("BEGIN CERTIFICATE") == 4
    for name in ("secrets", "pbxcerts.sqlite3"):
        assert (product.data / name).stat().st_mode & 0o077 == 0
    said = json.loads(command(product, "status", "--json").stdout)
    assert said["published"] | {"store": "same", "matches": True, "current": 2} == said["published"]


def test_beside_a_new_data_directory_telephones_come_back_later_until_a_person_has_decided(product):
    product.end()
    before = served(product)
    phones = json.dumps(product.rows("terminals.Terminal", "number", "mac", "path_secret"))
    for entry in product.data.iterdir():
        if entry.name != "store":
            remove(entry)
    assert command(product, "migrate").returncode == 0
    root = (product.data / "store" / "current" / "root.pem").read_text()
    product.go_on()
    product.wait_for_a_heartbeat()

    mac = json.loads(phones)[0]["mac"]
    for path in (f"/{mac}.cfg", "/.well-known/est/cacerts"):
        answer = fetch(product.https, path, context=trusting(root))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert fetch(product.http, "/root.pem").status == 503
    assert served(product) == before
    refused = command(product, "regenerate", "--without-clock", "--json")
    assert refused.returncode == 3

    adopted = command(product, "adopt", "--json")
    assert adopted.returncode == 0, adopted.stderr
    assert json.loads(adopted.stdout)["generation"]["state"] == "active"
    assert served(product) == before
    wait_for(
        lambda: fetch(product.https, "/.well-known/est/cacerts", context=trusting(root)).status == 200,
        what="the roots by EST",
    )
