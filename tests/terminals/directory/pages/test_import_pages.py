"""CSV on the pages: choose a file, see what it would do, import all of it; and the export."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from pbxcerts.system import sealing
from pbxcerts.system.models import General
from terminals.directory.models import ImportFile
from terminals.evidence.models import Discovered
from terminals.models import Terminal

UPLOAD, PREVIEW = "/terminals/import/", "/terminals/import/preview/"


@pytest.fixture(autouse=True)
def keys(key_file):
    """SIP passwords and the waiting file are encrypted."""


def upload(client, content):
    if isinstance(content, str):
        content = content.encode()
    return client.post(UPLOAD, {"file": SimpleUploadedFile("terminals.csv", content)}, follow=True)


def apply(client, preview):
    return client.post(PREVIEW, {"basis": preview.context["plan"].basis}, follow=True)


def numbers():
    return list(Terminal.objects.values_list("number", flat=True))


def test_a_file_is_previewed_and_then_imported(operator_client, types, text):
    Terminal.objects.create(number="101", type=types["Snom"])

    preview = upload(operator_client, "\ufeffnumber;name;type\n101;Reception;Snom\n102;Büro;Mitel 6930\n")

    assert "Import all" in text(preview)
    assert "2 101 Reception name" in text(preview)
    assert numbers() == ["101"]
    assert Terminal.objects.get().name == ""

    done = apply(operator_client, preview)

    assert "1 terminal added, 1 changed." in text(done)
    assert numbers() == ["101", "102"]
    assert not ImportFile.objects.exists()


def test_what_is_refused_is_named_with_row_and_column_and_nothing_can_be_imported(operator_client, text):
    preview = upload(operator_client, "number,type,mac\n101,Snom,\n102,Fax,zz\n")
    page = text(preview)

    assert "1 row is refused" in page
    assert "3 102 type There is no terminal type “Fax”; their names stand under “Terminal types”." in page
    assert "Import all" not in page
    apply(operator_client, preview)
    assert numbers() == []


def test_of_many_the_first_twenty_are_shown(operator_client, text):
    page = text(upload(operator_client, "number,type\n" + "".join(f"{n},Snom\n" for n in range(1000, 1150))))

    assert "The first 20 of 150." in page
    assert "20 1018 Snom 21 1019 Snom" in page
    assert "1020" not in page


def test_what_is_done_with_the_file_stands_before_its_rows(operator_client):
    page = upload(operator_client, "number,type\n101,Snom\n").content.decode()

    assert page.index("Import all") < page.index("101")


def test_reasons_are_in_the_language_of_the_reader(operator_client):
    operator_client.cookies["django_language"] = "de"
    preview = upload(operator_client, "number,type,transport\n101,Snom,sctp\n")

    assert "keine gültige Auswahl" in preview.content.decode()


@pytest.mark.parametrize("content", ["name\nx\n", "number\n" + "1\n" * 30_000, b"\xff\xfe\x00", ""])
def test_a_file_of_no_use_is_refused_at_once(operator_client, content):
    response = upload(operator_client, content)

    assert 'id="id_file_error"' in response.content.decode()
    assert not ImportFile.objects.exists()


def test_no_file_is_no_import(operator_client):
    assert 'id="id_file_error"' in operator_client.post(UPLOAD, {}).content.decode()


def test_what_somebody_changed_since_the_preview_is_shown_anew(operator_client, types, text):
    preview = upload(operator_client, "number,type\n101,Snom\n102,Snom\n")
    Terminal.objects.create(number="101", name="by another", type=types["Yealink"])

    again = apply(operator_client, preview)

    assert "Terminals have been changed since this preview" in text(again)
    assert numbers() == ["101"]
    assert "type" in text(again)
    apply(operator_client, again)
    assert numbers() == ["101", "102"]


def test_a_second_click_imports_nothing_twice(operator_client, text):
    preview = upload(operator_client, "number,type\n101,Snom\n")
    apply(operator_client, preview)

    assert "There is no file to import any more" in text(apply(operator_client, preview))
    assert numbers() == ["101"]


def test_after_an_hour_a_file_is_gone(operator_client, text):
    preview = upload(operator_client, "number,type\n101,Snom\n")
    ImportFile.objects.update(uploaded_at=timezone.now() - timedelta(minutes=61))

    assert "There is no file to import any more" in text(apply(operator_client, preview))
    assert not ImportFile.objects.exists()


def test_one_person_does_not_see_the_file_of_another(operator_client, administrator_client, text):
    upload(operator_client, "number,type\n101,Snom\n")

    assert "There is no file to import any more" in text(administrator_client.get(PREVIEW, follow=True))


def test_it_can_be_given_up(operator_client):
    upload(operator_client, "number,type\n101,Snom\n")
    operator_client.post("/terminals/import/give-up/")

    assert not ImportFile.objects.exists()
    assert numbers() == []


def test_a_password_of_the_file_stands_on_no_page(operator_client):
    preview = upload(operator_client, "number,type,sip_password\n101,Snom,hunter22\n")

    assert "hunter22" not in preview.content.decode()
    assert not any(b"hunter22" in bytes(row.content) for row in ImportFile.objects.all())


def test_an_export_is_a_file_that_can_be_imported(viewer_client, operator_client, types, text):
    Terminal.objects.create(number="+41101", name="=1+1", type=types["Snom"], sip_password=sealing.seal(b"hunter22"))

    response = viewer_client.get("/terminals/export/")

    assert response["Content-Disposition"] == 'attachment; filename="terminals.csv"'
    assert response.content.startswith(b"\xef\xbb\xbfnumber,name,")
    assert b"+41101,'=1+1,Snom" in response.content
    assert b"hunter22" not in response.content
    assert "As they are already 1" in text(upload(operator_client, response.content))


@pytest.mark.parametrize(("language", "by_itself", "other"), [("de", b";", "comma"), ("en", b",", "semicolon")])
def test_an_export_has_the_separator_that_spreadsheets_of_the_system_language_expect_or_the_other(
    viewer_client, types, language, by_itself, other
):
    General.objects.update(language=language)

    assert f"?separator={other}" in viewer_client.get("/terminals/").content.decode()
    assert viewer_client.get("/terminals/export/").content[9:10] == by_itself
    assert viewer_client.get("/terminals/export/?separator=comma").content[9:10] == b","
    assert viewer_client.get("/terminals/export/?separator=semicolon").content[9:10] == b";"
    assert viewer_client.get("/terminals/export/?separator=x").content[9:10] == by_itself


def test_a_discovered_phone_that_is_imported_is_no_longer_discovered(operator_client):
    now = timezone.now()
    for mac in ("00085D112233", "00085D112244"):
        Discovered.objects.create(mac=mac, first_seen=now, last_seen=now)
    apply(operator_client, upload(operator_client, "number,type,mac\n101,Snom,00:08:5d:11:22:33\n"))

    assert [phone.mac for phone in Discovered.objects.all()] == ["00085D112244"]


def test_the_preview_names_those_whose_stored_password_is_deleted(operator_client, types, text, key_file):
    one = Terminal.objects.create(
        number="101", type=types["Snom"], sip_realm="phones", sip_password=sealing.seal(b"secret")
    )
    page = upload(operator_client, "number,sip_realm\n101,mine\n")

    assert "1 stored SIP password is deleted" in text(page)
    assert "Stored SIP passwords that are deleted" in text(page)
    assert "1 stored SIP password is deleted" in text(apply(operator_client, page))
    one.refresh_from_db()
    assert one.sip_password is None


def test_who_may_not_is_refused_on_the_page_and_when_it_is_sent(request, subtests):
    for method in ["get", "post"]:
        for url, allowed in [
            ("/terminals/", {"viewer", "operator", "administrator"}),
            ("/terminals/export/", {"viewer", "operator", "administrator"}),
            ("/terminals/discovered/", {"viewer", "operator", "administrator"}),
            ("/terminals/types/", {"viewer", "operator", "administrator"}),
            ("/terminals/1/", {"viewer", "operator", "administrator"}),
            ("/terminals/add/", {"operator", "administrator"}),
            ("/terminals/import/", {"operator", "administrator"}),
            ("/terminals/import/preview/", {"operator", "administrator"}),
            ("/terminals/1/edit/", {"operator", "administrator"}),
            ("/terminals/1/delete/", {"operator", "administrator"}),
            ("/terminals/1/new-path/", {"operator", "administrator"}),
            ("/terminals/1/enable/", {"operator", "administrator"}),
            ("/terminals/1/token/", {"operator", "administrator"}),
            ("/terminals/1/token/revoke/", {"operator", "administrator"}),
            ("/terminals/discovered/1/", {"operator", "administrator"}),
            ("/terminals/discovered/1/dismiss/", {"operator", "administrator"}),
            ("/terminals/discovered/dismiss-all/", {"operator", "administrator"}),
            ("/terminals/import/give-up/", {"operator", "administrator"}),
            ("/terminals/types/add/", {"administrator"}),
            ("/terminals/types/1/edit/", {"administrator"}),
            ("/terminals/types/1/delete/", {"administrator"}),
        ]:
            with subtests.test(method=method, url=url, allowed=allowed):
                clients = {
                    role: request.getfixturevalue(f"{role}_client") for role in ("viewer", "operator", "administrator")
                }

                statuses = {role: getattr(client, method)(url).status_code for role, client in clients.items()}

                assert {role for role, status in statuses.items() if status != 403} == allowed


def test_without_a_login_there_is_nothing(client):
    for url in ("/terminals/", "/terminals/export/", "/terminals/types/"):
        assert client.get(url).status_code == 302


# -- as a spreadsheet of the country writes it ---------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "head"), [("de", "\ufeffNummer;Name;Typ;"), ("en", "\ufeffnumber,name,type,")])
def test_a_template_in_the_readers_language_can_be_filled_in_and_imported(operator_client, types, language, head):
    General.objects.update(language=language)
    content = operator_client.get(f"{UPLOAD}template/").content.decode()
    assert content.startswith(head)

    separator = ";" if language == "de" else ","
    upload(operator_client, content + separator.join(["101", "Empfang", "Snom", *[""] * 9]) + "\n")
    assert operator_client.get(PREVIEW).context["plan"].added[0].number == "101"


def test_an_abbreviated_type_is_taken_for_the_only_one_that_it_can_mean(operator_client, types, text):
    preview = upload(operator_client, "Nummer;Typ\n101;Mitel 6867\n102;Mitel 6867\n")
    page = text(preview)

    assert "“Mitel 6867”, 2 rows, is taken for" in page
    assert "Import all" in page
    apply(operator_client, preview)
    assert {one.type for one in Terminal.objects.all()} == {types["Mitel 6867i"]}


def test_what_several_types_may_be_called_is_for_a_person_to_say(operator_client, types, text):
    preview = upload(operator_client, "number;type\n101;Snomm\n")
    page = preview.content.decode()
    assert "There is no terminal type “Snomm”" in text(preview)
    assert page.index("Suggested") < page.index(">Snom<")

    chosen = {"unknown": "Snomm", "type": types["Snom"].pk}
    preview = operator_client.get(PREVIEW, chosen)
    assert "Import all" in text(preview)
    operator_client.post(f"{PREVIEW}?{urlencode(chosen)}", {"basis": preview.context["plan"].basis})
    assert Terminal.objects.get().type == types["Snom"]


@pytest.mark.parametrize("key", ["", "0", "x", "-1", "9" * 40, "999999999"])
def test_a_type_that_is_none_is_taken_for_nothing(operator_client, types, key):
    upload(operator_client, "number;type\n101;Mitel 6867\n")

    plan = operator_client.get(PREVIEW, {"unknown": "Mitel 6867", "type": key}).context["plan"]
    assert [one.column for one in plan.refused] == ["type"]


def test_the_preview_shows_every_column_of_the_file(operator_client, types, text):
    Terminal.objects.create(number="101", name="Old", type=types["Snom"])
    content = "number;name;type;mac;address;enabled;notes;sip_password\n"
    content += "101;New;Snom;;;true;;\n102;Lab;Snom;00085d000005;192.0.2.7;false;At the door;secret\n"
    page = text(upload(operator_client, content))

    assert "name: Old → New" in page
    assert "102 Lab Snom 00:08:5D:00:00:05 192.0.2.7 is stored no At the door" in page
    assert "secret" not in page
