"""CSV files of terminals as text: whatever a spreadsheet writes is read, and what is of no use is refused with a sentence."""

import csv
import io
import tracemalloc
from itertools import chain

import pytest
from django.utils import translation

from terminals.directory.csv import column_heads, csv_files
from terminals.directory.csv.column_heads import column_of
from terminals.directory.csv.csv_files import COLUMNS, EXPORTED, read, write
from terminals.directory.csv.errors import ImportFileTooLarge, NotCsv, NotText, TooManyLines, WrongHeader


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def cells(content):
    return [dict(row.cells) for row in read(content)]


def a_row(**values):
    return dict.fromkeys(EXPORTED, "") | values


TWO = [{"number": "101", "name": "Büro"}, {"number": "102", "name": "Süd, Haus 2"}]


@pytest.mark.parametrize(
    "content",
    [
        'number,name\n101,Büro\n102,"Süd, Haus 2"\n'.encode(),
        'number,name\r\n101,Büro\r\n102,"Süd, Haus 2"\r\n'.encode("utf-8-sig"),
        "number;name\r\n101;Büro\r\n102;Süd, Haus 2".encode("cp1252"),
        "\ufeffnumber;name\n101;Büro\n102;Süd, Haus 2\n".encode(),
        '\ufeff\ufeffnumber,name\r\n101,Büro\r\n102,"Süd, Haus 2"\r\n'.encode(),
        "Number\tNAME\n101\tBüro\n102\tSüd, Haus 2\n".encode(),
        '\n"number","name"\n"101","Büro"\n"102","Süd, Haus 2"\n'.encode(),
        'number,name\n101,Büro\n\n,\n102,"Süd, Haus 2"\n\n'.encode(),
        "\ufeffsep=;\r\nnumber;name\r\n101;Büro\r\n102;Süd, Haus 2\r\n".encode(),
        '"SEP=|"\nnumber|name\n101|Büro\n102|Süd, Haus 2\n'.encode(),
        'number,name\r\n101,Büro\r\n102,"Süd, Haus 2"\r\n\x1a'.encode(),
    ],
    ids=[
        "commas",
        "byte order mark",
        "semicolons of Excel",
        "semicolons and mark",
        "two marks",
        "tabs",
        "quoted header",
        "blank lines",
        "separator line of Excel",
        "separator line without a table's own",
        "end of file as in DOS",
    ],
)
def test_it_reads_what_spreadsheets_write(content):
    assert cells(content) == TWO


def test_a_short_row_is_filled_up():
    assert cells(b"number,name,mac\n101\n") == [{"number": "101", "name": "", "mac": ""}]


def test_columns_without_a_name_are_left_out():
    assert cells(b"number;name;;\n101;a;;\n102;b;note beside;\n") == [
        {"number": "101", "name": "a"},
        {"number": "102", "name": "b"},
    ]


def test_rows_are_numbered_as_a_spreadsheet_numbers_them():
    assert [row.number for row in read(b'number,notes\n101,"two\nlines"\n,\n103,\n')] == [2, 4]
    assert [row.number for row in read(b"\nnumber\n101\n\n103\n")] == [3, 5]
    assert [row.number for row in read(b"sep=,\nnumber\n101\n")] == [2]


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (b"", WrongHeader, "empty"),
        (b"\n\n", WrongHeader, "empty"),
        (b"name,mac\nx,y\n", WrongHeader, "lacks the column"),
        (b"number,colour\n101,red\n", WrongHeader, "colour"),
        (b"number,name,name\n101,a,b\n", WrongHeader, "twice"),
        ("number,na\u200bme\n".encode(), WrongHeader, "na<U\\+200B>me"),
        (b"101,Reception\n102,Office\n", WrongHeader, "101"),
        (b"number,name\n101,a\n102,b,c\n", NotCsv, "Row 3 has more cells"),
        (b'number,name\n101,"never ends\n102,b\n', NotCsv, "In row 2 a cell does not end"),
        (b'number,name\n101,"Max "Boss" M"\n', NotCsv, "In row 2 a cell does not end"),
        (b'number,name\n101,Max "Boss" M\n\n102,"a" b\n', NotCsv, "In row 4 a cell does not end"),
        (b'"number",name\n"101"x,b\n', NotCsv, "In row 2 a cell does not end"),
        (b'"number"x,name\n', NotCsv, "In row 1 a cell does not end"),
        (b"number,name\n101," + b"x" * 200_000 + b"\n", NotCsv, "In row 2 a cell does not end"),
        (b"PK\x03\x04\x00\x00\x81\x8d", NotText, "not a CSV file"),
        ("number,name\n101,Büro\n".encode("utf-16"), NotText, "not a CSV file"),
        (b"number,name\n" + b"1,2\n" * 600_000, ImportFileTooLarge, "2 MB"),
        (b"number\n" + b"1\n" * 900_000, TooManyLines, "900001 lines"),
        (b"\n" * 1_000_000, TooManyLines, "1000000 lines"),
    ],
)
def test_a_file_of_no_use_is_refused_with_a_sentence(content, error, says):
    with pytest.raises(error, match=says):
        read(content)


def test_a_million_lines_cost_little_more_than_the_file_itself():
    content = b"1\n" * 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(TooManyLines):
            read(content[: csv_files.OF_A_PAGE.bytes])
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100_000_000


@pytest.mark.parametrize(
    "text",
    [
        "Max;=1+1",
        "Max,=1+1",
        "Max\t=1+1",
        "Max\n=1+1",
        "Max\r\n@cmd",
        "a;b;'-2,+3",
        "=1;=2",
        "\uff1d1",
    ],
)
@pytest.mark.parametrize("separator", csv_files.Separator)
def test_with_whatever_separator_it_is_opened_no_cell_of_an_export_is_a_formula(text, separator):
    exported = write([a_row(number="101", name=text, notes=text)], separator=separator)

    for opened_with in ",;\t":
        for cell in chain.from_iterable(csv.reader(io.StringIO(exported, newline=""), delimiter=opened_with)):
            for line in cell.splitlines():
                assert not line.startswith(("=", "+", "-", "@", "\uff1d"))
    assert cells(exported.encode()) == [a_row(number="101", name=text, notes=text)]


@pytest.mark.parametrize("text", ["=1+1", "+SUM(A1)", "-2", "@cmd", "'=1", "''+x", "=cmd|' /C calc'!A0"])
def test_a_formula_is_exported_with_an_apostrophe_and_comes_back_without_it(text):
    exported = write([a_row(number="101", name=text, notes=text)])

    assert f"'{text}" in exported
    assert cells(exported.encode()) == [a_row(number="101", name=text, notes=text)]


@pytest.mark.parametrize("text", ["'tis so", "O'Neill", "a=b", "1-2", "Büro", "line\nbreak", 'a "quote"', "a;b,c\td"])
def test_what_is_no_formula_stays_as_it_is(text):
    exported = write([a_row(number="101", name=text)])

    assert cells(exported.encode())[0]["name"] == text
    assert "'" not in exported or "'" in text


def test_a_dialling_number_gets_no_apostrophe():
    assert "\r\n+41445551212," in write([a_row(number="+41445551212")])
    assert "'+41445551212" in write([a_row(number="1", name="+41445551212")])
    assert "'+1+cmd" in write([a_row(number="+1+cmd")])


def test_no_column_of_an_export_holds_credentials():
    assert not {"sip_password", "path_secret", "token_sha256", "own_lines"} & set(EXPORTED)
    assert write([]).strip() == ",".join(EXPORTED)


@pytest.mark.parametrize(
    "content",
    [
        "Nummer;Name;Typ;MAC-Adresse;IP-Adresse;Bemerkungen\n101;Empfang;Snom;;;\n",
        "\ufeffRufnummer\tBezeichnung\tModell\tMAC\tAdresse\tNotiz\n101\tEmpfang\tSnom\t\t\t\n",
        "DURCHWAHL,name,Endgerätetyp,mac_address,ip,notes\n101,Empfang,Snom,,,\n",
    ],
)
def test_the_heads_are_read_as_people_write_them(content):
    (row,) = read(content.encode())

    assert row.cells == {"number": "101", "name": "Empfang", "type": "Snom", "mac": "", "address": "", "notes": ""}


def test_two_heads_of_one_column_are_refused():
    with pytest.raises(WrongHeader, match="twice"):
        read(b"number;Rufnummer\n101;101\n")


def test_every_column_has_a_head_in_both_languages():
    for language in ("de", "en"):
        with translation.override(language):
            assert [column_of(head) for head in column_heads.heads().values()] == list(COLUMNS)
