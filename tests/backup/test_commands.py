"""`backup` and `restore` as a person and a script meet them, with Debian's `age` beside them."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pbxcerts.backup.manifest import KEY_LIST, MANIFEST, SQLITE, Manifest
from tests.backup.conftest import Site
from tests.support import backups
from tests.support.backups import KeyPair, flipped
from tests.support.peers import missing, only_root, require_program
from tests.support.product import ROOT

pytestmark = pytest.mark.process


@pytest.fixture
def key(tmp_path):
    return KeyPair(tmp_path)


def for_key(site, key, name="one.age"):
    file = site.directory / name
    site.done("backup", file, "--recipient", key.public)
    return file


def leftovers(site):
    found = [*site.directory.glob(".new-*"), site.data / ".restore", site.data / "run" / "backup"]
    return [place for place in found if place.exists()]


# -- the file ----------------------------------------------------------------------------------------------------------


@pytest.mark.peer
def test_the_program_age_opens_it_and_tar_lists_what_is_in_it(site, key):
    file = for_key(site, key)
    packed = key.opened_by_age(file)

    listed = subprocess.run(["tar", "--list", "--gzip"], input=packed, capture_output=True, check=True).stdout.decode()
    pair = [f"store/generations/0001/{name}.pem" for name in ("agent", "fullchain", "host", "root")]
    assert listed.split()[0] == MANIFEST
    assert {SQLITE, "secrets/django.key", KEY_LIST, "store/mark.json", *pair} < {*listed.split()}
    assert file.stat().st_mode & 0o777 == 0o600
    assert leftovers(site) == []


@pytest.mark.peer
def test_what_age_has_encrypted_anew_for_another_key_is_restored(site, key, tmp_path, elsewhere):
    other, again = KeyPair(tmp_path, "other"), tmp_path / "again.age"
    age = [require_program("age"), "--armor", "--recipient", other.public, "--output", again]
    subprocess.run(age, input=key.opened_by_age(for_key(site, key)), check=True)

    elsewhere.done("restore", again, "--identity", other.file)
    assert elsewhere.states() == {1: "active"}


def test_who_was_logged_in_is_not_in_it(site):
    files = backups.opened(site.back_up())
    copy = site.directory / "copy.sqlite3"
    copy.write_bytes(files[SQLITE])

    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT count(*) FROM system_session").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM system_user").fetchone() == (1,)
    with closing(sqlite3.connect(site.data / "pbxcerts.sqlite3")) as database:
        (session,) = database.execute("SELECT session_data FROM system_session").fetchone()
    assert session.encode() not in files[SQLITE], "not even in a page that is free"


def test_it_names_the_variables_that_were_set_and_no_secret_among_them(site):
    site.product.environment |= {
        "PBXCERTS_RELOAD_COMMAND": "systemctl reload pbx",
        "PBXCERTS_SECRET_KEY": "a very long secret of our own making, with more than fifty characters in it",
    }
    files = backups.opened(site.back_up())

    environment = Manifest.read(files[MANIFEST]).environment
    assert environment["RELOAD_COMMAND"] == "systemctl reload pbx"
    assert environment["SECRET_KEY"] is None
    assert b"of our own making" in files["secrets/django.key"]


def test_it_is_one_state_of_a_database_that_others_write_to_meanwhile(site):
    writing = subprocess.Popen(
        [sys.executable, "-c", WRITES, site.data / "pbxcerts.sqlite3"], stdout=subprocess.PIPE, text=True
    )
    try:
        writing.stdout.readline()
        files = [backups.opened(site.back_up(f"{number}.age")) for number in range(2)]
    finally:
        writing.kill()
        writing.wait()
        writing.stdout.close()
    numbers = []
    for each in files:
        copy = site.directory / "copy.sqlite3"
        copy.write_bytes(each[SQLITE])
        with closing(sqlite3.connect(copy)) as database:
            counted, last = database.execute("SELECT count(*), max(n) FROM written").fetchone()
            assert counted == last + 1
            numbers.append(counted)
    assert 0 < numbers[0] < numbers[1]


WRITES = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
database.execute("CREATE TABLE written (n INTEGER)")
number = 0
while True:
    database.execute("INSERT INTO written VALUES (?)", [number])
    if number == 0:
        print(flush=True)
    number += 1
"""


def test_to_standard_output_it_is_handed_to_whoever_has_opened_the_file(site, elsewhere):
    file = site.directory / "handed.age"
    with file.open("wb") as output:
        ran = site.manage(
            "backup",
            "-",
            "--passphrase-file",
            site.passphrase,
            capture_output=False,
            stdout=output,
            stderr=subprocess.PIPE,
        )
    assert ran.returncode == 0
    assert "SHA-256" in ran.stderr

    with file.open("rb") as given:
        elsewhere.done("restore", "-", "--passphrase-file", elsewhere.passphrase, stdin=given)
    assert elsewhere.served() == site.served()


def test_in_a_directory_the_last_are_kept_and_nothing_of_others_is_deleted(site):
    place = site.directory / "backups"
    place.mkdir()
    others = ["pbxcerts-00000000-20200101T000000Z.tar.gz.age", "notes.txt", "pbxcerts-x.tar.gz.age"]
    for name in others:
        (place / name).touch()
    first = Path(site.done("backup", place, "--recipient", site.public)["file"])
    beginning = first.name[: len("pbxcerts-00000000-")]
    # Two within one second would be one file.
    earlier = first.rename(place / f"{beginning}20220101T000000Z.tar.gz.age").name
    later = f"{beginning}29990101T000000Z.tar.gz.age"
    for stamp in ("20200101T000000Z", "20210101T000000Z"):
        (place / f"{beginning}{stamp}.tar.gz.age").touch()
    (place / later).touch()
    made = site.done("backup", place, "--recipient", site.public, "--keep", "3")

    kept = {file.name for file in place.iterdir()} - {*others}
    # What a wrong clock has dated ahead takes a place, but never that of the one that has just been made.
    assert kept == {later, earlier, Path(made["file"]).name}
    assert len(made["deleted"]) == 2


# -- refused, with what to do ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name the file"),
        (["x.age"], "always encrypted"),
        (["x.age", "--recipient", "age1nothing"], "no public key"),
        (["x.age", "--recipient", "AGE-SECRET-KEY-1ABCDEFGH"], "“AGE-SECR…”"),
        (["x.age", "--recipient", "age1x", "--passphrase-file", "passphrase"], "always encrypted"),
        (["x.age", "--passphrase-file", "short"], "at least 12 characters"),
        (["x.age", "--passphrase-file", "empty"], "at least 12 characters"),
        (["x.age", "--passphrase-file", "passphrase", "--keep", "3"], "--keep is for a directory"),
        ([".", "--passphrase-file", "passphrase", "--keep", "0"], "--keep needs a number"),
        (["x.age", "--scheduled"], "With --scheduled"),
        (["-", "--passphrase-file", "passphrase"], "Standard output"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(site, arguments, said):
    (site.directory / "short").write_text("too short\n")
    (site.directory / "empty").write_text("\n")

    code, text = site.refused("backup", *arguments)
    assert code in {"usage", "value"}
    assert said in text
    assert not (site.directory / "x.age").exists()


def test_where_it_would_be_lost_with_the_installation_it_is_not_put(site):
    for place in (site.data / "one.age", site.data / "store" / "one.age", site.data / "pbxcerts.sqlite3"):
        code, text = site.refused("backup", place, "--recipient", site.public)
        assert code == "not_made"
        assert "choose another place" in text
    assert site.states()


def test_without_an_installation_it_says_so_and_makes_none(elsewhere):
    code, _text = elsewhere.refused("backup", "one.age", "--passphrase-file", elsewhere.passphrase)

    assert code == "not_installed"
    assert not elsewhere.data.exists()


@pytest.mark.parametrize(
    "damage", [lambda file: file.unlink(), lambda file: file.write_text("no key\n")], ids=["missing", "damaged"]
)
def test_without_its_keys_no_backup_is_made(site, damage):
    damage(site.data / "secrets" / "host-keys.key")

    code, text = site.refused("backup", "one.age", "--recipient", site.public)
    assert code == "not_made"
    assert "Put the key list back" in text
    assert not (site.directory / "one.age").exists()
    assert leftovers(site) == []


def test_of_a_damaged_database_no_backup_is_made_and_the_one_before_stays(site):
    file = site.back_up()
    before = file.read_bytes()
    with closing(sqlite3.connect(site.data / "pbxcerts.sqlite3")) as database:
        (page,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'terminals_terminaltype'"
        ).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (site.data / "pbxcerts.sqlite3").open("r+b") as database:
        database.seek((page - 1) * size)
        database.write(os.urandom(size))

    code, text = site.refused("backup", file, "--recipient", site.public)
    assert code == "not_made"
    assert "database" in text
    assert file.read_bytes() == before
    assert leftovers(site) == []


FULL = """
mount -t tmpfs -o size=$1 none "$2" || exit 77
place=$2
shift 2
"$@"
code=$?
ls -A "$place" > "$LISTING"
exit $code
"""


@pytest.mark.parametrize("place", ["backups", "data/run"])
@only_root
def test_on_a_full_disk_nothing_is_left_and_the_place_is_named(site, place):
    full, listing = site.directory / place, site.directory / "listing"
    full.mkdir(exist_ok=True)
    target = site.directory / "backups" / "one.age" if place == "backups" else site.directory / "one.age"
    size = "16k" if place == "backups" else "64k"
    site.product.environment["LISTING"] = str(listing)
    mounted = ("unshare", "--mount", "sh", "-c", FULL, "sh", size, str(full))
    ran = site.manage("backup", target, "--recipient", site.public, before=mounted)
    if ran.returncode == 77:
        missing("this user can't mount anything")

    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert f"{full}" in ran.stderr
    assert {*listing.read_text().split()} <= {"backup.lock"}
    assert not target.exists()


def test_where_this_user_may_write_no_file_so_large_the_place_is_named(site):
    limited = ("bash", "-c", 'ulimit -f 400 && exec "$@"', "bash")
    code, text = site.refused("backup", "one.age", "--recipient", site.public, before=limited)

    assert code == "not_made"
    assert f"{site.data / 'run'}" in text
    assert leftovers(site) == []
    assert not (site.directory / "one.age").exists()


# -- restored ----------------------------------------------------------------------------------------------------------


def test_on_another_machine_all_is_as_it_was_and_what_was_set_otherwise_is_named(site, elsewhere):
    site.product.environment["PBXCERTS_RELOAD_COMMAND"] = "systemctl reload pbx"
    file = site.back_up()
    store = elsewhere.directory / "srv" / "store"
    elsewhere.product.environment["PBXCERTS_STORE"] = str(store)
    done = elsewhere.done("restore", file, "--identity", elsewhere.key)

    assert done["other_variables"] == {
        "PBXCERTS_DATA": str(site.data),
        "PBXCERTS_RELOAD_COMMAND": "systemctl reload pbx",
    }
    assert elsewhere.states() == site.states()
    assert (store / "current" / "host.key").read_bytes() == site.served()
    assert (store / "current" / "host.pem").stat().st_mode & 0o777 == 0o644
    published = elsewhere.done("status")["published"]
    assert published | {"store": "same", "matches": True} == published
    assert leftovers(elsewhere) == []
    assert {path.stat().st_mode & 0o077 for path in elsewhere.data.rglob("*")} == {0}


def test_it_tells_the_restore_once(site, elsewhere):
    elsewhere.done("restore", site.back_up(), "--identity", elsewhere.key)
    for _beat in range(2):
        elsewhere.done("heartbeat")

    with closing(sqlite3.connect(elsewhere.data / "pbxcerts.sqlite3")) as database:
        told = database.execute(
            "SELECT severity, with_match FROM system_eventmessage WHERE kind = 'restored'"
        ).fetchall()
    assert told == [("serious", 0)]


def test_keys_that_stand_elsewhere_get_their_place(site, elsewhere):
    keys = elsewhere.directory / "etc" / "keys"
    elsewhere.product.environment["PBXCERTS_KEY_FILE"] = str(keys)
    elsewhere.done("restore", site.back_up(), "--identity", elsewhere.key)

    assert keys.read_bytes() == (site.data / "secrets" / "host-keys.key").read_bytes()
    assert keys.stat().st_mode & 0o777 == 0o600
    assert not (elsewhere.data / "secrets" / "host-keys.key").exists()
    assert elsewhere.done("status")["published"]["matches"]


def test_over_an_installation_it_says_what_is_lost_and_changes_nothing_until_it_is_told_to(site):
    file = site.back_up()
    site.done("settings", "site_name=Later")
    before = site.files()
    code, text = site.refused("restore", file, "--identity", site.key)

    assert code == "confirmation"
    for part in ("1 generation, ", "1 user", "is lost: settings", "--replace", "stay as they are"):
        assert part in text
    now = site.files()
    assert {name: content for name, content in now.items() if "sqlite3" not in name and name != "run/up.lock"} == {
        name: content for name, content in before.items() if "sqlite3" not in name
    }
    assert site.done("settings")["settings"]["site_name"] == "Later"

    done = site.done("restore", file, "--identity", site.key, "--replace")
    assert site.done("settings")["settings"]["site_name"] == ""
    aside = done["restored"]["aside"]
    with closing(sqlite3.connect(f"{aside}/pbxcerts.sqlite3")) as database:
        assert database.execute("SELECT site_name FROM system_general").fetchone() == ("Later",)
    assert Path(aside).stat().st_mode & 0o077 == 0


def test_the_backup_of_another_installation_is_called_that(site, tmp_path):
    other = Site(tmp_path / "other").install()

    _code, text = site.refused("restore", other.back_up(), "--identity", site.key)
    assert "ANOTHER installation" in text


def test_an_older_copy_adopts_what_is_served_also_after_its_keys_were_exchanged(site):
    """The drill of a key that has leaked: another one is made first, everything sealed anew, the old one removed."""
    file = site.back_up()
    keys = site.data / "secrets" / "host-keys.key"
    first = keys.read_text()
    second = subprocess.run(
        "openssl rand -base64 32 | tr '+/' '-_'", shell=True, capture_output=True, text=True, check=True
    ).stdout
    keys.write_text(second + first)
    site.done("rekey")
    keys.write_text(second)
    site.done("regenerate", "--at-once", "--without-clock")
    served, states = site.served(), site.states()
    site.done("restore", file, "--identity", site.key, "--replace")
    assert site.done("status")["published"]["store"] == "older"
    site.done("heartbeat")

    assert site.states() == states
    assert site.served() == served
    assert keys.read_text() == second + first, "what was sealed since, and what is in the backup, can both be read"
    assert site.done("rekey")["lost"] == []
    keys.write_text(second)
    assert site.done("rekey") | {"anew": 0, "lost": []} == site.done("rekey")


def test_while_it_runs_nothing_is_restored(site):
    file = site.back_up()
    with site.product:
        site.product.up()
        site.product.wait_until_it_answers()
        code, text = site.refused("restore", file, "--identity", site.key, "--replace")

    assert code == "running"
    assert "already runs" in text or "läuft bereits" in text


def test_the_next_command_finishes_a_restore_that_was_killed(site, elsewhere):
    file = site.back_up()
    killed = elsewhere.manage("restore", file, "--identity", elsewhere.key, before=(sys.executable, "-c", KILLED))
    assert killed.returncode == 9
    assert not (elsewhere.data / "pbxcerts.sqlite3").exists()

    assert elsewhere.states() == site.states()
    assert elsewhere.served() == site.served()
    assert leftovers(elsewhere) == []


KILLED = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
sys.argv = sys.argv[2:]
from pbxcerts.backup import exchange
exchange._move = lambda _move: os._exit(9)
from pbxcerts.__main__ import main
main()
"""


# -- not restored ------------------------------------------------------------------------------------------------------


@pytest.fixture
def assert_untouched(site):
    """Over what is there, nothing changes."""
    before = {name: content for name, content in site.files().items() if not name.startswith("pbxcerts.sqlite3-")}

    def check():
        now = {name: content for name, content in site.files().items() if not name.startswith("pbxcerts.sqlite3-")}
        assert {name for name in now if now[name] != before.get(name)} <= {"run/up.lock", "run/backup.lock"}
        assert {*before} <= {*now}
        assert leftovers(site) == []

    return check


def test_a_wrong_passphrase_and_a_wrong_key_open_nothing(site, key, tmp_path, assert_untouched):
    by_passphrase, by_key = site.locked_by_passphrase(), for_key(site, key, "two.age")
    wrong = site.directory / "wrong"
    wrong.write_text("another passphrase\n")
    other = KeyPair(tmp_path, "other")
    for arguments, said in (
        ([by_passphrase, "--passphrase-file", wrong], "passphrase is wrong"),
        ([by_passphrase, "--identity", key.file], "None of the keys"),
        ([by_key, "--identity", other.file], "None of the keys"),
        ([by_key, "--passphrase-file", site.passphrase], "open it with --identity"),
        ([by_key, "--identity", site.passphrase], "no file of private keys"),
    ):
        code, text = site.refused("restore", *arguments, "--replace")
        assert code == "locked"
        assert said in text
    assert_untouched()


@pytest.mark.parametrize(
    "damage", [lambda octets: octets[:-1], lambda octets: flipped(octets, 2000)], ids=["cut", "flipped"]
)
def test_one_that_was_cut_off_or_changed_is_refused(site, key, damage, assert_untouched):
    broken = site.directory / "broken.age"
    for file, option, opener in (
        (site.locked_by_passphrase(), "--passphrase-file", site.passphrase),
        (for_key(site, key, "two.age"), "--identity", key.file),
    ):
        broken.write_bytes(damage(file.read_bytes()))
        code, text = site.refused("restore", broken, option, opener, "--replace")
        assert code == "damaged"
        assert "Take another one" in text
    assert_untouched()


def test_a_newer_version_is_named_by_what_the_backup_says_and_by_what_its_database_says(site, key, assert_untouched):
    file, newer = for_key(site, key), site.directory / "newer.age"

    def migrated(files):
        copy = site.directory / "copy.sqlite3"
        copy.write_bytes(files[SQLITE])
        with closing(sqlite3.connect(copy)) as database, database:
            database.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES ('system', '9999_new', '2030-01-01')"
            )
        files[SQLITE] = copy.read_bytes()

    backups.rewritten(file, key, newer, version="9.1.0", migrations=("system.9999_new",))
    code, text = site.refused("restore", newer, "--identity", key.file, "--replace")
    assert code == "unfit"
    assert "9.1.0" in text
    backups.rewritten(file, key, newer, change=migrated)
    assert site.refused("restore", newer, "--identity", key.file, "--replace")[0] == "unfit"
    assert_untouched()


def test_an_older_one_is_brought_up_to_date_by_the_start_of_this_version(site, key, elsewhere):
    older = Site(elsewhere.directory / "older")
    shutil.copytree(site.data, older.data, symlinks=True)
    assert older.manage("migrate", "backup", "zero").returncode == 0

    def before(files):
        with closing(sqlite3.connect(older.data / "pbxcerts.sqlite3")) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        files[SQLITE] = (older.data / "pbxcerts.sqlite3").read_bytes()

    file = backups.rewritten(for_key(site, key), key, site.directory / "older.age", change=before)
    elsewhere.done("restore", file, "--identity", key.file)
    assert elsewhere.manage("migrate").returncode == 0

    assert elsewhere.states() == site.states()
    elsewhere.done("heartbeat")


def test_a_damaged_database_in_a_whole_backup_is_refused(site, key, assert_untouched):
    def damage(files):
        files[SQLITE] = files[SQLITE][:8192] + os.urandom(4096) + files[SQLITE][12288:]

    file = backups.rewritten(for_key(site, key), key, site.directory / "damaged.age", change=damage)
    assert site.refused("restore", file, "--identity", key.file, "--replace")[0] == "damaged"
    assert_untouched()


@pytest.mark.parametrize(("place", "size"), [("data", "300k"), ("store", "8k")])
def test_where_there_is_no_room_nothing_is_begun(site, key, elsewhere, place, size):
    full = elsewhere.directory / place
    full.mkdir()
    elsewhere.product.environment |= {
        "LISTING": str(elsewhere.directory / "listing"),
        "PBXCERTS_STORE": str(elsewhere.directory / "store"),
    }
    mounted = ("unshare", "--mount", "sh", "-c", FULL, "sh", size, str(full))
    ran = elsewhere.manage("restore", for_key(site, key), "--identity", key.file, before=mounted)
    if ran.returncode == 77:
        missing("this user can't mount anything")

    assert ran.returncode == 1
    assert str(full) in ran.stderr
    assert "0 MB" in ran.stderr
    assert (elsewhere.directory / "listing").read_text() == ""
    assert not any(elsewhere.data.glob("*"))


@only_root
def test_what_gets_in_the_way_after_the_look_is_named_and_any_command_does_the_rest(site, key, elsewhere):
    """A disk with octets enough, and too few files."""
    store = elsewhere.directory / "store"
    store.mkdir()
    elsewhere.product.environment["PBXCERTS_STORE"] = str(store)
    mounted = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o nr_inodes=5 none "$0" && exec "$@"', str(store))
    code, text = elsewhere.refused("restore", for_key(site, key), "--identity", key.file, before=mounted)

    assert (code, f"{store}/generations" in text, "any command" in text) == ("unfit", True, True)
    assert elsewhere.states() == site.states() == {1: "active"}
    assert (store / "current" / "host.key").read_bytes() == (site.data / "store" / "current" / "host.key").read_bytes()


def test_what_a_user_may_not_fill_is_said_as_a_full_disk_is(site, key, elsewhere):
    limited = ("bash", "-c", 'ulimit -f 400 && exec "$@"', "bash")
    code, text = elsewhere.refused("restore", for_key(site, key), "--identity", key.file, before=limited)

    assert code == "unfit"
    assert str(elsewhere.data) in text
    assert "File too large" in text
    assert not elsewhere.data.exists()


def test_what_is_no_backup_leaves_nothing_on_a_new_machine(elsewhere):
    file = elsewhere.directory / "no.age"
    file.write_text("no backup")
    for name in (file, "missing.age"):
        elsewhere.refused("restore", name, "--identity", elsewhere.key)

    assert not elsewhere.data.exists()


def test_a_database_of_another_kind_is_said(site, elsewhere):
    elsewhere.product.environment["PBXCERTS_DATABASE"] = "postgresql://nobody@127.0.0.1:1/nothing"

    code, text = elsewhere.refused("restore", site.back_up(), "--identity", elsewhere.key)
    assert code == "unfit"
    assert "SQLite" in text
    assert not elsewhere.data.exists()
