"""Who may open what: a table over every URL of the panel."""

from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.urls.converters import StringConverter
from django.utils import timezone

from pbxcerts.system.models import EventMessage, Severity, User
from pbxcerts.system.pages.url_numbers import NumberConverter

pytestmark = pytest.mark.simulation

PUBLIC = {
    "login",
    "set_language",
    "set_up",
    "terminals:link",
    "terminals:link_file",
    "theme",
}


def argument(converter: Any) -> Any:
    """Something that fits: a number, any word, or the first of the words that the converter knows."""
    if isinstance(converter, NumberConverter):
        return 1
    return "x" if isinstance(converter, StringConverter) else converter.to_python(converter.regex.split("|")[0])


def patterns(resolver: Any = None, namespace: str = "") -> list[tuple[str, dict[str, Any]]]:
    """The name of each URL with arguments that fit."""
    found = []
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            found += patterns(pattern, f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace)
        elif isinstance(pattern, URLPattern) and pattern.name:
            arguments = {name: argument(converter) for name, converter in pattern.pattern.converters.items()}
            found.append((namespace + pattern.name, arguments))
    return found


def test_every_url_but_the_public_ones_leads_to_the_login(db, client, subtests):
    for name, arguments in patterns():
        with subtests.test(name=name, arguments=arguments):
            url = reverse(name, kwargs=arguments)
            responses = [client.get(url), client.post(url)]
            to_login = [r.status_code == 302 and r.headers["Location"].startswith(reverse("login")) for r in responses]
            # To log out needs no login; it ends where one logs in all the same.
            assert any(to_login) is (name not in PUBLIC)
            assert name in PUBLIC or all(to_login) or name == "logout"


def test_the_table_of_urls_is_not_empty():
    assert {"login", "system:general", "system:users_edit", "certificates:overview"} <= {name for name, _ in patterns()}


def test_what_each_role_may_open(viewer_client, operator_client, administrator_client, viewer, subtests):
    for name, view, operate, administer in [
        ("system:general", 200, 200, 200),
        ("system:events", 200, 200, 200),
        ("system:users", 403, 403, 200),
        ("system:users_add", 403, 403, 200),
        ("system:users_edit", 403, 403, 200),
        ("system:users_password", 403, 403, 200),
        ("system:events_destinations", 200, 200, 200),
        ("system:events_watchdog", 403, 403, 200),
        ("account", 200, 200, 200),
        ("password_change", 200, 200, 200),
        ("certificates:overview", 200, 200, 200),
    ]:
        with subtests.test(name=name, view=view, operate=operate, administer=administer):
            arguments = {"pk": viewer.pk} if name in {"system:users_edit", "system:users_password"} else {}
            url = reverse(name, kwargs=arguments)
            clients = [viewer_client, operator_client, administrator_client]
            assert [client.get(url).status_code for client in clients] == [view, operate, administer]


@pytest.mark.parametrize(
    ("name", "view", "operate", "administer"),
    [
        ("system:general", 403, 403, 200),
        ("system:general_check", 403, 302, 302),
        ("system:general_accept_clock", 403, 403, 302),
        ("system:users_add", 403, 403, 200),
        ("system:users_edit", 403, 403, 200),
        ("system:users_password", 403, 403, 200),
        ("system:events_confirm", 403, 302, 302),
    ],
)
def test_what_each_role_may_do(
    viewer_client, operator_client, administrator_client, viewer, name, view, operate, administer
):
    event = EventMessage.objects.create(kind="a", severity=Severity.NORMAL, with_match=False, raised_at=timezone.now())
    pk = {"system:users_edit": viewer.pk, "system:users_password": viewer.pk, "system:events_confirm": event.pk}
    url = reverse(name, kwargs={"pk": pk[name]} if name in pk else {})
    clients = [viewer_client, operator_client, administrator_client]
    # 200 is the form with its errors: nothing was filled in.
    assert [client.post(url, {"x": "x"}).status_code for client in clients] == [view, operate, administer]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("logout", {}),
        ("set_language", {}),
        ("account_end_session", {}),
        ("account_end_other_sessions", {}),
        ("system:general_check", {}),
        ("system:general_accept_clock", {}),
        ("system:events_confirm", {"pk": 1}),
        ("system:events_destination_test", {"pk": 1}),
        ("system:events_watchdog_call", {}),
        ("system:events_watchdog_remove", {}),
    ],
)
def test_a_get_on_a_url_that_acts_is_405_with_a_page_that_says_so(administrator_client, name, arguments):
    administrator_client.cookies["django_language"] = "en"
    response = administrator_client.get(reverse(name, kwargs=arguments))
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert "Nothing has been done." in response.content.decode()


def test_a_refusal_names_the_role_that_is_needed(operator_client):
    operator_client.cookies["django_language"] = "en"
    html = operator_client.get(reverse("system:users")).content.decode()
    assert "“Administer”" in html
    assert "“Operate”" in html


@pytest.mark.parametrize(("method", "url"), [("post", "system:general_check"), ("get", "home_state")])
def test_part_of_a_page_that_asks_after_the_session_ended_is_told_so_and_gets_no_page(db, client, method, url):
    response = getattr(client, method)(reverse(url), headers={"HX-Request": "true"})
    assert (response.status_code, response.content) == (401, b"")


def test_a_disabled_user_is_out_at_once(viewer_client, viewer):
    assert viewer_client.get(reverse("system:events")).status_code == 200
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    assert viewer_client.get(reverse("system:events")).status_code == 302
