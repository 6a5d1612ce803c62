"""Import of terminals: what a file would do, and then all of it or nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from pbxcerts.system import sealing
from terminals.directory.csv import csv_files, exports, import_plan, waiting_upload
from terminals.directory.csv.errors import ImportOvertaken, RowsRefused
from terminals.directory.models import ImportFile
from terminals.models import DeliverySettings, Installation, Terminal, TerminalType

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def types(db, key_file):
    TerminalType.objects.all().delete()
    TerminalType.objects.create(name="Snom", method="sip_standard")
    TerminalType.objects.create(name="Mitel 6930", method="mitel_sip")


def plan(text):
    return import_plan.plan_of(csv_files.read(text.encode()))


def imported(text):
    done = plan(text)
    import_plan.carry_out(done)
    return done


def rows():
    return {row["number"]: row for row in exports.rows()}


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

    done = plan(csv_files.write(exports.rows()))

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


@pytest.mark.parametrize("spoilt", ["120.0", "120,0", "4,93012E+12", "4.93012e+12", "8E+10", "8,5E-3"])
@pytest.mark.parametrize("column", ["number", "mac", "sip_user"])
def test_what_a_spreadsheet_has_made_of_a_number_is_refused_with_that_reason(column, spoilt):
    cells = {"number": "101", "type": "Snom", "mac": "", "sip_user": ""} | {column: spoilt}
    file = csv_files.write([cells], tuple(cells), csv_files.Separator.SEMICOLON)

    ((row, named, reason),) = reasons(file)

    assert (row, named) == (2, column)
    assert "spreadsheet" in reason
    assert spoilt in reason


@pytest.mark.parametrize("number", ["120.1", "12.00.1", "1E5", "E+1", "120"])
def test_what_only_resembles_it_is_a_number(number):
    assert "spreadsheet" not in str(reasons(f"number,type\n{number},Snom\n"))


@pytest.mark.parametrize(
    ("column", "cell", "shown"),
    [
        ("mac", "\u200e00:08:5D:00:00:01", "<U+200E>00:08:5D:00:00:01"),
        ("number", "1\u00ad20", "1<U+00AD>20"),
        ("number", "1\u00a020", "1<U+00A0>20"),
        ("type", "Sn\u200bom", "Sn<U+200B>om"),
        ("address", "192.0.2.7\ufeff", "192.0.2.7<U+FEFF>"),
        ("transport", "u\u200bdp", "u<U+200B>dp"),
        ("way", "\u2060server", "<U+2060>server"),
        ("enabled", "t\u200brue", "t<U+200B>rue"),
    ],
)
def test_an_invisible_character_is_shown_in_the_reason(column, cell, shown):
    cells = {"number": "101", "type": "Snom", "mac": "", "address": "", "transport": "", "way": "", "enabled": ""}
    file = csv_files.write([cells | {column: cell}], tuple(cells))

    ((_row, named, reason),) = reasons(file)

    assert named == column
    assert shown in reason


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
    with pytest.raises(RowsRefused):
        import_plan.carry_out(done)

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
        (2, "mac", "The MAC 00:08:5D:11:22:33 belongs to the terminal 101.")
    ]
    assert reasons("number,type,mac\n102,Snom,00085D112244\n103,Snom,0008.5d11.2244\n") == [
        (3, "mac", "The MAC 00:08:5D:11:22:44 stands in row 2 already.")
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
    assert sealing.unseal(stored) == b"Pa ss=1"
    assert Terminal.objects.get(number="102").sip_password is None
    assert "Pa ss=1" not in csv_files.write(exports.rows())


def test_a_new_password_counts_as_a_change():
    imported("number,type,sip_password\n101,Snom,one\n")
    done = imported("number,sip_password\n101,two\n")

    assert [entry.changed for entry in done.changed] == [("sip_password",)]
    assert sealing.unseal(Terminal.objects.get().sip_password) == b"two"


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
    assert (Terminal.objects.get().path_secret == phone.terminal.path_secret) is trusts


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

    with pytest.raises(ImportOvertaken):
        import_plan.carry_out(seen)

    assert rows() == before


def test_a_contact_meanwhile_is_no_change():
    imported("number,type\n101,Snom\n")
    seen = plan("number,name\n101,new\n")
    Terminal.objects.update(last_contact=NOW, firmware="7")

    import_plan.carry_out(seen)

    assert (rows()["101"]["name"], Terminal.objects.get().firmware) == ("new", "7")


def test_thousands_of_rows_are_few_statements():
    text = "number,type,mac\n" + "".join(f"{n},Snom,{n:012X}\n" for n in range(10_000, 12_000))
    plan("number\n1\n")  # makes the rows that there is one of
    with CaptureQueriesContext(connection) as planning:
        done = plan(text)
    with CaptureQueriesContext(connection) as adding:
        import_plan.carry_out(done)

    assert Terminal.objects.count() == 2_000
    assert len(planning) <= 5
    assert len(adding) <= 50


# -- the file in between -----------------------------------------------------------------------------------------------


def test_a_file_waits_encrypted_for_an_hour_one_for_each_person(operator, administrator):
    waiting_upload.keep(operator, b"number,sip_password\n1,secret\n", now=NOW)
    waiting_upload.keep(operator, b"number,sip_password\n2,secret\n", now=NOW)
    waiting_upload.keep(administrator, b"number\n3\n", now=NOW)

    assert ImportFile.objects.count() == 2
    assert not any(b"secret" in bytes(row.content) for row in ImportFile.objects.all())
    assert waiting_upload.kept(operator, now=NOW + timedelta(hours=1)) == b"number,sip_password\n2,secret\n"
    assert waiting_upload.kept(operator, now=NOW + timedelta(hours=1, seconds=1)) is None

    assert not ImportFile.objects.exists()

    waiting_upload.keep(administrator, b"number\n4\n", now=NOW + timedelta(hours=2))
    assert list(ImportFile.objects.values_list("user", flat=True)) == [administrator.pk]


def test_a_file_kept_by_a_clock_that_ran_ahead_does_not_stay_for_years(operator):
    waiting_upload.keep(operator, b"number,sip_password\n1,secret\n", now=NOW + timedelta(days=400))
    assert waiting_upload.kept(operator, now=NOW) is None
    assert not ImportFile.objects.exists()


def test_a_file_that_no_key_decrypts_any_more_is_gone(operator, key_file):
    waiting_upload.keep(operator, b"number\n1\n", now=NOW)
    key_file.unlink()

    assert waiting_upload.kept(operator, now=NOW) is None


# -- passwords that are stored already ---------------------------------------------------------------------------------


@pytest.fixture
def with_password(types):
    imported("number,type,way,address,sip_realm,sip_password\n101,Snom,server,192.0.2.7,phones,blue\n")
    imported("number,type,way,address,sip_realm,sip_password\n102,Snom,direct,192.0.2.8,phones,blue\n")


def test_new_addresses_of_a_site_delete_no_password_where_the_way_is_through_the_server(with_password):
    done = imported("number,address\n101,198.51.100.7\n")

    assert (done.losing_password, rows()["101"]["address"]) == ([], "198.51.100.7")
    assert sealing.unseal(Terminal.objects.get(number="101").sip_password) == b"blue"


@pytest.mark.parametrize("changed", ["address\n102,198.51.100.8", "sip_realm\n102,mine", "transport\n102,tcp"])
def test_a_password_whose_answer_would_go_elsewhere_is_deleted_and_the_plan_says_so(with_password, changed):
    planned = plan(f"number,{changed}\n")
    assert [entry.number for entry in planned.losing_password] == ["102"]
    assert Terminal.objects.filter(sip_password=None).count() == 0

    import_plan.carry_out(planned)
    assert list(Terminal.objects.filter(sip_password=None).values_list("number", flat=True)) == ["102"]


def test_a_password_in_the_same_row_stays(with_password):
    done = imported("number,sip_realm,sip_password\n102,mine,green\n")

    assert done.losing_password == []
    assert sealing.unseal(Terminal.objects.get(number="102").sip_password) == b"green"


def test_another_type_with_another_way_deletes_it_too(with_password):
    Terminal.objects.filter(number="101").update(way="")
    TerminalType.objects.create(name="Straight", method="sip_standard", way="direct")

    assert [entry.number for entry in plan("number,type\n101,Straight\n").losing_password] == ["101"]


def test_settings_that_changed_since_the_preview_import_nothing(with_password):
    planned = plan("number,sip_realm\n102,\n")
    DeliverySettings.load()
    DeliverySettings.objects.update(sip_domain="phones")

    with pytest.raises(ImportOvertaken):
        import_plan.carry_out(planned)


def test_the_realm_is_a_column(types):
    imported("number,type,sip_realm\n101,Snom,phones\n")

    assert rows()["101"]["sip_realm"] == "phones"
    assert imported("number,type,sip_realm\n101,Snom,phones\n").unchanged == 1
