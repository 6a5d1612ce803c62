"""The panel behind nginx: below a path, and with a proxy that does not name its clients."""

import re
import subprocess
import urllib.request
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.support.panel import Browser
from tests.support.peers import require_program
from tests.support.ports import free_port
from tests.support.running import Tree, wait_for

pytestmark = [pytest.mark.peer, pytest.mark.process]

PASSWORD = "seven copper kettles"
ADMINISTRATOR = f"""
from pbxcerts.system.models import User
User.objects.create_superuser("anna", password="{PASSWORD}")
"""
BELOW = "/pbx/certs"
CONFIGURATION = """
worker_processes 1;
error_log %(directory)s/error.log;
pid %(directory)s/nginx.pid;
daemon off;
events {}
http {
    access_log off;
    client_body_temp_path %(directory)s/body; proxy_temp_path %(directory)s/proxy;
    fastcgi_temp_path %(directory)s/fastcgi; uwsgi_temp_path %(directory)s/uwsgi; scgi_temp_path %(directory)s/scgi;
    server {
        listen 127.0.0.1:%(port)s;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-Proto $scheme;
        location %(below)s/ { proxy_set_header X-Forwarded-For $remote_addr; proxy_pass http://127.0.0.1:%(panel)s; }
        location /unknown%(below)s/ { proxy_set_header X-Forwarded-For unknown; proxy_pass http://127.0.0.1:%(panel)s%(below)s/; }
        location /unix%(below)s/ { proxy_set_header X-Forwarded-For unix:; proxy_pass http://127.0.0.1:%(panel)s%(below)s/; }
        location /hidden%(below)s/ { proxy_set_header X-Forwarded-For _hidden; proxy_pass http://127.0.0.1:%(panel)s%(below)s/; }
        location /stripped%(below)s/ { proxy_set_header X-Forwarded-For $remote_addr; proxy_pass http://127.0.0.1:%(panel)s/; }
    }
}
"""


@contextmanager
def nginx(directory, panel):
    """Serves until the end of the `with` block; gives its port."""
    program, port = require_program("nginx"), free_port()
    directory.mkdir()
    configuration = directory / "nginx.conf"
    configuration.write_text(CONFIGURATION % {"directory": directory, "port": port, "panel": panel, "below": BELOW})
    process = subprocess.Popen([program, "-c", configuration, "-p", directory], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: process.poll() is None and (directory / "nginx.pid").exists(), what="nginx")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of nginx, and that of the panel itself."""
    directory = tmp_path_factory.mktemp("site")
    with Tree(directory, PBXCERTS_TRUSTED_PROXIES="127.0.0.1", PBXCERTS_URL_PATH=BELOW) as tree:
        tree.install().run(ADMINISTRATOR)
        tree.start()
        with nginx(directory / "nginx", tree.port) as port:
            yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{tree.port}"


def addresses_in(page):
    found = re.findall(r"(?:href|src|action|hx-get|hx-post)=\"([^\"#]+)", page)
    assert len(found) > 3
    return found


def test_links_redirects_and_cookies_stay_below_the_path(site):
    browser = Browser(site[0])
    first = browser.page(f"{BELOW}/login/")
    after = browser.post(f"{BELOW}/login/", username="anna", password=PASSWORD)
    pages = [first, after, browser.page(f"{BELOW}/"), browser.page(f"{BELOW}/system/general/")]

    assert 'name="password"' not in after
    assert "anna" in after
    assert [one for page in pages for one in addresses_in(page) if not one.startswith((f"{BELOW}/", "?"))] == []
    assert {cookie.path for cookie in browser._cookies} == {f"{BELOW}/"}
    # Of the session, against forged requests, of a browser that the account knows, and of the account that logged in last.
    assert len(browser._cookies) == 4


def test_what_a_page_loads_is_there(site):
    browser = Browser(site[0])
    for address in addresses_in(browser.page(f"{BELOW}/login/")):
        if "/static/" in address:
            assert browser.get(address)


def test_the_panel_itself_answers_there_too(site):
    """The link that `up` shows leads to it."""
    with urllib.request.urlopen(f"{site[1]}{BELOW}/", timeout=30) as answer:
        assert urlsplit(answer.url).path == f"{BELOW}/login/"


def test_a_proxy_that_takes_the_path_away_does_no_harm(site):
    page = Browser(site[0]).page(f"/stripped{BELOW}/login/")

    assert [one for one in addresses_in(page) if not one.startswith(f"{BELOW}/")] == []


@pytest.mark.parametrize("named", ["unknown", "unix", "hidden"])
def test_who_comes_through_a_proxy_that_does_not_name_him_can_log_in(site, named):
    browser = Browser(site[0])
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.page(f"{BELOW}/login/"))[1]
    data = f"csrfmiddlewaretoken={token}&username=anna&password={PASSWORD.replace(' ', '+')}"
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser._cookies)
    request = urllib.request.Request(
        f"{site[0]}/{named}{BELOW}/login/", data=data.encode(), headers={"Cookie": cookies}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        # Without the cookies of the answer it ends at the log-in again; what counts is that it was let through.
        assert "next=" in answer.url
