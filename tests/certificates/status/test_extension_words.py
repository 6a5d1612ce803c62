import re
from pathlib import Path

import pytest
from cryptography import x509
from django.utils import translation

from certificates.pki import describe as describing
from certificates.pki.describe import ExtensionDescription, ExtensionItem, describe_extensions
from certificates.status import extension_words
from tests.support.x509 import a_pair, remade

PAIR = a_pair()


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def words(certificate):
    return {
        extension_words.extension_title(e): extension_words.extension_sentences(e)
        for e in describe_extensions(certificate)
    }


def test_the_root_is_told_in_sentences():
    told = words(PAIR.root)
    assert told["Authority to sign"] == (
        "This certificate may sign others, but those may not sign any further.",
        "Critical: a telephone that does not understand this must refuse the certificate.",
    )


def test_the_host_is_told_in_sentences():
    told = words(PAIR.host)
    assert told["Names and addresses"] == (
        "Name pbx.example.com",
        "Name sip.xn--mller-kva.example",
        "IP address 192.0.2.10",
        "IP address 2001:db8::10",
        "Not critical: a telephone may ignore this.",
    )
    assert len(told["Purposes"]) == 4


def test_an_unknown_extension_is_told_by_its_number():
    foreign = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    told = words(remade(PAIR, instead={type(foreign): (foreign, True)}).host)
    assert told["Extension 1.2.3.4"][0] == "Its content in DER: 05:00"


def test_every_code_of_the_description_has_words():
    codes = set(re.findall(r'ExtensionItem\("(\w+)"', Path(describing.__file__).read_text()))
    codes |= {*describing._KEY_USAGES, *describing._KEY_AGREEMENT_LIMITS, *describing._PURPOSES.values()}
    assert codes == set(extension_words._SENTENCES)


def test_a_percent_sign_in_a_value_is_harmless():
    item = ExtensionItem("uri", "sip:%20(value)s")
    told = extension_words.extension_sentences(
        ExtensionDescription("subject_alternative_name", "2.5.29.17", False, (item,))
    )
    assert told[0] == "URI sip:%20(value)s"


def test_a_code_without_words_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        extension_words.extension_sentences(
            ExtensionDescription("unknown", "1.2.3", False, (ExtensionItem("nonsense"),))
        )
