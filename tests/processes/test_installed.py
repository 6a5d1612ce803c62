"""Installed from a wheel, with nothing of the checkout beside it: everything that the pages, the commands and the agent need is
in the wheel.
"""

import csv
import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pbxcerts import __version__
from tests.support.made_once import made_once
from tests.support.panel import Browser, hidden_fields
from tests.support.peers import only_root
from tests.support.ports import free_port
from tests.support.product import ROOT
from tests.support.running import Tree, wait_for

pytestmark = pytest.mark.process

PASSWORD = "seven copper kettles"
SOURCES = ["pyproject.toml", "README.md", "LICENSE", "pbxcerts", "certificates", "terminals"]
TERMINALS = "number,name,type,address,transport,way\n120,Gate,pbxcerts-agent,127.0.0.1:5070,tcp,direct\n"
AGENT = """\
server = "https://localhost:{https}"
proof = "https://localhost:{proof}"
token = "{token}"

[trust]
file = "trust.pem"
initial = "first.pem"
"""


@pytest.fixture(scope="module")
def installed():
    """The folder that pip installed the wheel into; its dependencies are those of the tests."""
    return made_once("installed-wheel", install_wheel)


def install_wheel(folder):
    with tempfile.TemporaryDirectory() as directory:
        sources, built = (Path(directory, name) for name in ("sources", "built"))
        sources.mkdir()
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy(ROOT / name, sources / name)
        # Without isolation and without an index: what builds it is installed with the tests.
        pip(sources, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", built, ".")
        (wheel,) = built.glob("pbxcerts-*.whl")
        pip(built, "install", "--no-deps", "--no-index", "--no-compile", "--target", folder, wheel)


def pip(directory, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments], cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Installed(Tree):
    """`pbxcerts up` from the wheel, in a directory where nothing else lies."""

    def __init__(self, folder, directory, **changes):
        self.folder, self.directory = folder, directory
        super().__init__(directory, PYTHONPATH=str(folder), **changes)

    def command(self, *arguments, **changes):
        """What a command says; it must succeed."""
        done = self.program("pbxcerts", *arguments, **changes)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def program(self, name, *arguments, **changes):
        return subprocess.run(
            [self.folder / "bin" / name, *arguments],
            cwd=self.directory,
            env=self.environment | changes,
            capture_output=True,
            text=True,
            check=False,
        )

    def python(self, code, **changes):
        environment = self.environment | changes
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def launch(self, *options, **_changes):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [self.folder / "bin" / "pbxcerts", "up", "--data", self.data, *options],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )


@pytest.fixture
def product(installed, tmp_path):
    https, proof = (f"localhost:{free_port()}" for _ in range(2))
    with Installed(installed, tmp_path, PBXCERTS_TERMINALS_HTTPS=https, PBXCERTS_TERMINALS_PROOF=proof) as product:
        yield product


def files_that(page):
    """The addresses of the static files that a page loads."""
    return re.findall(r'(?:href|src)="(/static/[^"]+)"', page)


def test_the_panel_the_commands_and_the_agent_work_from_first_log_in_to_a_confirmed_terminal(product, tmp_path):
    assert product.python("import pbxcerts; print(pbxcerts.__file__)").startswith(f"{product.folder}/")
    administrator = {
        "DJANGO_SUPERUSER_USERNAME": "anna",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "DJANGO_SUPERUSER_EMAIL": "anna@example.org",
    }
    product.command("migrate")
    product.command("createsuperuser", "--noinput", **administrator)
    product.command("settings", "fqdn=pbx.example.org", "own_names=localhost", "key_type=p256", "ntp_enabled=false")
    product.start()

    panel = Browser(f"http://127.0.0.1:{product.port}").log_in("anna", PASSWORD)
    general = panel.page("/system/general/")
    assert "System / Allgemein" in general
    loaded = files_that(general)
    assert {name.rpartition(".")[2].partition("?")[0] for name in loaded} >= {"css", "js"}
    assert [name for name in loaded if not panel.get(name)] == []
    form = hidden_fields(panel.page("/certificates/generate/")) | {"reason": "first", "confirm_clock": "on"}
    form.pop("csrfmiddlewaretoken", None)
    made = panel.post("/certificates/generate/", **form)
    assert "Generation 1" in made
    served = product.data / "store" / "current" / "host.pem"
    wait_for(served.exists, what="the first pair")
    assert panel.get("/certificates/download/host.pem") == served.read_bytes()

    (tmp_path / "terminals.csv").write_text(TERMINALS)
    product.command("terminals", "import", "terminals.csv")
    (issued,) = csv.DictReader(io.StringIO(product.command("terminals", "tokens")), delimiter=";")
    ports = {
        name: product.environment[f"PBXCERTS_TERMINALS_{name.upper()}"].rpartition(":")[2]
        for name in ("https", "proof")
    }
    (tmp_path / "agent.toml").touch(0o600)
    (tmp_path / "agent.toml").write_text(AGENT.format(token=issued["token"], **ports))
    shutil.copy(product.data / "store" / "current" / "root.pem", tmp_path / "first.pem")
    assert "once" in product.program("pbxcerts-agent", "--help").stdout
    # The listeners know a new token a moment after it was issued (rule from-memory).
    wait_for(
        lambda: product.program("pbxcerts-agent", "once", "agent.toml").returncode == 0, what="a round that is welcome"
    )
    assert (tmp_path / "trust.pem").read_text().count("BEGIN CERTIFICATE") == 1

    assert product.end() == 0
    left = [path for path in product.folder.rglob("*") if "data" in path.parts]
    assert left == [], "nothing is kept where the product is installed"


def test_the_unit_starts_what_is_installed_from_wherever_it_was_made(product):
    unit = product.command("unit", "--bind", "127.0.0.1:9000")
    agents = product.command("unit", "--agent")

    assert f"ExecStart={product.folder}/bin/pbxcerts up --bind 127.0.0.1:9000\n" in unit
    assert f"ExecStart={product.folder}/bin/pbxcerts-agent run /etc/pbxcerts-agent/agent.toml\n" in agents


def test_both_programs_tell_their_version(product):
    for name in ("pbxcerts", "pbxcerts-agent"):
        assert product.program(name, "--version").stdout == f"{__version__}\n"


@only_root
def test_roots_data_is_where_the_system_keeps_state(product):
    told = "from pbxcerts import settings; print(settings.DATA)"

    assert product.python(told, PBXCERTS_DATA="") == "/var/lib/pbxcerts"
