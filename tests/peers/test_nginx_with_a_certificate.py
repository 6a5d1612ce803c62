"""The README's recipe for nginx, as it stands there: the panel behind a certificate of its own."""

import http.client
import os
import re
import socket
import ssl
import subprocess
import sys
from contextlib import closing, contextmanager
from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest

from certificates.pki import formats
from certificates.pki.identity import Identity
from tests.support import forked
from tests.support.est_server import a_pair_now
from tests.support.peers import require_program
from tests.support.product import ROOT, free_port
from tests.support.running import MANAGE, Tree, wait_for

pytestmark = [pytest.mark.peer, pytest.mark.process]

HOST = "panel.example.org"
PASSWORD = "seven copper kettles"
YEAR = 31536000
ADMINISTRATOR = f"""
from pbxcerts.system.models import User
User.objects.create_superuser("anna", password="{PASSWORD}")
"""
# Else its worker would be another user, who cannot enter the directory of the test.
USER = "user root;" if os.geteuid() == 0 else ""
AROUND = """
{user}
worker_processes 1;
error_log {directory}/error.log;
pid {directory}/nginx.pid;
daemon off;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    {recipe}
}}
"""


def recipe(replaced):
    """With other ports and files than those of a real machine; each of them must stand in it."""
    section = (ROOT / "README.md").read_text().split("\n### Behind nginx\n", 1)[1]
    text = re.search(r"```text\n(.*?)```", section, re.DOTALL)[1]
    for ours, theirs in replaced.items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    return text


class Site:
    """`http` and `https` are nginx's ports, `panel` is the panel's own."""

    def __init__(self, directory, tree, pair):
        self.tree, self.panel = tree, tree.port
        self.http, self.https = free_port(), free_port()
        self.context = ssl.create_default_context(cadata=formats.pem(pair.root).decode())
        (directory / "fullchain.pem").write_bytes(formats.pem(pair.host, pair.root))
        (directory / "agent.pem").write_bytes(formats.agent_pem(pair.host, pair.host_key))
        replaced = {
            "listen 80;": f"listen 127.0.0.1:{self.http};",
            "listen [::]:80;": "",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.https} ssl;",
            "listen [::]:443 ssl;": "",
            "/etc/ssl/panel/fullchain.pem": f"{directory}/fullchain.pem",
            "/etc/ssl/panel/key.pem": f"{directory}/agent.pem",
            "127.0.0.1:8000": f"127.0.0.1:{self.panel}",
        }
        self.directory, self.configuration = directory, directory / "nginx.conf"
        self.configuration.write_text(AROUND.format(user=USER, directory=directory, recipe=recipe(replaced)))

    @contextmanager
    def served(self):
        process = subprocess.Popen(
            [require_program("nginx"), "-c", self.configuration, "-p", self.directory], stderr=subprocess.DEVNULL
        )
        try:
            wait_for(lambda: process.poll() is None and (self.directory / "nginx.pid").exists(), what="nginx")
            yield self
        finally:
            process.terminate()
            process.wait(timeout=30)

    def reader(self, address="127.0.0.1"):
        return Reader(self, address)


class Reader:
    """A browser at an address of its own, with cookies; it verifies the certificate."""

    def __init__(self, site, address):
        self.site, self.address = site, address
        self.cookies = {}

    def ask(self, path, fields=None, **headers):
        connection = ByName(self.site, self.address)
        body = fields if isinstance(fields, bytes | None) else urlencode(fields).encode()
        sent = {"Host": f"{HOST}:{self.site.https}", "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        with closing(connection):
            connection.request("GET" if body is None else "POST", path, body, sent | headers)
            answer = connection.getresponse()
            answer.text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        return answer

    def log_in(self, username="anna", password=PASSWORD, **headers):
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.ask("/login/").text)[1]
        fields = {"csrfmiddlewaretoken": token, "username": username, "password": password}
        return self.ask("/login/", fields, **{"Origin": f"https://{HOST}:{self.site.https}"} | headers)


class ByName(http.client.HTTPSConnection):
    """To nginx on loopback, whose certificate is for the name."""

    def __init__(self, site, address):
        super().__init__(HOST, site.https, context=site.context, timeout=60)
        self._create_connection = lambda _name, timeout, _source: socket.create_connection(
            ("127.0.0.1", site.https), timeout, source_address=(address, 0)
        )


def plain(port, path):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path, headers={"Host": HOST})
        answer = connection.getresponse()
        answer.read()
        return answer


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("site")
    variables = {"TRUSTED_PROXIES": "127.0.0.1", "HOSTS": HOST, "HSTS_SECONDS": str(YEAR)}
    with Tree(directory, **{f"PBXCERTS_{name}": value for name, value in variables.items()}) as tree:
        tree.install().run(ADMINISTRATOR)
        # Its greeting is all that can be waited for: the panel is not for its own address.
        tree.launch("--bind", f"127.0.0.1:{tree.port}", program=MANAGE)
        wait_for(lambda: tree.still_runs() and "http://" in tree.log.read_text(), what="a greeting")
        nginx = directory / "nginx"
        nginx.mkdir()
        with Site(nginx, tree, a_pair_now(1, identity=Identity((HOST,), ()))).served() as site:
            yield site


def test_who_logs_in_gets_cookies_that_never_go_out_in_the_open(site):
    reader = site.reader()
    answer = reader.log_in()

    assert (answer.status, answer.headers["Location"]) == (302, "/")
    assert reader.cookies
    assert [name for name in reader.cookies if not name.startswith("__Secure-")] == []
    assert all("Secure" in line for line in answer.headers.get_all("Set-Cookie"))
    assert "anna" in reader.ask("/system/general/").text


def test_a_form_of_another_site_is_refused(site):
    reader = site.reader()
    assert reader.log_in(Origin="https://elsewhere.example.org").status == 403


def test_browsers_are_told_to_come_by_https_only_and_nobody_else_is(site):
    assert site.reader().ask("/login/").headers["Strict-Transport-Security"] == f"max-age={YEAR}"

    assert plain(site.panel, "/login/").headers["Strict-Transport-Security"] is None


def test_plain_http_leads_to_https(site):
    answer = plain(site.http, "/certificates/?page=2")

    assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/certificates/?page=2")


def test_the_live_page_follows_what_happens(site):
    reader = site.reader()
    reader.log_in()
    live = re.search(r'hx-get="([^"]+)"', reader.ask("/certificates/").text)[1]
    before = reader.ask(live, **{"HX-Request": "true"})
    for arguments in (
        ["settings", "fqdn=pbx.example.com", "key_type=p256"],
        ["regenerate", "--without-clock"],
    ):
        forked.run(
            [sys.executable, MANAGE, *arguments], env=site.tree.environment, check=True, capture_output=True, timeout=60
        )

    after = reader.ask(live, **{"HX-Request": "true"})

    assert (before.status, after.status) == (200, 200)
    assert "<html" not in after.text
    root = formats.load_pem((site.tree.data / "store" / "current" / "root.pem").read_bytes())
    shown = formats.sha256_fingerprint(root)
    assert (shown in before.text, shown in after.text) == (False, True)


def test_the_address_that_is_slowed_and_stands_in_the_log_is_the_readers(site):
    guessing, beside = site.reader("127.0.0.2"), site.reader("127.0.0.3")
    forged = {"X-Forwarded-For": "192.0.2.66"}
    # One account each, so that none of them is slowed.
    answers = []
    while 429 not in answers and len(answers) < 40:
        answers.append(guessing.log_in(f"nobody{len(answers)}", "wrong", **forged).status)

    assert answers[:20] == [200] * 20
    assert answers[-1] == 429
    assert beside.log_in().status == 302
    log = site.tree.log.read_text()
    assert "127.0.0.2" in log
    assert "192.0.2.66" not in log


def test_a_file_as_large_as_the_panel_takes_comes_through(site):
    """nginx by itself takes 1 MB."""
    answer = site.reader().ask("/login/", b"x=" + b"y" * 2_400_000)

    assert answer.status != 413, (answer.status, answer.text)
    assert answer.headers["Content-Security-Policy"], "the panel has answered"
