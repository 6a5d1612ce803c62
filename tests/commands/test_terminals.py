"""`terminals`: import, export and list."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from pbxcerts.system.models import General
from terminals.directory.device_tokens import token_hash
from terminals.models import Installation, Terminal, TerminalType
from tests.support.known_types import know_types

TWO = "number,name,type,mac,sip_password\n101,Reception,Snom,00:08:5d:11:22:33,hunter22\n102,=1+1,Mitel 6930,,\n"


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "terminals.csv"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture(autouse=True)
def types(installation):
    know_types()


def numbers():
    return list(Terminal.objects.values_list("number", flat=True))


def test_a_file_is_imported(installation, file):
    ran = installation.run("terminals", "import", file(TWO))

    assert (ran.exit_code, ran.out) == (0, "Added 2, changed 0, left 0 as they are.\n")
    assert numbers() == ["101", "102"]


def test_a_dry_run_only_says_what_it_would_do(installation, file):
    ran = installation.run("terminals", "import", file(TWO), "--dry-run")

    assert ran.out == "Would add 2, change 0 and leave 0 as they are.\n"
    assert numbers() == []


def test_a_script_learns_what_was_added_and_changed(installation, file):
    installation.run("terminals", "import", file(TWO))
    ran = installation.run(
        "terminals", "import", file("number,name,type\n101,Hall,Snom\n102,=1+1,Mitel 6930\n103,,Snom\n"), "--json"
    )

    assert ran.json == {
        "added": ["103"],
        "changed": [{"number": "101", "columns": ["name"]}],
        "unchanged": 1,
        "passwords_deleted": [],
        "refused": [],
        "dry_run": False,
    }


def test_an_import_says_before_and_afterwards_whose_password_it_deletes(installation, file):
    installation.run("terminals", "import", file("number,type,sip_realm,sip_password\n101,Snom,phones,hunter22\n"))
    moved = file("number,sip_realm\n101,mine\n")

    said = "1 stored SIP password is deleted, because the answer made with it would go elsewhere."
    assert said in installation.run("terminals", "import", moved, "--dry-run").out
    assert said in installation.run("terminals", "import", moved).out
    assert installation.run("terminals", "import", moved, "--json").json["passwords_deleted"] == []
    assert Terminal.objects.get().sip_password is None


@pytest.mark.parametrize("option", [[], ["--dry-run"]])
def test_one_bad_row_imports_nothing(installation, file, option):
    ran = installation.run("terminals", "import", file(TWO + "103,,Fax,,\n"), *option)

    assert (ran.exit_code, ran.error.code) == (2, "value")
    assert "Row 4, type: There is no terminal type “Fax”; their names stand under “Terminal types”." in str(ran.error)
    assert ran.error.value["refused"] == [
        {
            "row": 4,
            "number": "103",
            "column": "type",
            "reason": "There is no terminal type “Fax”; their names stand under “Terminal types”.",
        }
    ]
    assert numbers() == []


def test_of_many_bad_rows_the_first_are_named(installation, file):
    ran = installation.run("terminals", "import", file("number,type\n" + "".join(f"{n},Fax\n" for n in range(1000))))

    assert "… and 950 more." in str(ran.error)
    assert len(str(ran.error).splitlines()) == 52


@pytest.mark.parametrize("text", ["", "name\nx\n", "number\n" + "1\n" * 300_000, "number\n" + "x" * 21_000_000])
def test_a_file_of_no_use_is_wrong_use(installation, file, text):
    ran = installation.run("terminals", "import", file(text))

    assert (ran.exit_code, ran.error.code) == (2, "file")


def test_a_file_that_there_is_not(installation, tmp_path):
    ran = installation.run("terminals", "import", str(tmp_path / "none.csv"))

    assert (ran.exit_code, ran.error.code) == (1, "file")


def test_an_export_can_be_imported_and_holds_no_password(installation, file):
    installation.run("terminals", "import", file(TWO))

    out = installation.run("terminals", "export", "--separator", "comma").out

    assert out.splitlines()[0] == "number,name,type,mac,address,transport,way,sip_user,sip_realm,enabled,notes"
    assert "'=1+1" in out
    assert "hunter22" not in out
    assert "left 2 as they are" in installation.run("terminals", "import", file(out)).out


@pytest.mark.parametrize(("language", "separator"), [("de", ";"), ("en", ",")])
def test_an_export_has_the_separator_of_the_system_language_unless_another_is_asked_for(
    installation, file, language, separator
):
    General.objects.update(language=language)

    assert installation.run("terminals", "export").out.startswith(f"number{separator}name")
    assert installation.run("terminals", "export", "--separator", "semicolon").out.startswith("number;name")
    assert installation.run("terminals", "tokens").out.startswith(f"number{separator}name")


def test_the_list_for_a_person(installation, file):
    assert installation.run("terminals", "list").out == "No terminals are known yet.\n"
    installation.run("terminals", "import", file(TWO))

    head, first, second = installation.run("terminals", "list").out.splitlines()

    assert head.split()[:3] == ["Number", "Name", "Type"]
    assert first.split()[:4] == ["101", "Reception", "Snom", "00085D112233"]
    assert "not taken in yet" in second


def test_the_list_for_a_script(active, file):
    active.run("terminals", "import", file(TWO))
    Terminal.objects.filter(number="102").update(enabled=False)

    value = json.loads(active.run("terminals", "list", "--json").out)

    assert value["generation"] == 1
    assert value["terminals"][0] == {
        "number": "101",
        "name": "Reception",
        "type": "Snom",
        "method": "sip_standard",
        "mac": "00085D112233",
        "address": "",
        "firmware": "",
        "enabled": True,
        "state": value["terminals"][0]["state"],
        "trusts": [],
        "unproved_address": None,
        "last_contact": None,
        "next_attempt": None,
    }
    assert value["terminals"][0]["state"] in {"not_yet", "waiting"}
    assert value["terminals"][1]["state"] == "disabled"
    assert "hunter22" not in json.dumps(value)


def test_an_unknown_action_is_wrong_use(installation):
    for arguments in ([], ["explode"], ["import"]):
        assert "Error: " in str(installation.run("terminals", *arguments).error)


def test_types_that_there_are_not_are_named(installation, file):
    TerminalType.objects.all().delete()

    assert installation.run("terminals", "import", file(TWO)).exit_code == 2


def test_missing_tokens_are_written_once(installation, file):
    imported = installation.run(
        "terminals", "import", file("number,name,type,address\n101,,pbxcerts-agent,192.0.2.1\n102,,Snom,\n")
    )
    assert imported.exit_code == 0

    ran = installation.run("terminals", "tokens")

    head, row = ran.out.split()
    token = row.removeprefix("101,,")
    assert (ran.exit_code, head) == (0, "number,name,token")
    assert Terminal.objects.get(number="101").token_sha256 == token_hash(token)
    assert installation.run("terminals", "tokens", "--json").json == {"tokens": []}


def test_when_one_that_was_asked_is_given_up_is_no_next_attempt(active, file):
    active.run("terminals", "import", file(TWO))
    at = timezone.now() + timedelta(minutes=45)
    for number, state in (("101", "absent"), ("102", "heard")):
        terminal = Terminal.objects.get(number=number)
        Installation.objects.update_or_create(
            generation_id=1, terminal=terminal, defaults={"state": state, "next_at": at}
        )

    absent, heard = json.loads(active.run("terminals", "list", "--json").out)["terminals"]

    assert (bool(absent["next_attempt"]), heard["next_attempt"]) == (True, None)
