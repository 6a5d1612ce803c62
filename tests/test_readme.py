"""The README says what is true: its commands, its variables, its layout, its recipe."""

import itertools
import re
import shlex
import stat
import sys
from argparse import BooleanOptionalAction, _SubParsersAction
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.db.backends.postgresql.features import DatabaseFeatures

from pbxcerts import __version__, env
from terminals.evidence.journal import Journal
from tests.support import forked
from tests.support.ports import free_port
from tests.support.running import MANAGE, Tree
from tests.support.telephony import kamailio

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
APPS = {"pbxcerts", "pbxcerts.system", "certificates", "terminals"}
# Django's own, which we extend; what starts the product, and makes it a service, has a section of its own.
ELSEWHERE = {"migrate", "up", "unit"}


def section(heading, level="##"):
    return README.split(f"\n{level} {heading}\n", 1)[1].split(f"\n{level} ", 1)[0]


def blocks_under(heading, level="##"):
    return re.findall(r"```\w*\n(.*?)\n```", section(heading, level), flags=re.DOTALL)


@pytest.mark.parametrize("heading", ["Run", "Test"])
def test_each_set_up_is_one_line_in_the_only_code_block_of_its_section(heading):
    (block,) = blocks_under(heading)

    assert len(block.splitlines()) == 1


def test_it_begins_with_a_small_picture_and_the_line_that_starts_what_is_seen_there():
    beginning = README.partition("\n## ")[0]
    (picture,) = re.findall(r"!\[[^\]]+\]\((\S+)\)", beginning)
    (line,) = re.findall(r"```\n(.+)\n```", beginning)

    assert (ROOT / picture).stat().st_size < 60_000
    assert line.endswith("manage.py demo")


def test_the_demonstration_is_told_in_eight_lines_with_every_option():
    told = section("Demonstration")

    assert len(told.strip().splitlines()) <= 8
    assert offered(parser_of("demo")) - {"--terminals"} <= set(re.findall(r"(--[a-z-]+)", told))


def test_ci_runs_the_test_command_of_the_readme():
    assert "/^## Test$/" in (ROOT / ".ci" / "run").read_text()


def test_the_table_of_variables_holds_what_the_code_reads():
    read = set()
    for path in [*(ROOT / "pbxcerts").rglob("*.py"), *(ROOT / "certificates").rglob("*.py")]:
        found = re.findall(
            r"\benv\.(?:text|secret_text|choice|words|flag|number|endpoint|path|optional_path|data_directory|url_path|command|database|broker)\(\s*\"(\w+)\"",
            path.read_text(),
        )
        read |= {f"PBXCERTS_{name}" for name in found}
    read |= {f"PBXCERTS_{name}_FILE" for name in env.SECRETS}
    documented = set(re.findall(r"^\| `(PBXCERTS_\w+)`", README, flags=re.MULTILINE))

    assert read
    assert documented == read


def test_it_names_the_oldest_postgresql_that_is_taken():
    (least,) = DatabaseFeatures.minimum_database_version
    assert f"PostgreSQL {least} or later" in section("Environment")


def test_it_names_every_check_of_readyz():
    (row,) = (line for line in section("Health and metrics").splitlines() if line.startswith("| `/readyz` |"))
    told = set(re.findall(r"`(\w+)`", row.partition("`reason`")[2]))
    source = (ROOT / "pbxcerts" / "health" / "readiness.py").read_text()
    assert told == set(re.findall(r'\bcheck\("(\w+)"', source))


def test_the_changelog_begins_with_the_version_that_this_is():
    first = re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)

    assert first[1] == __version__


# -- commands ----------------------------------------------------------------------------------------------------------

PLACEHOLDERS = {
    "NAME=VALUE ...": "interval_days=90",
    "DESTINATION": "mail",
    "TEXT": "reason",
    "TIME": "2030-01-31T02:00",
    "NUMBER": "101",
    "N": "9",
    "FILE": "file",
    "DIRECTORY": "directory",
    "KEY": "age1key",
}


def usages():
    """The first column of the table of commands."""
    rows = re.findall(r"^\| (`.*?`) \|", section("Commands"), flags=re.MULTILINE)
    return [usage for row in rows for usage in re.findall(r"`([^`]+)`", row)]


def examples(usage):
    """Argument lists as this usage allows them: everything that is optional given, each of several choices once."""
    usage = usage.replace("NAME=VALUE ...", PLACEHOLDERS["NAME=VALUE ..."])
    alternatives = []
    for word in re.sub(r"\[(?!no-)|(?<!no-)\]", "", usage).split():
        if word.startswith("{"):
            alternatives.append(word.strip("{}").split(","))
        elif "[no-]" in word:
            alternatives.append([word.replace("[no-]", ""), word.replace("[no-]", "no-")])
        else:
            alternatives.append([PLACEHOLDERS.get(word, word)])
    return [list(words) for words in itertools.product(*alternatives)]


def parser_of(command):
    return load_command_class(get_commands()[command], command).create_parser("manage.py", command)


def offered(parser):
    """Every option and every choice of an argument that is ours."""
    common = {action.dest for action in BaseCommand().create_parser("", "")._actions} | {"as_json", "json_behind"}
    found = set()
    for action in parser._actions:
        if action.dest in common:
            continue
        if isinstance(action, _SubParsersAction):
            found |= set(action.choices).union(*map(offered, action.choices.values()))
        else:
            options = action.option_strings if isinstance(action, BooleanOptionalAction) else action.option_strings[:1]
            found |= {*options, *(action.choices or ())}
    return found


@pytest.mark.parametrize(
    "arguments", [example for usage in usages() for example in examples(usage)], ids=lambda words: " ".join(words)
)
def test_what_the_table_of_commands_says_can_be_typed(arguments):
    command, *rest = arguments

    assert parser_of(command).parse_args(rest)


def test_the_table_of_commands_holds_every_command_with_all_that_it_takes():
    documented = {}
    for usage in usages():
        for command, *rest in examples(usage):
            documented.setdefault(command, set()).update(rest)
    ours = {name for name, app in get_commands().items() if app in APPS} - ELSEWHERE

    assert documented.keys() == ours
    missing = {command: offered(parser_of(command)) - words for command, words in documented.items()}
    assert {command: words for command, words in missing.items() if words} == {}


def test_every_option_of_up_stands_where_it_is_started():
    told = section("Run").partition("Options:")[2]
    documented = {*re.findall(r"`(--[a-z-]+)", told), *re.findall(r"`--only {(\w+),(\w+)}`", told)[0]}

    assert offered(parser_of("up")) <= documented


def test_every_option_of_unit_stands_where_the_service_is_told_of():
    documented = set(re.findall(r"(--[a-z-]+)", section("As a service")))

    assert offered(parser_of("unit")) - offered(parser_of("up")) <= documented


def test_the_service_is_installed_in_ten_lines_with_what_is_there():
    (block,) = blocks_under("As a service")

    assert len(block.splitlines()) == 10
    assert (ROOT / re.search(r"--require-hashes --requirement (\S+)", block)[1]).exists()
    assert f"pbxcerts-{__version__}-py3-none-any.whl" in block


# -- the layout --------------------------------------------------------------------------------------------------------


def documented_layout():
    """Pattern of each path under DATA and STORE: the names in it, or what it points to, or None."""
    (block,) = blocks_under("On disk")
    layout = {}
    for line in block.splitlines():
        path, words = line.split(maxsplit=1)
        if path.endswith("/"):
            layout[path.rstrip("/")] = set(words.partition(":")[0].split())
        elif words.startswith("-> "):
            layout[path] = words.removeprefix("-> ").partition(":")[0]
        else:
            layout[path] = None
    return layout


def as_documented(name):
    """A number of a generation and a hash as the README writes them."""
    return re.sub(r"[0-9a-f]{16}", "3fb1c2…", re.sub(r"\b000\d\b", "0007", name))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A real installation that runs, with an active and a prepared pair."""
    with Tree(tmp_path_factory.mktemp("readme")) as tree:
        tree.install().start("--bind-https", f"127.0.0.1:{free_port()}", program=MANAGE)
        for arguments in (
            ["settings", "fqdn=pbx.example.com", "key_type=p256"],
            ["regenerate", "--without-clock"],
            ["regenerate", "--without-clock"],
        ):
            forked.run([sys.executable, MANAGE, *arguments], env=tree.environment, check=True, capture_output=True)
        while not (tree.data / "run" / "https").exists():
            assert tree.still_runs()
        yield tree


@pytest.mark.process
def test_the_layout_is_what_an_installation_leaves(installed):
    store = installed.data / "store"
    found = {}
    for root, base in (("DATA", installed.data), ("STORE", store)):
        for place in base.rglob("*"):
            if place.name.startswith(".") or place.name.endswith(("-wal", "-shm")):
                continue
            if root == "DATA" and (place == store or store in place.parents):
                continue
            name = as_documented(f"{root}/{place.relative_to(base)}")
            if place.is_symlink():
                found[name] = as_documented(str(place.readlink()))
            elif place.is_dir():
                found[name] = {each.name for each in place.iterdir()}
            else:
                found.setdefault(name)
    documented = documented_layout()
    # What stands in a directory that lists its files is there already; the rest of a directory is told line by line.
    listed = {f"{path}/{name}" for path, names in documented.items() if isinstance(names, set) for name in names}
    above = {str(parent) for path in documented for parent in Path(path).parents}
    assert {path: what for path, what in found.items() if path not in listed | above} == _with_pointers(documented)


def test_the_files_that_are_there_only_for_moments_are_told(tmp_path):
    Journal(tmp_path).write([])
    (file,) = tmp_path.iterdir()

    assert f"`DATA/run/{file.name}`" in section("On disk")


def _with_pointers(documented):
    """Both links to a generation point to one whose number is written alike here."""
    return {path: "generations/0007" if what == "generations/0008" else what for path, what in documented.items()}


@pytest.mark.process
def test_nobody_else_can_read_what_is_for_the_owner_alone(installed):
    store = installed.data / "store"
    private = [installed.data, *(place for place in installed.data.rglob("*") if store not in place.parents)]
    modes = {}
    for place in private:
        # The product goes on meanwhile, and moves what it has written to its place.
        with suppress(FileNotFoundError):
            modes[place] = place.lstat().st_mode

    assert installed.data / "secrets" in modes
    assert [str(place) for place, mode in modes.items() if mode & 0o077 and not stat.S_ISLNK(mode)] == []


# -- the recipe --------------------------------------------------------------------------------------------------------


def test_the_recipe_for_kamailio_is_what_the_calls_of_the_tests_go_through():
    tls, configuration = blocks_under("Kamailio", "###")
    in_tests = kamailio.tls_section("default", SimpleNamespace(path="STORE"))
    tested = kamailio.CONFIGURATION.read_text()
    for ours, theirs in (
        ("@DIRECTORY@/tls.cfg", "/etc/kamailio/tls.cfg"),
        ("unix:@DIRECTORY@/ctl", "unix:/run/kamailio/kamailio_ctl"),
        ("@GROUP@", "kamailio"),
    ):
        tested = tested.replace(ours, theirs)

    assert tls.splitlines() == in_tests.splitlines()
    lines = [line for line in configuration.splitlines() if not line.startswith("listen=tls:")]
    assert len(lines) == len(configuration.splitlines()) - 1
    assert set(lines) <= set(tested.splitlines())


def test_the_reload_command_of_the_recipe_is_that_of_the_tests():
    (command,) = re.findall(r"PBXCERTS_RELOAD_COMMAND=\"(.*?)\"", section("Kamailio", "###"))
    socket = re.search(r'modparam\("ctl", "binrpc", "([^"]+)"\)', section("Kamailio", "###"))[1]

    assert shlex.split(command) == kamailio.reload(socket)


def test_the_map_of_the_code_names_what_is_there():
    named = re.findall(r"`([a-z_]+/[a-z_/]*(?:\.py|\.md)?)`", section("The code"))

    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_map_of_the_code_leaves_no_room_out():
    """A room has modules of its own; those that Django wants in every app are known to everybody."""
    of_django = {"forms", "views", "migrations", "management", "commands", "templatetags", "formats", "locale"}
    rooms = {
        str(file.parent.relative_to(ROOT))
        for app in ("pbxcerts", "certificates", "terminals")
        for file in (ROOT / app).rglob("*.py")
        if not of_django & set(file.relative_to(ROOT).parts)
    }
    named = {path.rstrip("/") for path in re.findall(r"^\| `([a-z_/]+)` \|", section("The code"), flags=re.MULTILINE)}

    assert rooms - {"pbxcerts/formats"} <= named


@pytest.mark.parametrize("app", ["certificates", "terminals"])
def test_the_map_of_the_code_says_what_stands_beside_the_rooms_of(app):
    of_django = {"__init__.py", "apps.py", "models.py", "urls.py"}
    (row,) = re.findall(rf"^\| `{app}/` \| .+$", section("The code"), flags=re.MULTILINE)

    assert {file.name for file in (ROOT / app).glob("*.py")} - of_django == set(re.findall(r"`([a-z_]+\.py)`", row))
