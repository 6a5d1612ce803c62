"""The telephones of a demonstration are of every delivery method, and each reads what its maker's driver really writes."""

import ssl

import pytest

from certificates.pki.formats import pem
from certificates.pki.keys import KeyType
from pbxcerts.demo.installation import KINDS
from pbxcerts.demo.telephones import DESK_PHONES
from terminals.drivers.configuration import PhoneTls, TrustAnchor
from terminals.drivers.registry import FETCHING_METHODS, drivers
from tests.support.x509 import pair_of

MACS = {kind.method: f"{kind.maker}0000AB" for kind in KINDS if kind.maker}
OWN_METHODS = ["flyingvoice", "grandstream", "snom", "yealink"]
TRUST = "/0015650000AB/1-2.0123abcd.0123456789abcdef0123456789abcdef.pem"


def phone(method, get):
    played = DESK_PHONES[method](
        address="127.0.1.1", model="Mitel6867i", mac=MACS[method], path="/secret", https=("127.0.0.1", 1), trusts=""
    )
    played.get = get
    return played


def test_every_delivery_method_is_played_and_one_kind_is_hand_work():
    assert {kind.method for kind in KINDS} == {*drivers()}
    assert sum(kind.of_ten for kind in KINDS) == 10
    assert {*DESK_PHONES} == {*FETCHING_METHODS}
    assert {kind.method for kind in KINDS if kind.maker} == {*DESK_PHONES}


@pytest.mark.parametrize("method", sorted(DESK_PHONES))
def test_it_names_itself_as_its_maker_does(method):
    named = drivers()[method].files.telephone(phone(method, None).user_agent)

    assert named.mac == MACS[method]


@pytest.mark.parametrize("method", OWN_METHODS)
def test_it_asks_by_its_secret_path_and_holds_what_its_configuration_names(method):
    files, root = drivers()[method].files, pem(pair_of(KeyType.P256).root).decode()
    anchor = TrustAnchor(root, f"https://127.0.0.1:1{TRUST}", 1)
    asked = []

    def get(path):
        asked.append(path)
        if path == TRUST:
            return ssl.PEM_cert_to_DER_cert(root) if method == "snom" else root.encode()
        file = files.requested(path.removeprefix("/secret/"))
        assert file.mac == MACS[method]
        return files.content(file, PhoneTls(anchor.url, anchors=(anchor,)))

    played = phone(method, get)
    played.fetch()

    assert asked[0].startswith("/secret/")
    assert asked[1:] == ([] if method == "grandstream" else [TRUST])
    assert ssl.PEM_cert_to_DER_cert(played._trusts) == ssl.PEM_cert_to_DER_cert(root)


@pytest.mark.parametrize("method", OWN_METHODS)
def test_where_nothing_is_named_it_holds_what_it_had(method):
    files = drivers()[method].files
    played = phone(method, lambda path: files.content(files.requested(path.removeprefix("/secret/")), None))
    played._trusts = "what it had"

    played.fetch()

    assert played._trusts == "what it had"
