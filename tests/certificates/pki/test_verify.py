import threading
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates.pki.errors import (
    ChainError,
    HandshakeError,
    IdentityError,
    KeyMismatchError,
    NamesMissingError,
    PairError,
    UnreadableError,
    ValidityError,
)
from certificates.pki.identity import Identity
from certificates.pki.keys import KeyType, SecretPem
from certificates.pki.verify import shake_hands, verify_pair
from tests.support.x509 import IDENTITY, NOW, a_pair, assert_strict_chain, pair_of, remade

PAIR = a_pair()
OTHER = a_pair()


def check(pair, *, identity=IDENTITY, now=NOW, addresses_as_dns=False):
    verify_pair(pair, identity=identity, now=now, addresses_as_dns=addresses_as_dns)


@pytest.mark.parametrize("addresses_as_dns", [False, True], ids=["addresses", "addresses-as-names"])
@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_new_pair_is_accepted(key_type, addresses_as_dns):
    check(pair_of(key_type, addresses_as_dns=addresses_as_dns), addresses_as_dns=addresses_as_dns)


def test_a_pair_remade_by_the_tests_is_accepted_so_that_what_is_taken_from_it_is_what_counts():
    check(remade(PAIR))


@pytest.mark.parametrize(
    "offset",
    [timedelta(hours=-24), timedelta(), timedelta(days=395, microseconds=-1)],
    ids=["first-instant", "when-made", "last-instant"],
)
def test_it_is_valid_from_its_start_until_just_before_its_end(offset):
    check(PAIR, now=NOW + offset)


@pytest.mark.parametrize(
    "offset",
    [timedelta(hours=-24, microseconds=-1), timedelta(days=-3650), timedelta(days=395), timedelta(days=9999)],
    ids=["just-too-early", "years-too-early", "at-its-end", "years-too-late"],
)
def test_it_is_refused_outside_its_window_whatever_the_machines_clock_says(offset):
    with pytest.raises(ValidityError, match="is valid from"):
        check(PAIR, now=NOW + offset)


def test_a_pair_of_another_century_is_accepted_by_the_given_clock_alone():
    then = NOW.replace(year=2126)
    pair = a_pair(made_at=then, not_before=then, end=then + timedelta(days=1))
    check(pair, now=then)
    with pytest.raises(ValidityError):
        check(pair, now=NOW)


def test_the_key_of_another_pair_is_refused():
    with pytest.raises(KeyMismatchError):
        check(replace(PAIR, host_key=OTHER.host_key))


def test_bytes_that_are_no_key_are_refused():
    with pytest.raises(UnreadableError):
        check(replace(PAIR, host_key=SecretPem(b"")))


def test_the_root_of_another_pair_is_refused():
    with pytest.raises(ChainError):
        check(replace(PAIR, root=OTHER.root))


def test_another_root_of_the_same_name_is_refused():
    impostor = remade(PAIR, root_name=PAIR.root.subject).root
    assert impostor.subject == PAIR.root.subject
    with pytest.raises(ChainError):
        check(replace(PAIR, root=impostor))


def test_a_root_that_did_not_sign_itself_is_refused():
    with pytest.raises(ChainError, match="signed by itself"):
        check(replace(PAIR, root=PAIR.host))


@pytest.mark.parametrize(
    ("identity", "missing"),
    [
        (Identity(("other.example",), ()), ("other.example",)),
        (Identity(("pbx.example.com", "x.pbx.example.com"), ()), ("x.pbx.example.com",)),
        (Identity((), (ip_address("192.0.2.11"),)), ("192.0.2.11",)),
    ],
    ids=["other-name", "name-below", "other-address"],
)
def test_a_name_or_address_that_it_does_not_hold_is_refused_by_name(identity, missing):
    with pytest.raises(NamesMissingError) as caught:
        check(PAIR, identity=identity)
    assert caught.value.missing == missing


def test_addresses_as_names_must_be_there_when_they_were_asked_for():
    with pytest.raises(NamesMissingError):
        check(PAIR, addresses_as_dns=True)


def test_an_identity_without_anything_is_refused():
    with pytest.raises(IdentityError):
        check(PAIR, identity=Identity((), ()))


def test_a_host_that_outlives_its_root_is_refused():
    longer = remade(PAIR, not_after=PAIR.root.not_valid_after_utc + timedelta(seconds=1))
    with pytest.raises(ValidityError, match="outlives"):
        check(longer)


def test_a_host_that_begins_before_its_root_is_refused():
    earlier = remade(PAIR, not_before=PAIR.root.not_valid_before_utc - timedelta(seconds=1))
    with pytest.raises(ValidityError, match="before its root"):
        check(earlier)


@pytest.mark.parametrize("kind", [x509.AuthorityKeyIdentifier, x509.SubjectAlternativeName])
def test_a_host_that_lacks_what_strict_clients_ask_for_is_refused(kind):
    with pytest.raises(PairError):
        check(remade(PAIR, without=[kind]))


@pytest.mark.parametrize("kind", [x509.SubjectKeyIdentifier, x509.BasicConstraints, x509.KeyUsage])
def test_a_root_that_lacks_what_strict_clients_ask_for_is_refused(kind):
    with pytest.raises(PairError):
        check(remade(PAIR, root_without=[kind]))


CLIENT_ONLY = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
CRITICAL_NAMES = (x509.SubjectAlternativeName(IDENTITY.general_names(addresses_as_dns=False)), True)


@pytest.mark.parametrize(
    "instead",
    [{x509.ExtendedKeyUsage: CLIENT_ONLY}, {x509.SubjectAlternativeName: CRITICAL_NAMES}],
    ids=["not-for-servers", "critical-names"],
)
def test_a_host_of_another_profile_is_refused(instead):
    with pytest.raises(ChainError):
        check(remade(PAIR, instead=instead))


def test_the_handshake_is_accepted_for_names_and_addresses():
    assert_strict_chain(PAIR)


@pytest.mark.parametrize("server_name", ["other.example", "192.0.2.11", "2001:db8::11", "x.pbx.example.com"])
def test_the_handshake_is_refused_under_another_name(server_name):
    with pytest.raises(HandshakeError, match="mismatch"):
        shake_hands(PAIR, server_name=server_name)


def test_the_handshake_is_refused_with_another_root():
    with pytest.raises(HandshakeError, match="CERTIFICATE_VERIFY_FAILED"):
        shake_hands(replace(PAIR, root=OTHER.root), server_name="pbx.example.com")


def test_the_handshake_is_refused_with_another_key():
    with pytest.raises(HandshakeError, match="KEY_VALUES_MISMATCH"):
        shake_hands(replace(PAIR, host_key=OTHER.host_key), server_name="pbx.example.com")


def test_the_handshake_is_refused_without_authority_key_identifier_because_it_is_strict():
    lax_client_takes_it = remade(PAIR, without=[x509.AuthorityKeyIdentifier])
    with pytest.raises(HandshakeError, match="Authority Key Identifier"):
        shake_hands(lax_client_takes_it, server_name="pbx.example.com")


@pytest.mark.parametrize("year", [2001, 2126])
def test_the_handshake_leaves_the_dates_to_the_given_clock(year):
    then = NOW.replace(year=year)
    shake_hands(a_pair(made_at=then, not_before=then, end=then + timedelta(days=1)), server_name="pbx.example.com")


def test_the_key_leaves_no_descriptor_and_no_thread_behind():
    def open_descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    check(PAIR)
    before, threads = open_descriptors(), threading.active_count()
    for _ in range(5):
        check(PAIR)
        with pytest.raises(HandshakeError):
            shake_hands(replace(PAIR, host_key=OTHER.host_key), server_name="pbx.example.com")
    # What tests before have left may end meanwhile.
    assert open_descriptors() <= before
    assert threading.active_count() <= threads
