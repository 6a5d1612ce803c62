"""Which certificates a terminal of a type is to get (rules trust-file, holds-only-one)."""

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization.pkcs7 import load_pem_pkcs7_certificates

from certificates.pki.expected import octets_of_pair
from certificates.pki.keys import KeyType
from terminals.models import TerminalType
from terminals.trust_file import NothingToTrust, TrustFileTooLarge, generations_of, next_size, trust_file
from tests.support.generations import DAY, a_world


def of_type(**values):
    return TerminalType(name="a type", method="mitel_sip", **values)


@pytest.fixture
def handing_over(world):
    """Generation 1 is active, 2 prepared."""
    world.once("a day later", world.after(DAY).generate)
    return world


def certificates(world, *parts):
    return {getattr(world.generation(int(part[1:])), {"r": "root", "h": "host"}[part[0]]) for part in parts}


@pytest.mark.parametrize(
    ("values", "parts", "numbers"),
    [
        ({}, ["r1", "h1", "r2", "h2"], (2, 1)),
        ({"wants": "root"}, ["r1", "r2"], (2, 1)),
        ({"wants": "host"}, ["h1", "h2"], (2, 1)),
        ({"holds_only_one": True}, ["r1", "h1"], (1,)),
        ({"holds_only_one": True, "wants": "root"}, ["r1"], (1,)),
    ],
)
def test_a_terminal_gets_what_its_type_wants(handing_over, values, parts, numbers):
    file = trust_file(handing_over.situation, of_type(**values))
    assert set(x509.load_pem_x509_certificates(file.content)) == certificates(handing_over, *parts)
    assert file.generations == numbers


def test_pkcs7_holds_the_same(handing_over):
    file = trust_file(handing_over.situation, of_type(trust_format="p7b"))
    assert set(load_pem_pkcs7_certificates(file.content)) == certificates(handing_over, "r1", "h1", "r2", "h2")


def following(world, key_type=None):
    """What a pair by the settings would have."""
    settings = world.situation.settings
    general = settings.general
    return octets_of_pair(
        general.identity,
        key_type or KeyType(settings.key_type),
        addresses_as_dns=settings.addresses_as_dns,
        organisation=general.site_name,
    )


@pytest.mark.parametrize("wants", ["root", "host"])
@pytest.mark.parametrize("form", ["pem", "der", "p7b"])
def test_how_large_the_next_file_will_be_is_known_before_its_pair_is_made(handing_over, form, wants):
    kind = of_type(trust_format=form, wants=wants)
    active = handing_over.generation(1)

    expected = next_size(kind, active, following(handing_over), hands_over=True)

    assert expected == pytest.approx(len(trust_file(handing_over.situation, kind).content), abs=24)
    without = next_size(kind, active, following(handing_over, KeyType.RSA2048), hands_over=False)
    both = next_size(kind, active, following(handing_over, KeyType.RSA2048), hands_over=True)
    assert (without < both) == (form != "der")


def test_a_renewal_later_both_have_such_keys(handing_over):
    kind, active = of_type(wants="root"), handing_over.generation(1)
    assert active.root.public_key().key_size < 3072

    larger = following(handing_over, KeyType.RSA3072)

    with_the_next = next_size(kind, active, larger, hands_over=True)

    assert with_the_next == 2 * next_size(kind, active, larger, hands_over=False)


def test_der_is_one_certificate_and_that_of_the_pair_that_is_handed_out(handing_over):
    file = trust_file(handing_over.situation, of_type(trust_format="der"))
    assert x509.load_der_x509_certificate(file.content) == handing_over.generation(2).root
    assert file.generations == (2,)


def test_der_is_the_held_pair_too_because_that_is_what_the_terminal_lacks(handing_over):
    handing_over.activate()
    handing_over.roll_back()
    assert handing_over.generation(2).state == "held"

    file = trust_file(handing_over.situation, of_type(trust_format="der"))

    assert x509.load_der_x509_certificate(file.content) == handing_over.generation(2).root


def test_a_bundle_that_is_too_large_goes_without_its_host_certificates(handing_over):
    whole = len(trust_file(handing_over.situation, of_type()).content)
    file = trust_file(handing_over.situation, of_type(size_limit=whole - 1))
    assert set(x509.load_pem_x509_certificates(file.content)) == certificates(handing_over, "r1", "r2")
    with pytest.raises(TrustFileTooLarge):
        trust_file(handing_over.situation, of_type(size_limit=1000))


def test_one_that_is_still_too_large_goes_without_the_pair_served_before(handing_over):
    handing_over.activate()
    handing_over.after(DAY).generate()
    everything = trust_file(handing_over.situation, of_type(wants="root"))
    assert everything.generations == (3, 2, 1)

    file = trust_file(handing_over.situation, of_type(wants="root", size_limit=len(everything.content) - 1))

    assert set(x509.load_pem_x509_certificates(file.content)) == certificates(handing_over, "r3", "r2")
    assert file.generations == (3, 2)


def test_before_the_first_generation_there_is_nothing(db, tmp_path, key_file):
    with pytest.raises(NothingToTrust):
        trust_file(a_world(tmp_path / "other").situation, of_type())


def test_the_version_names_the_generations_and_changes_with_the_content(handing_over):
    whole = trust_file(handing_over.situation, of_type())
    roots = trust_file(handing_over.situation, of_type(wants="root"))
    assert whole.version != roots.version
    assert generations_of(whole.version) == generations_of(roots.version) == {1, 2}


@pytest.mark.parametrize(
    "version", ["", "2-1", "2-1.xyz", "2--1.00000000", "0.00000000", "2-1.00000000/..", "٢.00000000"]
)
def test_what_is_no_version_of_ours_names_nothing(version):
    assert generations_of(version) == frozenset()


@pytest.mark.parametrize(
    ("limits", "parts"),
    [({"anchors": 3}, ["r1", "r2"]), ({"largest_file": 2600}, ["r1", "r2"]), ({}, ["r1", "h1", "r2", "h2"])],
)
def test_no_file_is_more_than_its_delivery_method_takes(handing_over, monkeypatch, limits, parts):
    driver = of_type().driver
    monkeypatch.setattr(driver, "capabilities", replace(driver.capabilities, **limits), raising=False)

    file = trust_file(handing_over.situation, of_type())

    assert set(x509.load_pem_x509_certificates(file.content)) == certificates(handing_over, *parts)
