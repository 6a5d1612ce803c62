"""What one came to do is in the first screen: on every page at 1280 by 800, and on "Self-signed certificates" whatever its state."""

import shutil

import pytest
from django.conf import settings
from django.urls import reverse

from certificates.models import Generation
from certificates.renewal import orders
from pbxcerts.system.models import EventMessage, General, Severity, User
from terminals.models import Terminal
from tests.browser.test_accessibility import addresses, open_page, variants
from tests.support.copies import DatabaseCopy
from tests.terminals.pages.conftest import fleet, mixed, world, yealink

__all__ = ["addresses", "fleet", "mixed", "open_page", "variants", "world", "yealink"]

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def _nothing(_world):
    """The pair is active, and nothing is to be said."""


def _without_a_clock(_world):
    General.objects.update(ntp_enabled=False)


def _without_names(_world):
    General.objects.update(ntp_enabled=False, fqdn="", dns_names=[], ip_addresses=[])


LABEL = "donaudampfschifffahrtsgesellschaftskapitaenskajuetentuer"


def _with_long_names(_world):
    General.objects.update(
        site_name=LABEL.title(),
        fqdn=".".join([LABEL] * 4 + ["example.org"]),
        dns_names=[f"{letter}.{LABEL}.{LABEL}.example.org" for letter in "abc"],
    )
    User.objects.update(username="u" * 150)


def _ordered(world):
    orders.order_generation(world.clock(), orders.GenerationOrder(Generation.Trigger.PAGE, by="anna"))


def _switch_failed(world):
    world.generate()
    world.refuse_to_reload()
    assert world.activate().outcome == "went_back"


def _rolled_back(world):
    world.generate(at_once=True)
    world.roll_back()
    assert world.states == {1: "active", 2: "held"}


def _withdrawn(world):
    world.generate(at_once=True)
    world.withdraw(2)


def _before_the_first_pair(_world):
    DatabaseCopy.empty()
    shutil.rmtree(settings.STORE)


def _undecided(_world):
    """The store is that of another installation."""
    DatabaseCopy.empty()


def seen(page):
    """What does not lie above the bar that stays at the bottom, or on it."""
    bar = page.locator("#settings .actions-form").bounding_box()
    below = {"bar": bar["y"] + bar["height"] - 800}
    for name in ("interval_days", "generation_time"):
        box = page.locator(f"#settings .parameter:has([name={name}])").bounding_box()
        below[name] = box["y"] + box["height"] - bar["y"]
    for name in ("#generate", "#download-host", "#status .assurance", "#status .message"):
        if page.locator(name).count():
            box = page.locator(name).first.bounding_box()
            below[name] = box["y"] + box["height"] - bar["y"]
    return {name for name, pixels in below.items() if pixels > 1}


@pytest.mark.parametrize(
    "state",
    [
        *(_nothing, _without_a_clock, _without_names, _with_long_names, _ordered),
        *(_switch_failed, _rolled_back, _withdrawn, _before_the_first_pair, _undecided),
    ],
)
def test_both_parameters_and_what_can_be_done_are_seen_without_scrolling(open_page, world, state):
    page = open_page(1280, "de")
    state(world)
    page.goto(reverse("certificates:overview"))
    assert seen(page) == set()


def test_in_a_handover_too_with_long_names_and_after_a_change(open_page, mixed):
    """What the change has to say takes three lines, and so does the worst warning, folded."""
    page = open_page(1280, "de")
    _with_long_names(mixed.world)
    Terminal.objects.update(name=LABEL * 2)
    page.goto(reverse("certificates:overview"))
    assert seen(page) == set()

    page.get_by_label("Zertifikate automatisch neu generieren nach (Tagen)").fill("180")
    page.get_by_role("button", name="Übernehmen").click()
    page.get_by_text("365 → 180").wait_for()
    assert seen(page) == set()
    whole = page.locator(".message-long")
    folded = whole.bounding_box()["height"]
    whole.locator("summary").click()
    assert whole.bounding_box()["height"] > folded


@pytest.mark.parametrize("width", [320, 390])
def test_event_messages_of_each_severity_fit_the_title_bar_of_a_mobile_phone(open_page, world, width):
    _with_long_names(world)
    for severity in Severity.values:
        for subject in range(12):
            EventMessage.objects.create(
                kind="files_differ", subject=f"{severity} {subject}", severity=severity, raised_at=world.now
            )
    page = open_page(width, "de")
    page.goto(reverse("certificates:overview"))
    assert page.locator(".state").count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def top_of(page, name):
    return page.locator(name).first.bounding_box()["y"]


def test_on_a_mobile_phone_the_first_parameter_is_in_the_first_screen_of_the_worst_state(open_page, everything):
    page = open_page(390, "de")
    page.goto(reverse("certificates:overview"))
    assert page.locator(".message-long").count() == 1, "there is a warning, and what to do about it"
    assert top_of(page, "[name=interval_days]") < 640


@pytest.mark.parametrize("width", [390, 1280])
def test_the_work_list_begins_in_the_first_screen_and_leads_to_the_file_of_a_type(open_page, everything, width):
    page = open_page(width, "de")
    page.goto(reverse("terminals:work_list:list"))
    assert top_of(page, "input[name=terminal]") < 800
    download = page.get_by_role("link", name="Herunterladen: ").first
    assert not download.is_visible()

    page.get_by_role("link", name="Gigaset").click()
    download.wait_for()
    assert page.locator("input[name=terminal]").count() == 1

    page.goto(reverse("terminals:work_list:list"))
    page.locator("#work-by-type > summary").click()
    download.wait_for()
    page.reload()
    assert download.is_visible(), "what was unfolded stays so"


@pytest.mark.parametrize("width", [390, 1280])
def test_on_the_page_of_a_type_it_is_edited_and_its_check_goes_on(open_page, everything, variants, width):
    page = open_page(width, "de")
    page.goto(variants["type yealink by its own"])

    assert top_of(page, "main a:text-is('Bearbeiten')") < 400
    assert top_of(page, "button:text('Weitermachen')") < 800


FIRST_READ = {"certificates:generate"}
"""What can be lost stands before the choice."""
LONG = {
    "certificates:generation": "all there is to say of a pair, for an audit",
    "certificates:overview": "below the settings: both pairs, the explanation and the downloads",
    "home": "below the answer: the timeline's table and what needs a person",
    "system:events_destinations": "a row for each destination and each message that came nowhere",
    "system:events_meaning": "every kind of message there is",
    "system:general": "all settings of the installation, in groups",
    "terminals:rollout:overview": "a row for each state and each trouble",
    "terminals:terminals": "fifty rows",
    "terminals:types:types": "a row for each type, those that nobody uses folded",
    "terminals:work_list:list": "a row for each terminal that waits",
}
"""Why a page is longer than two screens. Forms are as long as what they ask for, and help as what there is to say."""
FORMS = (
    "terminals:add",
    "terminals:edit",
    "terminals:take_in",
    "terminals:types:",
    "terminals:delivery:",
    "system:events_d",
)


def first_screen(page):
    """What a page is opened for and does not lie in its first screen."""
    return page.evaluate(
        """() => {
            const shown = name => [...document.querySelectorAll(`main ${name}`)].find(one => one.offsetParent !== null)
            const below = one => one !== undefined && one.getBoundingClientRect().bottom > 801
            return [[".btn-primary, main .btn-danger", "order"], ["input:not([type=hidden]), main select, main textarea", "field"]]
                .filter(([name]) => below(shown(name))).map(([, what]) => what)
        }"""
    )


def test_on_every_page_what_one_came_to_do_is_in_the_first_screen(open_page, addresses, variants):
    page = open_page(1280, "de")
    below, long = {}, set()
    for name, address in (addresses | variants).items():
        page.goto(address)
        if outside := set(first_screen(page)) - ({"field"} if name in FIRST_READ else set()):
            below[name] = outside
        if page.evaluate("document.documentElement.scrollHeight") > 2 * 800:
            long.add(name)

    assert below == {}
    unexplained = {name for name in long if not name.startswith(("help", "type ", *FORMS)) and name not in LONG}
    assert unexplained <= FIRST_READ


def test_what_lies_below_the_first_screen_is_found(open_page, world):
    page = open_page(1280, "de")
    page.goto(reverse("terminals:add"))
    assert first_screen(page) == []
    page.evaluate("document.querySelector('main form').style.marginTop = '900px'")
    page.evaluate("document.querySelector('.actions-form').style.position = 'static'")
    assert first_screen(page) == ["order", "field"]


def test_it_would_be_said(open_page, world):
    page = open_page(1280, "de")
    page.goto(reverse("certificates:overview"))
    page.evaluate("document.querySelector('h1').style.height = '400px'")
    assert "generation_time" in seen(page)
