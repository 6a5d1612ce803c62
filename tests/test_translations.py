"""German is complete, and the compiled catalogue is the one that the text gives."""

import ast
import re
import subprocess
from pathlib import Path

import polib
import pytest
from django.utils import translation
from django.utils.translation import gettext, ngettext, npgettext, pgettext

from tests.support import catalogues
from tests.support.peers import require_program
from tests.support.sources import syntax_trees

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "pbxcerts" / "locale" / "de" / "LC_MESSAGES" / "django.po"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%")


@pytest.fixture(scope="module")
def catalogue():
    return polib.pofile(str(CATALOGUE))


def test_every_text_is_translated(catalogue):
    assert [entry.msgid for entry in catalogue if not entry.obsolete and not entry.translated()] == []
    assert [entry.msgid for entry in catalogue.fuzzy_entries()] == []
    assert catalogue.obsolete_entries() == []


def test_no_text_stands_where_xgettext_does_not_look():
    """It takes what is in the braces of an f-string for a part of the string."""
    calls = {"_", "gettext", "ngettext", "pgettext", "npgettext", "gettext_lazy", "ngettext_lazy", "pgettext_lazy"}
    found = [
        f"{path}:{call.lineno}"
        for path, tree in syntax_trees().items()
        for string in ast.walk(tree)
        if isinstance(string, ast.JoinedStr)
        for call in ast.walk(string)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in calls
    ]
    assert found == []


def test_placeholders_are_the_same_in_both_languages(catalogue):
    for entry in catalogue:
        msgids = [entry.msgid, entry.msgid_plural] if entry.msgid_plural else [entry.msgid]
        texts = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
        wanted = set(PLACEHOLDER.findall(msgids[-1]))
        for text in texts:
            assert set(PLACEHOLDER.findall(text)) == wanted, entry.msgid


def test_the_compiled_catalogue_is_up_to_date(catalogue):
    compiled = polib.mofile(str(CATALOGUE.with_suffix(".mo")))
    texts = {(entry.msgctxt, entry.msgid): entry.msgstr or entry.msgstr_plural for entry in compiled}

    assert texts == {(entry.msgctxt, entry.msgid): entry.msgstr or entry.msgstr_plural for entry in catalogue}


def test_the_catalogue_in_swiss_spelling_is_the_one_that_is_made_of_the_german_one():
    """`python -m tests.support.catalogues` makes it."""
    committed = polib.mofile(str(catalogues.SWISS))
    made = {(one.msgctxt, one.msgid): catalogues.texts_of(one) for one in catalogues.swiss()}

    assert {(one.msgctxt, one.msgid): catalogues.texts_of(one) for one in committed} == made
    assert any("ss" in text for texts in made.values() for text in texts)


def found(entry):
    """What is shown of a text in the language that is active."""
    one, context = entry.msgid, entry.msgctxt
    if entry.msgid_plural and context:
        return [npgettext(context, one, entry.msgid_plural, count) for count in (1, 2)]
    if entry.msgid_plural:
        return [ngettext(one, entry.msgid_plural, count) for count in (1, 2)]
    return [pgettext(context, one) if context else gettext(one)]


def test_in_swiss_spelling_every_text_is_the_german_one_with_ss():  # (rule swiss-spelling)
    entries = catalogues.merged().values()
    with translation.override("de"):
        german = [found(entry) for entry in entries]
    with translation.override("de-ch"):
        swiss = [found(entry) for entry in entries]

    assert len(german) > 2000
    assert any("ß" in text for texts in german for text in texts)
    assert swiss == [[text.replace("ß", "ss") for text in texts] for texts in german]


@pytest.mark.peer
def test_no_text_of_the_source_is_missing_in_the_catalogue(catalogue, tmp_path):
    require_program("xgettext")
    known = {(entry.msgctxt, entry.msgid) for entry in catalogue}
    files = subprocess.run(
        ["git", "ls-files", "*.py", "*.html", "*.txt"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in files.stdout.split():
        if name.startswith(("pbxcerts/", "certificates/", "terminals/")) and "/locale/" not in name:
            place = tmp_path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((ROOT / name).read_bytes())
    (tmp_path / "locale").mkdir()
    from django.core.management import call_command

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        call_command("makemessages", locale=["de"], verbosity=0)

    found = polib.pofile(str(tmp_path / "locale" / "de" / "LC_MESSAGES" / "django.po"))
    assert {(entry.msgctxt, entry.msgid) for entry in found} == known


def test_a_maker_is_named_only_where_its_telephones_alone_are_meant(catalogue):
    """Its driver may, and what is said of the outbound proxy, which pbxcerts tells no other."""
    named = [entry for entry in catalogue if "Mitel" in entry.msgid]
    elsewhere = [
        entry.msgid
        for entry in named
        if not all(place.startswith("terminals/drivers/") for place, _line in entry.occurrences)
    ]

    assert len(named) > 1
    assert [text.partition("Mitel SIP phones that load ")[1] != "" for text in elsewhere] == [True]
