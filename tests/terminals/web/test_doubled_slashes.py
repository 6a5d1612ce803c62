"""A telephone puts together the URL of its file from parts that each may bring a slash: `//aastra.cfg`."""

import pytest

from terminals.web.acknowledgement import Acknowledgements
from terminals.web.refusals import RefusalCounter
from terminals.web.routing import Route
from terminals.web.tables import ListenerName, applications


@pytest.fixture
def apps():
    return applications(
        None,
        None,
        Acknowledgements(lambda _fact: None),
        RefusalCounter(),
        lambda: None,
        https_port=8443,
        http_port=8080,
    )


@pytest.mark.parametrize("listener", [ListenerName.HTTPS, ListenerName.HTTP])
@pytest.mark.parametrize("path", ["//aastra.cfg", "///startup.cfg", "//00085D4A905F.cfg"])
def test_its_file_is_found_all_the_same(apps, listener, path):
    app = apps[listener]
    route, parameters = app.find("GET", path)

    assert isinstance(route, Route)
    assert (route, parameters) == app.find("GET", f"/{path.lstrip('/')}")


def test_so_is_one_under_its_secret_path(apps):
    app, secret = apps[ListenerName.HTTPS], "s" * 43

    assert app.find("GET", f"//{secret}//00085D4A905F.cfg") == app.find("GET", f"/{secret}/00085D4A905F.cfg")
    assert isinstance(app.find("GET", f"//{secret}//00085D4A905F.cfg")[0], Route)


@pytest.mark.parametrize("path", ["//..//aastra.cfg", "/%2faastra.cfg", "//login/", "//", "/\\aastra.cfg"])
def test_nothing_else_is_found_for_it(apps, path):
    for app in apps.values():
        assert not isinstance(app.find("GET", path), tuple) or app.find("GET", path)[0] == 404
