"""Import of terminals: what a file would do, and then all of it or nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from terminals import credentials, csv_files, imports
from terminals.imports import HasRefusals, Overtaken
from terminals.models import ImportFile, Installation, Methods, Terminal, TerminalType

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def types(db, key_file):
    TerminalType.objects.all().delete()
    TerminalType.objects.create(name="Snom", method=Methods.SIP_STANDARD)
    TerminalType.objects.create(name="Mitel 6930", method=Methods.MITEL_SIP)


def plan(text):
    return imports.plan_of(csv_files.read(text.encode()))


def imported(text):
    done = plan(text)
    imports.carry_out(done)
    return done


def rows():
    return {row["number"]: row for row in imports.exported()}


def reasons(text):
    return [(one.row, one.column, one.reason) for one in plan(text).refused]


def test_new_terminals_are_added_with_what_stands_there_and_defaults_for_the_rest():
    imported(
        "number,name,type,mac,address\n101,Reception,snom,,\n+4144555,Hall,Mitel 6930,00:08:5d:11:22:33,192.0.2.7:5062\n"
    )

    assert rows()["101"] == dict.fromkeys(csv_files.EXPORTED, "") | {
        "number": "101",
        "name": "Reception",
        "type": "Snom",
        "transport": "udp",
        "enabled": "true",
    }
    assert rows()["+4144555"]["mac"] == "00085D112233"
    assert rows()["+4144555"]["address"] == "192.0.2.7:5062"
    secrets = set(Terminal.objects.values_list("path_secret", flat=True))
    assert len(secrets) == 2
    assert all(len(secret) == 43 for secret in secrets)


def test_known_terminals_are_changed_where_the_file_has_a_column():
    imported("number,name,type,mac,notes\n101,Reception,Snom,00085D112233,keep\n102,Hall,Snom,,\n")

    done = imported("number,name\n101,Front desk\n102,Hall\n")

    assert [(entry.number, entry.changed) for entry in done.changed] == [("101", ("name",))]
    assert (done.added, done.unchanged) == ([], 1)
    assert rows()["101"]["name"] == "Front desk"
    assert (rows()["101"]["mac"], rows()["101"]["notes"]) == ("00085D112233", "keep")


def test_an_empty_cell_empties_what_may_be_empty():
    imported("number,name,type,mac,enabled\n101,Reception,Snom,00085D112233,false\n")
    imported("number,name,mac,enabled\n101,,,\n")

    assert (rows()["101"]["name"], rows()["101"]["mac"], rows()["101"]["enabled"]) == ("", "", "false")


def test_an_export_changes_nothing_when_it_is_imported_again():
    imported(
        "number,name,type,mac,address,transport,way,sip_user,enabled,notes\n"
        "101,=1+1,Snom,00085D112233,[2001:db8::7]:5062,tls,direct,@me,false,-dash\n"
        '+41101,"a, b",Mitel 6930,,,tcp,server,,true,"two\nlines"\n'
    )
    before = rows()

    done = plan(csv_files.write(imports.exported()))

    assert (done.added, done.changed, done.refused, done.unchanged) == ([], [], [], 2)
    assert rows() == before


@pytest.mark.parametrize(
    "spelling",
    ["00:08:5D:11:22:33", "00-08-5d-11-22-33", "0008.5d11.2233", "00085d112233", "00 08 5D 11 22 33"],
)
def test_a_mac_is_read_in_five_spellings_and_is_the_same(spelling):
    imported(f"number,type,mac\n101,Snom,{spelling}\n")

    assert rows()["101"]["mac"] == "00085D112233"
    assert reasons("number,type,mac\n102,Snom,00085D112233\n")


BAD = [
    ("", "number"),
    ("=1+1", "number"),
    ("1 2", "number"),
    ("a@b", "number"),
    ("x" * 65, "number"),
    ("<b>", "number"),
    ("", "type"),
    ("Fax", "type"),
    ("00:08:5D:11:22", "mac"),
    ("00085D11223G", "mac"),
    ("=HYPERLINK(1)", "mac"),
    ("192.0.2.300", "address"),
    ("pbx.example.com", "address"),
    ("pbx.example.com:5060", "address"),
    ("192.0.2.7:0", "address"),
    ("192.0.2.7:65536", "address"),
    ("192.0.2.7:x", "address"),
    ("0.0.0.0", "address"),
    ("[2001:db8::7", "address"),
    ("2001:db8::7]:5060", "address"),
    ("sctp", "transport"),
    ("sideways", "way"),
    ("maybe", "enabled"),
    ("x" * 129, "name"),
    ("x" * 129, "sip_user"),
    ("a\tb", "sip_password"),
]


@pytest.mark.parametrize(("cell", "column"), BAD)
def test_one_bad_cell_among_good_rows_is_named_and_imports_nothing(cell, column):
    good = {"number": "101", "type": "Snom"}
    bad = {"number": "102", "type": "Snom"} | {column: cell}
    columns = sorted(good.keys() | bad.keys())
    quoted = [",".join('"{}"'.format(row.get(name, "")) for name in columns) for row in (good, bad)]
    text = "\n".join([",".join(columns), *quoted])

    done = plan(text)
    with pytest.raises(HasRefusals):
        imports.carry_out(done)

    assert [(one.row, one.column) for one in done.refused] == [(3, column)]
    assert done.refused[0].reason
    assert not Terminal.objects.exists()


def test_every_bad_row_is_named_at_once():
    found = reasons("number,type,mac\n101,Fax,zz\n102,Snom,\n,Snom,\n")

    assert [(row, column) for row, column, _reason in found] == [(2, "type"), (2, "mac"), (4, "number")] or [
        (row, column) for row, column, _reason in found
    ] == [(2, "mac"), (2, "type"), (4, "number")]


def test_a_number_that_stands_twice_is_refused_the_second_time():
    assert reasons("number,type\n101,Snom\n102,Snom\n101,Snom\n") == [
        (4, "number", "The number 101 stands in row 2 already.")
    ]


def test_a_mac_that_stands_twice_or_belongs_to_another_is_refused():
    imported("number,type,mac\n101,Snom,00085D112233\n")

    assert reasons("number,type,mac\n102,Snom,00:08:5D:11:22:33\n") == [
        (2, "mac", "The MAC 00085D112233 belongs to the terminal 101.")
    ]
    assert reasons("number,type,mac\n102,Snom,00085D112244\n103,Snom,0008.5d11.2244\n") == [
        (3, "mac", "The MAC 00085D112244 stands in row 2 already.")
    ]


def test_two_terminals_may_exchange_their_macs_and_a_third_may_take_one_that_is_given_up():
    imported("number,type,mac\n101,Snom,00085D000001\n102,Snom,00085D000002\n103,Snom,00085D000003\n")

    imported("number,type,mac\n101,Snom,00085D000002\n102,Snom,00085D000001\n103,Snom,\n104,Snom,00085D000003\n")

    assert [row["mac"] for row in rows().values()] == ["00085D000002", "00085D000001", "", "00085D000003"]


def test_one_that_is_notified_directly_needs_an_address():
    assert [column for _row, column, _reason in reasons("number,type,way\n101,Mitel 6930,direct\n")] == ["address"]
    assert not reasons("number,type,way,address\n101,Mitel 6930,direct,192.0.2.7\n")
    assert not reasons("number,type,way\n101,Snom,direct\n")


# -- passwords ---------------------------------------------------------------------------------------------------------


def test_a_password_is_stored_encrypted_and_an_empty_one_leaves_it():
    imported("number,type,sip_password\n101,Snom,Pa ss=1\n102,Snom,\n")
    imported("number,name,sip_password\n101,Reception,\n")

    stored = Terminal.objects.get(number="101").sip_password
    assert b"Pa ss=1" not in bytes(stored)
    assert credentials.unseal(stored) == "Pa ss=1"
    assert Terminal.objects.get(number="102").sip_password is None
    assert "Pa ss=1" not in csv_files.write(imports.exported())


def test_a_new_password_counts_as_a_change():
    imported("number,type,sip_password\n101,Snom,one\n")
    done = imported("number,sip_password\n101,two\n")

    assert [entry.changed for entry in done.changed] == [("sip_password",)]
    assert credentials.unseal(Terminal.objects.get().sip_password) == "two"


# -- another telephone -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mac", "trusts"),
    [("00085D000001", True), ("00085D000002", False), ("", False)],
    ids=["the same MAC", "another", "none any more"],
)
def test_what_the_telephone_before_had_confirmed_does_not_count_for_another(fleet, mac, trusts):
    [phone] = fleet.equipped(mac="00085D000001", firmware="6.4")
    Terminal.objects.update(token_sha256="a" * 64)

    imported(f"number,mac\n{phone.terminal.number},{mac}\n")

    assert Installation.objects.filter(confirmed_at__isnull=False).exists() is trusts
    assert bool(Terminal.objects.get().token_sha256) is trusts


def test_a_mac_that_becomes_known_is_that_of_the_same_telephone(fleet):
    [phone] = fleet.equipped()

    imported(f"number,mac\n{phone.terminal.number},00085D000002\n")

    assert Installation.objects.filter(confirmed_at__isnull=False).exists()


# -- all or nothing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["added", "changed", "deleted", "type"])
def test_what_changed_since_the_preview_imports_nothing(change):
    imported("number,type\n101,Snom\n102,Snom\n")
    seen = plan("number,type,name\n101,Snom,new\n103,Snom,new\n")
    match change:
        case "added":
            imported("number,type\n103,Snom\n")
        case "changed":
            imported("number,name\n101,other\n")
        case "deleted":
            Terminal.objects.get(number="101").delete()
        case "type":
            TerminalType.objects.filter(name="Snom").update(name="Snom D7")
    before = rows()

    with pytest.raises(Overtaken):
        imports.carry_out(seen)

    assert rows() == before


def test_a_contact_meanwhile_is_no_change():
    imported("number,type\n101,Snom\n")
    seen = plan("number,name\n101,new\n")
    Terminal.objects.update(last_contact=NOW, firmware="7")

    imports.carry_out(seen)

    assert (rows()["101"]["name"], Terminal.objects.get().firmware) == ("new", "7")


def test_ten_thousand_rows_are_few_statements():
    text = "number,type,mac\n" + "".join(f"{n},Snom,{n:012X}\n" for n in range(10_000, 20_000))
    with CaptureQueriesContext(connection) as planning:
        done = plan(text)
    with CaptureQueriesContext(connection) as adding:
        imports.carry_out(done)

    assert Terminal.objects.count() == 10_000
    assert len(planning) <= 3
    assert len(adding) <= 250


# -- the file in between -----------------------------------------------------------------------------------------------


def test_a_file_waits_encrypted_for_an_hour_one_for_each_person(operator, administrator):
    imports.keep(operator, b"number,sip_password\n1,secret\n", now=NOW)
    imports.keep(operator, b"number,sip_password\n2,secret\n", now=NOW)
    imports.keep(administrator, b"number\n3\n", now=NOW)

    assert ImportFile.objects.count() == 2
    assert not any(b"secret" in bytes(row.content) for row in ImportFile.objects.all())
    assert imports.kept(operator, now=NOW + timedelta(hours=1)) == b"number,sip_password\n2,secret\n"
    assert imports.kept(operator, now=NOW + timedelta(hours=1, seconds=1)) is None

    assert not ImportFile.objects.exists()

    imports.keep(administrator, b"number\n4\n", now=NOW + timedelta(hours=2))
    assert list(ImportFile.objects.values_list("user", flat=True)) == [administrator.pk]


def test_a_file_that_no_key_decrypts_any_more_is_gone(operator, key_file):
    imports.keep(operator, b"number\n1\n", now=NOW)
    key_file.unlink()

    assert imports.kept(operator, now=NOW) is None
