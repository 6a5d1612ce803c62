"""Every page of the panel, as narrow as it is used: axe-core finds nothing, and at no width is anything wider than the window.

320 pixels are a window of 1280 at 400 % (WCAG 2.2, 1.4.10).
"""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from pbxcerts.backup.models import BackupRun
from pbxcerts.panel import moved
from pbxcerts.panel.tree import every_view
from pbxcerts.system.models import General
from pbxcerts.system.notifications.models import Destination
from terminals.by_hand import links
from terminals.checking.models import Checking
from terminals.drivers.registry import PROVISIONED_METHODS
from terminals.evidence.models import Discovered
from terminals.models import Installation, Terminal, TerminalType
from tests.support.machines import add, publishes_here

pytestmark = [pytest.mark.browser, pytest.mark.takes_minutes, pytest.mark.django_db(transaction=True)]

NO_PAGES = {
    "certificates:download",
    "certificates:download_generation",
    "terminals:export",
    "terminals:import_template",
    "terminals:link_file",
    "terminals:types:download",
    "terminals:work_list:download",
    "terminals:work_list:first_download",
}
"""What is downloaded."""
ONLY_ORDERS = {
    "certificates:prove",
    "account_end_other_sessions",
    "account_end_session",
    "logout",
    "set_language",
    "system:events_confirm",
    "system:events_destination_test",
    "system:events_watchdog_call",
    "system:events_watchdog_remove",
    "system:general_accept_clock",
    "system:general_backup",
    "system:general_check",
    "terminals:accept",
    "terminals:accept_network",
    "terminals:adopt",
    "terminals:bootstrap:close",
    "terminals:checking",
    "terminals:dismiss",
    "terminals:dismiss_all",
    "terminals:enable",
    "terminals:import_give_up",
    "terminals:make_token",
    "terminals:no_longer_accept",
    "terminals:revoke_token",
    "terminals:rollout:order",
    "terminals:take_again",
    "terminals:take_realm",
    "terminals:types:go_on_checking",
    "terminals:types:list_is_seen",
    "terminals:types:turn_checking_off",
    "terminals:work_list:revoke",
    "terminals:work_list:tick",
    "theme",
}
"""What is posted only."""
PARTS = {
    *moved.PARTS,
    "certificates:call_proof_newest",
    "system:events_destination_state",
    "system:general_readings",
    "terminals:types:first",
}
"""What a page loads into itself."""
NOT_NOW = {
    "certificates:store",
    "first_start",
    "first_start_generation",
    "login",
    "set_up",
    "terminals:import_preview",
    "terminals:work_list:first_sheet",
    "terminals:work_list:first_type",
}
"""What leads elsewhere where the store is in order, somebody is logged in, there is an administrator and a pair, nothing was uploaded, and nobody is to be served first."""


FIRST = (320, "de", "light")
"""How each page is always seen; the other ways, and pages that differ from another in their texts alone, with --long."""


def names(resolver=None, spaces=()):
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLPattern):
            yield ":".join((*spaces, pattern.name)), pattern.pattern.converters
        else:
            yield from names(pattern, (*spaces, pattern.namespace) if pattern.namespace else spaces)


PAGES = {name: parameters for name, parameters in names() if name not in NO_PAGES | ONLY_ORDERS | PARTS | NOT_NOW}


@pytest.fixture
def addresses(everything, administrator):
    """The address of each page, with the keys of what there is."""
    terminal = Installation.objects.filter(generation=3, wave=0, state="waiting").first().terminal
    token = links.make(everything.world.situation, terminal, by="anna")
    General.objects.update(backup_enabled=True)
    name = "pbxcerts-0123abcd-20270301T023000Z.tar.gz.age"
    BackupRun.objects.create(
        good_at=datetime(2027, 3, 1, 2, 30, tzinfo=UTC), good_name=name, good_size=10**9, beside_data=True
    )
    publishes_here()
    failing = {"listeners": {"https": {"address": "0.0.0.0:8443", "reason": "Address already in use"}}}
    machine = add(names_store=True, failing=failing, last_run=datetime(2027, 3, 1, 2, 30, tzinfo=UTC)).key
    mail, hook = (Destination.objects.filter(kind=kind).first().pk for kind in ("email", "webhook"))
    keys = {
        "help_view": {"code": "sc"},
        "certificates:generation": {"number": 2},
        "certificates:activate": {"number": 3},
        "certificates:deadline": {"number": 3},
        "certificates:discard": {"number": 3},
        "certificates:roll_back": {"number": 1},
        "certificates:withdraw": {"number": 2},
        "system:events_destination": {"pk": mail},
        "system:events_destination_add": {"kind": "syslog"},
        "system:events_destination_edit": {"pk": mail},
        "system:events_destination_remove": {"pk": mail},
        "system:events_destination_secret": {"pk": hook},
        "system:machines_take_over": {"key": machine},
        "system:machines_remove": {"key": machine},
        "terminals:take_in": {"pk": Discovered.objects.first().pk},
        "terminals:rollout:restart_now": {"number": 3},
        "terminals:rollout:skip": {"number": 3, "terminal": terminal.pk},
        "terminals:work_list:room_again": {"pk": TerminalType.objects.get(name="An agent").pk},
        "terminals:work_list:link": {"terminal": terminal.pk},
        "terminals:work_list:sheet": {"pk": terminal.type_id},
        "terminals:work_list:type": {"pk": terminal.type_id},
        "terminals:link": {"token": token},
    }
    of_a_space = {"terminals": terminal.pk, "terminals:types": terminal.type_id, "system": administrator.pk}
    found = {}
    for name, parameters in PAGES.items():
        if parameters and name not in keys:
            assert list(parameters) == ["pk"], f"nobody says what {name} is to show"
            keys[name] = {"pk": of_a_space[name.rpartition(":")[0]]}
        found[name] = reverse(name, kwargs=keys.get(name))
    return found


@pytest.fixture
def variants(addresses):
    """What has the template of another page and other texts in it. A type page each: their guides are the widest texts there are, and
    their makers' own provisioning has long lines.
    """
    for number, method in enumerate(PROVISIONED_METHODS, start=800):
        one = TerminalType.objects.create(
            name=f"{method} by its own", method=method, wants="root", turns_checking_on=True
        )
        if one.driver.checks.switch is not None:
            lost = Terminal.objects.create(number=str(number), name="desk", type=one)
            now = timezone.now()
            Checking.objects.create(
                terminal=lost, method=method, state="taken_back", why="not_back", asked_at=now, taken_back_at=now
            )
    found = {
        f"type {one.name}": reverse("terminals:types:type", kwargs={"pk": one.pk}) for one in TerminalType.objects.all()
    }
    for one in Checking.objects.all():
        found[f"terminal that is told to check {one.method}"] = reverse("terminals:terminal", kwargs={"pk": one.pk})
    for view in every_view():
        found[f"help {view.code}"] = reverse("help_view", kwargs={"code": view.code})
    for destination in Destination.objects.all():
        for part in ("", "_edit"):
            name = f"system:events_destination{part}"
            found[f"{name} {destination.kind}"] = reverse(name, kwargs={"pk": destination.pk})
    return found


@pytest.fixture
def open_page(browser, live_server, administrator_client):
    """Pages of a browser of an administrator; whatever it complains of fails the test."""
    cache.clear()
    complaints = []

    def opened(width, language, theme="light"):
        General.objects.update(language=language)
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": width, "height": 800}, color_scheme=theme
        )
        session = {"url": live_server.url}
        context.add_cookies(
            [{"name": name, "value": morsel.value, **session} for name, morsel in administrator_client.cookies.items()]
        )
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opened
    assert complaints == []


def too_wide(page, name):
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if wide > 0:
        yield f"{name}: {wide} pixels wider than the window"


CHOICES_CUT_OFF = """() => {
    const folded = [...document.querySelectorAll('details:not([open])')]
    folded.forEach(one => { one.open = true })
    const found = [...document.querySelectorAll('.parameter select:not([multiple])')].flatMap(select => {
        const style = getComputedStyle(select), pen = document.createElement('canvas').getContext('2d')
        pen.font = style.font
        const room = select.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
        return [...select.options].filter(one => pen.measureText(one.text).width > room + 1).map(one => one.text)
    })
    folded.forEach(one => { one.open = false })
    return found
}"""


def cut_off(page, name):
    """What would not be shown whole where it is chosen. In a narrow window a list is opened to be read."""
    for choice in page.evaluate(CHOICES_CUT_OFF):
        yield f"{name}: cut off: {choice}"


def findings(page, name, address):
    """What is wrong with a page, as sentences."""
    from axe_playwright_python.sync_playwright import Axe

    response = page.goto(address)
    if response.status != 200:
        yield f"{name}: status {response.status}"
    if not page.url.endswith(address):
        yield f"{name}: led to {page.url}"
    yield from too_wide(page, name)
    narrow = page.viewport_size
    for width in (1280, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        yield from too_wide(page, f"{name}, {width} wide")
        yield from cut_off(page, f"{name}, {width} wide")
    page.set_viewport_size(narrow)
    for violation in Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]:
        targets = ", ".join(str(node["target"]) for node in violation["nodes"][:3])
        yield f"{name}: {violation['id']} ({violation['help']}): {targets}"


@pytest.mark.parametrize(
    ("width", "language", "theme"),
    [
        FIRST,
        *(
            pytest.param(width, language, theme, marks=pytest.mark.long)
            for width in (320, 390, 1280)
            for language in ("de", "en")
            for theme in ("light", "dark")
            if (width, language, theme) != FIRST
        ),
    ],
)
def test_nothing_is_found_on_any_page(open_page, addresses, variants, width, language, theme):
    page, stranger = open_page(width, language, theme), open_page(width, language, theme)
    stranger.context.clear_cookies()

    found = [*findings(stranger, "login", reverse("login"))]
    pages = addresses if (width, language, theme) == FIRST else addresses | variants
    found += [said for name, address in pages.items() for said in findings(page, name, address)]
    assert not found, "\n".join(found)


def test_it_would_find_something(open_page, everything):
    page = open_page(320, "en")
    page.goto("/certificates/")
    page.evaluate("document.querySelector('.parameter select').style.maxWidth = '100px'")
    assert "cut off: Automatic terminals only" in " ".join(cut_off(page, "overview"))
    page.goto("/terminals/")
    page.evaluate("document.querySelector('h1').style.cssText = 'min-width: 900px; color: #eee'")
    page.evaluate("document.querySelector('main input').removeAttribute('id')")
    page.evaluate("document.documentElement.removeAttribute('lang')")
    page.goto = lambda address: SimpleNamespace(status=200)

    said = " ".join(findings(page, "list", "/terminals/"))

    assert "wider than the window" in said
    assert "html-has-lang" in said
