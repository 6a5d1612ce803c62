"""Each translation calls a thing by the word that its glossary has for it (rule one-word)."""

import re
import tomllib

import polib
import pytest

from tests.test_translations import PLACEHOLDER, ROOT

GLOSSARIES = sorted((ROOT / "pbxcerts" / "locale").glob("*/glossary.toml"))
SOFT_HYPHEN = "\N{SOFT HYPHEN}"


def words_of(glossary):
    return tomllib.loads(glossary.read_text(encoding="utf-8"))["word"]


def texts_of(entry):
    """Every text of it with its translation, without the names of their values."""
    pairs = [(entry.msgid, entry.msgstr)]
    if entry.msgid_plural:
        pairs = [(entry.msgid_plural, said) for said in entry.msgstr_plural.values()]
    return [
        (PLACEHOLDER.sub("", english), PLACEHOLDER.sub("", said).replace(SOFT_HYPHEN, "")) for english, said in pairs
    ]


def holds(text, word):
    """The word as a whole, or its plural."""
    return word and re.search(rf"(?<![\w-]){re.escape(word)}s?(?![\w-])", text, re.IGNORECASE)


def against(word, entries):
    """The texts that call the thing otherwise, or name a word that is never to be used."""
    for entry in entries:
        for english, said in texts_of(entry):
            asked_for = holds(english, word["english"]) and entry.msgid not in word.get("without", [])
            if asked_for and not any(one.lower() in said.lower() for one in word["german"]):
                yield f"“{word['english']}” is {' or '.join(word['german'])}: {entry.msgid} → {said}"
            for never in word.get("never", []):
                if re.search(rf"(?<![A-Za-zäöüß-]){never}", said):
                    yield f"never “{never}”: {entry.msgid} → {said}"


def catalogue_of(glossary):
    return polib.pofile(str(glossary.parent / "LC_MESSAGES" / "django.po"))


@pytest.mark.parametrize("glossary", GLOSSARIES, ids=lambda path: path.parent.name)
def test_every_translation_keeps_to_the_glossary(glossary):
    entries = list(catalogue_of(glossary))

    assert [found for word in words_of(glossary) for found in against(word, entries)] == []


@pytest.mark.parametrize("glossary", GLOSSARIES, ids=lambda path: path.parent.name)
def test_a_text_that_says_it_otherwise_on_purpose_is_there_and_does(glossary):
    """Else an exception would outlive its text."""
    entries = {entry.msgid: entry for entry in catalogue_of(glossary)}
    needless = [
        text
        for word in words_of(glossary)
        for text in word.get("without", [])
        if text not in entries or not list(against({**word, "without": [], "never": []}, [entries[text]]))
    ]

    assert needless == []


def test_there_is_a_glossary_in_which_each_word_stands_once():
    assert [path.parent.name for path in GLOSSARIES] == ["de"]
    english = [word["english"] for word in words_of(GLOSSARIES[0])]
    assert len(english) == len(set(english)) > 30


def entry(msgid, msgstr):
    return polib.POEntry(msgid=msgid, msgstr=msgstr)


@pytest.mark.parametrize(
    ("msgid", "msgstr", "found"),
    [
        ("The trust bundle", "Das Vertrauenspaket", 0),
        ("Trust bundles of %(count)s", "Vertrauens\N{SOFT HYPHEN}pakete von %(count)s", 0),
        ("The trust bundle", "Das Bündel", 1),
        ("The certificates", "Das Bundle", 1),
        ("The trust bundle", "Das Bundle", 2),
        ("It is in %(bundle)s", "Es ist in %(bundle)s", 0),
        ("A trust-bundle-like thing", "Etwas", 0),
    ],
)
def test_the_test_finds_what_breaks_the_glossary(msgid, msgstr, found):
    word = {"english": "trust bundle", "german": ["Vertrauenspaket"], "never": ["Bundle"]}

    assert len(list(against(word, [entry(msgid, msgstr)]))) == found
