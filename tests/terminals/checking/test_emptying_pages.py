"""What the pages and messages say of lists that are emptied, and who may order what (rule emptied-list)."""

import pytest

from terminals.models import TerminalType
from tests.support.generations import HOUR
from tests.terminals.checking.conftest import a_day_with, checking, filled, the_form
from tests.terminals.checking.test_pages import TYPES

pytestmark = pytest.mark.simulation


@pytest.fixture
def site(emptying):
    return emptying


def sent(of, **switches):
    return the_form(of) | {name: "on" for name, on in switches.items() if on}


@pytest.mark.parametrize(("checks", "empties"), [(True, True), (False, False)])
def test_an_administrator_turns_it_on_together_with_the_check(by, site, checks, empties):
    TerminalType.objects.update(empties_list=False, turns_checking_on=False)

    by("administrator").post(
        f"{TYPES}{site.type.pk}/edit/", sent(site.type, turns_checking_on=checks, empties_list=True)
    )

    assert TerminalType.objects.get(pk=site.type.pk).empties_list == empties


def test_the_switch_stands_only_where_a_maker_has_a_way(by, site, fleet):
    TerminalType.objects.create(name="A Snom", method="snom", wants="root", trust_format="der")
    switch = 'name="empties_list"'

    def form(method):
        pk = TerminalType.objects.filter(method=method).latest("pk").pk
        return by("administrator").get(f"{TYPES}{pk}/edit/").content.decode()

    assert switch in form("yealink")
    assert switch not in form("snom")


def test_both_pages_say_at_which_step_it_is(page, site):
    phone = checking(site)
    mine, of_type = f"/terminals/{phone.row.pk}/", f"{TYPES}{site.type.pk}/"
    site.deaf.add(phone.row.pk)

    site.night()
    assert "turned off to empty its list. Its list of certificates is full. pbxcerts told it on" in page(mine)
    assert "Full, told to stop 1" in page(of_type)
    assert "Taken back 0" in page(of_type)
    site.deaf.clear()
    site.night()
    assert "With its next contact it is told to empty its list." in page(mine)
    assert "Stopped, list not emptied yet 1" in page(of_type)
    a_day_with(site, phone)
    assert "With its next contact it is told the served certificate again, and to check after that." in page(mine)
    assert "List emptied, takes certificates again 1" in page(of_type)


def test_nobody_orders_the_check_of_one_whose_list_is_emptied(by, site):
    phone = checking(site)
    site.night()
    path = f"/terminals/{phone.row.pk}/"

    assert 'name="order"' not in by("operator").get(path).content.decode()
    for order in ("take-back", "again"):
        by("operator").post(f"{path}checking/", {"order": order})
        assert site.state(phone) == "off"


def test_an_administrator_says_that_the_first_list_is_as_it_is_to_be(by, page, site):
    TerminalType.objects.update(emptying_seen=False)
    phone = filled(site, site.add())
    path, button = f"{TYPES}{site.type.pk}/", "list-is-seen/"
    site.night()
    a_day_with(site, phone)
    assert button not in by("administrator").get(path).content.decode()
    a_day_with(site, phone)
    site.beat()
    assert f"it took the served one again: {phone.row.number}. Nothing shows that the old ones are gone" in page(path)
    assert "when a person has seen the first emptied list of its type" in page(f"/terminals/{phone.row.pk}/")

    assert button not in by("operator").get(path).content.decode()
    assert by("operator").post(path + button).status_code == 403
    assert button in by("administrator").get(path).content.decode()
    by("administrator").post(path + button)
    site.beat()

    assert site.state(phone) is None
    assert "Nothing shows that the old ones are gone" not in page(path)


def test_one_that_did_not_come_back_stands_on_its_page_and_on_that_of_its_type(page, site):
    phone = filled(site, site.add())
    site.night()
    site.beats(site.world.now + 60 * HOUR)

    assert "no other list of its type is emptied until a person goes on" in page(f"/terminals/{phone.row.pk}/")
    said = f"these did not come back, or it was taken back from them: {phone.row.number}."
    assert said in page(f"{TYPES}{site.type.pk}/")
