"""What the listeners answer from."""

import pytest
from cryptography.fernet import Fernet

from pbxcerts.system.time import timekeeping
from terminals.models import Terminal, TerminalType
from terminals.web import snapshot


@pytest.mark.parametrize(
    ("host", "transport", "told"),
    [
        ("pbx.example.com", "tls", ("pbx.example.com", 5061)),
        ("192.0.2.10", "tls", ("192.0.2.10", 5061)),
        ("127.0.0.1", "tls", ("", 0)),
        ("pbx.example.com", "tcp", ("", 0)),
        ("", "tls", ("", 0)),
    ],
)
def test_phones_are_told_of_a_server_over_tls_that_its_certificate_names(world, delivery, host, transport, told):
    world.set(ip_addresses=["192.0.2.10"])
    delivery(proxy_host=host, proxy_port=5061, proxy_transport=transport)

    assert snapshot.read_snapshot().proxy == told


@pytest.fixture
def known(db):
    type_ = TerminalType.objects.filter(method="mitel_sip").first()
    one = Terminal.objects.create(number="100", type=type_, mac="000000000001")
    Terminal.objects.create(number="101", type=type_, mac="000000000002")
    return one


def again(before):
    return snapshot.read_snapshot(before)


def test_a_list_that_has_not_changed_is_not_read_anew(known):
    before = snapshot.read_snapshot()
    assert before.by_mac
    Terminal.objects.update(last_contact=timekeeping.machine_time(), firmware="6.4", last_address="10.0.0.1")

    after = again(before)

    assert after.terminals is before.terminals
    assert after.by_mac is before.by_mac


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "200"),
        ("mac", None),
        ("path_secret", "another"),
        ("token_sha256", "1" * 64),
        ("address", "10.0.0.9"),
        ("own_lines", "sip line1 user name: 100"),
    ],
)
def test_whatever_the_listeners_answer_by_is_read_anew_when_it_has_changed(known, key_file, name, value):
    key_file.write_text(Fernet.generate_key().decode())
    before = snapshot.read_snapshot()

    Terminal.objects.filter(pk=known.pk).update(**{name: value})

    (one,) = [one for one in again(before).terminals if one.key == known.pk]
    assert getattr(one, name) == value


def test_so_is_a_list_that_has_gained_or_lost_somebody_or_where_one_has_another_type(known):
    before = snapshot.read_snapshot()
    other = TerminalType.objects.filter(method="mitel_sip").last()
    Terminal.objects.filter(pk=known.pk).update(type=other)
    moved = again(before)
    assert {one.type for one in moved.terminals} == {known.type_id, other.pk}
    known.delete()
    assert len(again(moved).terminals) == 1


def test_lines_that_no_key_decrypts_are_tried_again(known, key_file):
    key_file.write_text(Fernet.generate_key().decode())
    Terminal.objects.filter(pk=known.pk).update(own_lines="sip line1 user name: 100")
    kept = key_file.read_text()
    key_file.write_text(Fernet.generate_key().decode())
    lost = snapshot.read_snapshot()
    key_file.write_text(kept)

    (one,) = [one for one in again(lost).terminals if one.key == known.pk]

    assert one.own_lines == "sip line1 user name: 100"
