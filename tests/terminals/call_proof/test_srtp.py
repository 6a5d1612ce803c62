"""Encrypted speech by the vectors of RFC 3711 (appendix B) and of libsrtp, and what an answer may say of its key (RFC 4568)."""

import pytest

from terminals.call_proof import srtp
from terminals.call_proof.srtp import Authentication, MasterKey, Protection, SessionKeys, key_stream, next_index

MASTER = MasterKey(bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139"), bytes.fromhex("0EC675AD498AFEEBB6960B3AABE6"))
# Of libsrtp's srtp_validate(), with the same master key.
CLEAR = bytes.fromhex("800f1234decafbadcafebabe") + b"\xab" * 16
HIDDEN = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
INLINE = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"


def packet(number, source=7):
    return b"\x80\x00" + number.to_bytes(2) + bytes(4) + source.to_bytes(4) + b"speech" * 20


def test_the_key_stream_is_that_of_the_rfc():
    stream = key_stream(
        bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C"), int("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000", 16), 0xFF02 * 16
    )
    assert stream[:48].hex().upper() == (
        "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0"
    )
    assert stream[0xFEFF * 16 :].hex().upper() == (
        "EC8CDF7398607CB0F2D21675EA9EA1E4362B7C3C6773516318A077D7FC5073AE6A2CC3787889374FBEB4C81B17BA6C44"
    )


def test_the_session_keys_are_those_of_the_rfc():
    keys = SessionKeys.of(MASTER)
    assert keys.key.hex().upper() == "C61E7A93744F39EE10734AFE3FF7A087"
    assert keys.salt.hex().upper() == "30CBBC08863D8C85D49DB34A9AE1"
    assert keys.authentication.hex().upper() == "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"


def test_a_packet_is_that_of_libsrtp():
    assert Protection(MASTER).protect(CLEAR) == HIDDEN
    assert Authentication(MASTER).holds(HIDDEN)


@pytest.mark.parametrize("at", [0, 3, 11, 12, 27, 28, 37])
def test_one_changed_octet_is_no_speech(at):
    changed = bytearray(HIDDEN)
    changed[at] ^= 1
    assert not Authentication(MASTER).holds(bytes(changed))


@pytest.mark.parametrize("octets", [b"", HIDDEN[:21], HIDDEN[:-1], CLEAR, b"\x80\x00" + bytes(20)])
def test_what_is_too_short_or_not_protected_is_no_speech(octets):
    assert not Authentication(MASTER).holds(octets)


def test_a_packet_with_another_key_is_no_speech():
    assert not Authentication(MasterKey.new()).holds(HIDDEN)


def test_numbers_that_begin_anew_go_on_with_the_next_rollover():
    sender, hears = Protection(MASTER), Authentication(MASTER)
    numbers = [0xFFFE, 0xFFFF, 0, 1]
    protected = [sender.protect(packet(number)) for number in numbers]
    assert [hears.holds(one) for one in protected] == [True] * 4
    late = Authentication(MASTER)
    assert [late.holds(protected[at]) for at in (0, 2, 1, 3)] == [True] * 4, "in another order too"
    assert not Authentication(MASTER).holds(protected[3]), "without what was before nobody can tell"


def test_each_source_has_its_own_numbers():
    hears = Authentication(MASTER)
    for source in (7, 8):
        sender = Protection(MASTER)
        assert all(hears.holds(sender.protect(packet(number, source))) for number in (0xFFFF, 0))


@pytest.mark.parametrize(
    ("highest", "number", "index"),
    [
        (-1, 5, 5),
        (5, 6, 6),
        (0xFFFF, 0, 0x10000),
        (0x10000, 0xFFFF, 0xFFFF),
        (3, 0xFFFF, 0xFFFF),
        (0x2FFFF, 9, 0x30009),
    ],
)
def test_the_index_is_the_nearest_one(highest, number, index):
    assert next_index(highest, number) == index


def test_whoever_has_not_the_key_moves_no_rollover():
    sender, hears = Protection(MASTER), Authentication(MASTER)
    assert hears.holds(sender.protect(packet(1)))
    for number in range(0, 0x10000, 0x1000):
        assert not hears.holds(packet(number) + bytes(srtp.TAG))
    assert hears.holds(sender.protect(packet(2)))


def test_what_is_offered_can_be_read_by_the_other_side():
    master = MasterKey.new()
    assert MasterKey.read(master.crypto) == master
    assert master.key.hex() not in repr(master)


@pytest.mark.parametrize(
    "said", [INLINE, f"{INLINE}|2^20", f"{INLINE}|1048576|1:4", f"{INLINE}|1:4", f"{INLINE} WSH=64"]
)
def test_a_key_is_read_as_the_rfc_writes_it(said):
    master = MasterKey.read(f"1 {srtp.SUITE} {said}")
    assert (len(master.key), len(master.salt), master.mki) == (16, 14, 4 if ":4" in said else 0)


@pytest.mark.parametrize(
    "said",
    [
        "",
        f"2 {srtp.SUITE} {INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_32 {INLINE}",
        f"1 {srtp.SUITE} {INLINE[:-1]}",
        f"1 {srtp.SUITE} {INLINE};{INLINE}",
        f"1 {srtp.SUITE} {INLINE}|1:999",
        f"1 {srtp.SUITE} {INLINE} UNENCRYPTED_SRTP",
        f"1 {srtp.SUITE} {INLINE} UNAUTHENTICATED_SRTP",
        f"1 {srtp.SUITE} {INLINE} KDR=1",
    ],
)
def test_what_was_not_offered_is_no_key(said):
    assert MasterKey.read(said) is None


def test_a_packet_may_say_before_its_tag_with_which_key_it_was_made():
    with_mki = MasterKey(MASTER.key, MASTER.salt, 4)
    assert Authentication(with_mki).holds(HIDDEN[:-10] + b"\0\0\0\1" + HIDDEN[-10:])
    assert not Authentication(with_mki).holds(HIDDEN)
