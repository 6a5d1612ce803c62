import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.urls import reverse

from pbxcerts.system.models import Role, User
from pbxcerts.system.users import accounts
from tests.support import forked
from tests.support.product import copy_new_database

LIST = "/system/users/"
NEW = {"password1": "nine silver spoons", "password2": "nine silver spoons"}


def edit(client, user, **data):
    return client.post(reverse("system:users_edit", args=[user.pk]), data)


def test_it_lists_every_user_with_role_and_state(administrator_client, administrator, viewer):
    User.objects.filter(pk=viewer.pk).update(is_active=False, last_login=datetime(2031, 1, 31, tzinfo=UTC))
    administrator_client.cookies["django_language"] = "en"
    html = administrator_client.get(LIST).content.decode()
    assert administrator.username in html
    assert viewer.username in html
    assert "disabled" in html
    assert "2031" in html


def test_it_adds_a_user_with_a_role_who_can_log_in(administrator_client, client):
    data = {"username": "otto", "role": "operate", **NEW}
    assert administrator_client.post(reverse("system:users_add"), data).status_code == 302
    assert User.objects.get(username="otto").role == Role.OPERATE
    response = client.post(reverse("login"), {"username": "otto", "password": NEW["password1"]})
    assert response.status_code == 302


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "anna"}, "username"),
        ({"username": "a b"}, "username"),
        ({"role": "owner"}, "role"),
        ({"password2": "another one"}, "password2"),
        ({"password1": "short", "password2": "short"}, "password2"),
    ],
    ids=["name-taken", "space", "unknown-role", "passwords-differ", "too-short"],
)
def test_a_bad_entry_adds_nobody_and_has_its_sentence(administrator_client, change, field):
    data = {"username": "otto", "role": "operate", **NEW, **change}
    response = administrator_client.post(reverse("system:users_add"), data)
    assert f'id="id_{field}_error"' in response.content.decode()
    assert User.objects.count() == 1


def test_it_changes_a_role(administrator_client, viewer):
    edit(administrator_client, viewer, role="administer", is_active="on")
    viewer.refresh_from_db()
    assert (viewer.role, viewer.is_active, viewer.is_superuser) == (Role.ADMINISTER, True, True)


def test_it_disables_and_enables_a_user(administrator_client, viewer):
    edit(administrator_client, viewer, role="view")
    viewer.refresh_from_db()
    assert not viewer.is_active
    edit(administrator_client, viewer, role="view", is_active="on")
    viewer.refresh_from_db()
    assert viewer.is_active


@pytest.mark.parametrize("data", [{"role": "administer"}, {"role": "operate", "is_active": "on"}], ids=str)
def test_the_last_administrator_can_be_neither_disabled_nor_demoted(administrator_client, administrator, data):
    response = edit(administrator_client, administrator, **data)
    assert 'role="alert"' in response.content.decode()
    administrator.refresh_from_db()
    assert (administrator.role, administrator.is_active) == (Role.ADMINISTER, True)


def test_a_disabled_administrator_does_not_count_as_another_one(administrator, db):
    other = User.objects.create_user("otto", role=Role.ADMINISTER, is_active=False)
    with pytest.raises(accounts.LastAdministrator):
        accounts.change(administrator, role=Role.VIEW, is_active=True)
    accounts.change(other, role=Role.ADMINISTER, is_active=True)
    accounts.change(administrator, role=Role.VIEW, is_active=True)
    assert list(User.objects.administrators()) == [other]


RACE = """
import sys, time
from pathlib import Path
import django
django.setup()
from pbxcerts.system.users import accounts
from pbxcerts.system.models import Role, User
user = User.objects.get(username=sys.argv[1])
ready = Path(sys.argv[2])
(ready / sys.argv[1]).touch()
while len(list(ready.iterdir())) < 2:
    time.sleep(0.001)
try:
    accounts.change(user, role=Role.VIEW, is_active=True)
    print("changed")
except accounts.LastAdministrator:
    print("refused")
"""


@pytest.mark.process
def test_two_administrators_who_demote_each_other_at_once_leave_one(tmp_path):
    environment = {**os.environ, "PBXCERTS_DATA": str(tmp_path), "DJANGO_SETTINGS_MODULE": "pbxcerts.settings"}
    root = Path(__file__).parents[3]
    copy_new_database(tmp_path / "pbxcerts.sqlite3")
    setup = (
        "import django; django.setup()\n"
        "from pbxcerts.system.models import User; [User.objects.create_superuser(name) for name in ('anna', 'eve')]"
    )
    forked.run([sys.executable, "-c", setup], env=environment, cwd=root, check=True, timeout=120)
    ready = tmp_path / "ready"
    ready.mkdir()
    races = [
        forked.Popen(
            [sys.executable, "-c", RACE, name, str(ready)], env=environment, cwd=root, stdout=subprocess.PIPE, text=True
        )
        for name in ("anna", "eve")
    ]
    assert sorted(race.communicate(timeout=120)[0].strip() for race in races) == ["changed", "refused"]


def test_a_new_password_ends_the_users_sessions_and_the_waiting(administrator_client, viewer_client, viewer, client):
    for count in range(10):
        client.post(reverse("login"), {"username": viewer.username, "password": f"wrong {count}"})
    url = reverse("system:users_password", args=[viewer.pk])
    new = {"new_password1": NEW["password1"], "new_password2": NEW["password1"]}
    assert administrator_client.post(url, new).status_code == 302
    assert viewer_client.get("/system/events/").status_code == 302
    answer = client.post(reverse("login"), {"username": viewer.username, "password": NEW["password1"]})
    assert answer.status_code == 302


def test_a_weak_new_password_is_refused(administrator_client, viewer, password):
    url = reverse("system:users_password", args=[viewer.pk])
    assert administrator_client.post(url, {"new_password1": "x", "new_password2": "x"}).status_code == 200
    viewer.refresh_from_db()
    assert viewer.check_password(password)


def test_a_user_who_does_not_exist_is_404(administrator_client):
    assert administrator_client.get(reverse("system:users_edit", args=[999])).status_code == 404


def test_a_password_manager_does_not_offer_its_owners_name_for_another_person(administrator_client):
    html = administrator_client.get(reverse("system:users_add")).content.decode()
    (name,) = [tag for tag in html.split("<input")[1:] if 'name="username"' in tag.partition(">")[0]]
    assert 'autocomplete="off"' in name.partition(">")[0]
