import gc
import sys
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from certificates.pki import authority
from certificates.pki.authority import ORGANISATION_LIMIT
from certificates.pki.errors import IdentityError
from certificates.pki.identity import UNNAMED, Identity
from certificates.pki.keys import KeyType, generate_two, load_host_key
from tests.support.x509 import IDENTITY, NOW, a_pair, assert_is_host, assert_is_root, assert_strict_chain, pair_of


@pytest.mark.parametrize("addresses_as_dns", [False, True], ids=["addresses", "addresses-as-names"])
@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_pair_is_a_root_and_a_host_that_strict_clients_accept(key_type, addresses_as_dns):
    pair = pair_of(key_type, addresses_as_dns=addresses_as_dns)
    assert_is_root(pair.root)
    assert_is_host(pair.host, pair.root, addresses_as_dns=addresses_as_dns)
    assert_strict_chain(pair)


@pytest.mark.parametrize(
    ("key_type", "kind", "bits"),
    [
        (KeyType.RSA2048, rsa.RSAPublicKey, 2048),
        (KeyType.RSA3072, rsa.RSAPublicKey, 3072),
        (KeyType.P256, ec.EllipticCurvePublicKey, 256),
    ],
)
def test_both_keys_are_of_the_chosen_type_and_the_host_key_is_the_one_kept(key_type, kind, bits):
    pair = pair_of(key_type)
    for certificate in (pair.root, pair.host):
        assert isinstance(certificate.public_key(), kind)
        assert certificate.public_key().key_size == bits
    assert load_host_key(pair.host_key).public_key() == pair.host.public_key()
    assert load_host_key(pair.host_key).public_key() != pair.root.public_key()


def test_neither_private_key_stays_behind_as_an_object(monkeypatch):
    made = [object()]

    def remembering(key_type):
        keys = generate_two(key_type)
        made.extend(keys)
        return keys

    def holders():
        return [sys.getrefcount(made[n]) for n in range(len(made))]

    monkeypatch.setattr(authority, "generate_two", remembering)
    pair = a_pair()
    gc.collect()
    alone = holders()[0]
    assert holders() == [alone, alone, alone], "nobody but this list holds them"
    kept = made[2]
    assert holders() == [alone, alone, alone + 1]
    assert load_host_key(pair.host_key).private_numbers() == kept.private_numbers()


def test_the_end_is_exclusive_and_both_certificates_share_the_window():
    pair = a_pair(not_before=NOW - timedelta(hours=24), end=NOW + timedelta(days=30))
    for certificate in (pair.root, pair.host):
        assert certificate.not_valid_before_utc == NOW - timedelta(hours=24)
        assert certificate.not_valid_after_utc == NOW + timedelta(days=30) - timedelta(seconds=1)


def test_instants_of_any_zone_are_written_in_utc():
    berlin = timezone(timedelta(hours=1))
    pair = a_pair(made_at=datetime(2026, 12, 1, 0, 30, tzinfo=berlin), end=datetime(2027, 1, 1, 2, tzinfo=berlin))
    assert pair.host.not_valid_after_utc.isoformat() == "2027-01-01T00:59:59+00:00"
    assert "2026-11-30" in pair.root.subject.rfc4514_string()


def test_fractions_of_a_second_never_make_it_valid_later_or_longer():
    pair = a_pair(not_before=NOW.replace(microsecond=900_000), end=NOW + timedelta(hours=1, microseconds=900_000))
    assert pair.host.not_valid_before_utc == NOW
    assert pair.host.not_valid_after_utc == NOW + timedelta(hours=1, seconds=-1)


@pytest.mark.parametrize("beyond", ["2049-12-31T23:59:59Z", "2050-01-01T00:00:00Z", "2050-01-01T00:00:01Z"])
def test_it_can_end_on_either_side_of_2050_where_the_encoding_changes(beyond):
    end = datetime.fromisoformat(beyond)
    pair = a_pair(end=end)
    assert pair.host.not_valid_after_utc == end - timedelta(seconds=1)
    assert_strict_chain(pair)


@pytest.mark.parametrize(
    "window",
    [
        {"not_before": NOW, "end": NOW},
        {"not_before": NOW, "end": NOW - timedelta(days=1)},
        {"not_before": NOW.replace(tzinfo=None)},
        {"end": (NOW + timedelta(days=1)).replace(tzinfo=None)},
    ],
    ids=["empty", "backwards", "start-without-zone", "end-without-zone"],
)
def test_a_window_that_makes_no_sense_is_refused(window):
    with pytest.raises(ValueError, match=r"time zone|before it begins"):
        a_pair(**window)


def test_an_identity_without_anything_is_refused():
    with pytest.raises(IdentityError, match="identity_empty"):
        a_pair(identity=Identity((), ()))


def common_name(certificate):
    return certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def test_two_roots_of_one_number_and_day_have_different_names_and_serials():
    first, second = a_pair(), a_pair()
    assert first.root.subject != second.root.subject
    assert len({c.serial_number for c in (first.root, first.host, second.root, second.host)}) == 4


def test_the_root_is_named_by_number_date_and_the_start_of_its_serial():
    root = a_pair(number=7).root
    assert common_name(root) == f"pbxcerts Root 0007 2026-11-23 {f'{root.serial_number:040x}'[:8]}"


def test_the_host_is_named_by_its_first_name():
    assert common_name(a_pair().host) == IDENTITY.common_name == "pbx.example.com"


@pytest.mark.parametrize(
    "identity",
    [
        Identity(("pbx",), ()),
        Identity((), (ip_address("192.0.2.1"),)),
        Identity((), (ip_address("2001:db8::1"),)),
        Identity((), (ip_address("127.0.0.1"), ip_address("::1"))),
        Identity((".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61]),), ()),
        Identity(tuple(f"pbx{number}.example" for number in range(100)), ()),
    ],
    ids=["single-label", "ipv4-only", "ipv6-only", "loopback", "name-of-253", "hundred-names"],
)
def test_every_identity_is_accepted_under_all_its_names(identity):
    pair = a_pair(identity=identity)
    assert_is_host(pair.host, pair.root, identity=identity)
    assert_strict_chain(pair, identity=Identity(identity.dns_names[:3], identity.addresses))


def test_a_name_too_long_for_the_subject_leaves_it_filled():
    assert common_name(a_pair(identity=Identity((f"{'a' * 63}.example",), ())).host) == UNNAMED


def organisations(certificate):
    return [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


@pytest.mark.parametrize(
    ("organisation", "written"),
    [
        ("", []),
        ("  ", []),
        (" Müller & Söhne, Köln ", ["Müller & Söhne, Köln"]),
        ("ü" * 100, ["ü" * ORGANISATION_LIMIT]),
    ],
    ids=["none", "blank", "umlauts", "too-long"],
)
def test_the_organisation_stands_in_both_subjects_as_far_as_it_fits(organisation, written):
    pair = a_pair(organisation=organisation)
    assert organisations(pair.root) == organisations(pair.host) == written
    assert_strict_chain(pair)
