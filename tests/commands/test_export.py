"""`export`: the bytes that are published, never a key."""

import base64
import subprocess
from pathlib import Path

import pytest

from certificates.models import Generation
from certificates.pki import formats

PUBLISHED = {"host": "host.pem", "root": "root.pem", "chain": "fullchain.pem"}


def openssl(*arguments, given=None):
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True, timeout=60)
    return done.stdout.decode()


@pytest.mark.parametrize("kind", PUBLISHED)
def test_the_bytes_are_those_of_the_published_file(active, kind):
    assert active.run("export", kind).exit_code == 0
    assert active.last_bytes == active.served(PUBLISHED[kind])


@pytest.mark.parametrize("kind", ["host", "root"])
def test_der_is_that_of_the_published_file(active, kind):
    active.run("export", kind, "--format", "der")

    assert active.last_bytes == active.served(f"{kind}.der")
    assert openssl("x509", "-inform", "der", "-noout", "-subject", given=active.last_bytes).startswith("subject=")


def test_the_trust_bundle_is_the_one_in_force(prepared):
    prepared.run("export", "trust")

    assert prepared.last_bytes == (prepared.store / "trust.pem").read_bytes()
    assert prepared.last_bytes.count(b"BEGIN CERTIFICATE") == 4


def test_of_the_trust_bundle_every_root_is_named(prepared, tmp_path):
    roots = {pair.number: formats.sha256_fingerprint(pair.root) for pair in Generation.objects.all()}

    ran = prepared.run("export", "trust", "--output", str(tmp_path / "trust.pem"))
    assert f"Generation 2 (prepared)  {roots[2]}\n  Generation 1 (active)    {roots[1]}" in ran.out
    assert prepared.run("export", "trust", "--json").json["roots_sha256"] == [
        roots[number].replace(":", "").lower() for number in (2, 1)
    ]

    of_one = prepared.run("export", "trust", "--generation", "1", "--json").json
    assert of_one["roots_sha256"] == [of_one["root_sha256"]]


@pytest.mark.parametrize(("kind", "count"), [("chain", 2), ("trust", 4)])
def test_pkcs7_holds_the_same_certificates(prepared, kind, count):
    prepared.run("export", kind, "--format", "p7b")
    content = prepared.last_bytes

    assert openssl("pkcs7", "-print_certs", "-noout", given=content).count("subject=") == count


def test_the_exported_root_verifies_the_exported_host(active, tmp_path):
    for kind in ("root", "host"):
        assert active.run("export", kind, "--output", str(tmp_path / kind)).exit_code == 0

    verified = openssl("verify", "-x509_strict", "-CAfile", str(tmp_path / "root"), str(tmp_path / "host"))

    assert verified.endswith(": OK\n")


def test_during_a_handover_it_is_the_prepared_pair_and_says_so(prepared):
    ran = prepared.run("export", "host")

    assert prepared.last_bytes == (prepared.store / "next" / "host.pem").read_bytes()
    assert "generation 2 (prepared)" in ran.err


def test_of_the_active_pair_nothing_is_said(active):
    assert active.run("export", "host").err == ""


def test_any_pair_can_be_exported_by_its_number(prepared):
    prepared.run("export", "host", "--generation", "1")

    assert prepared.last_bytes == prepared.served("host.pem")


@pytest.mark.parametrize(
    "arguments",
    [
        ["chain", "--format", "der"],
        ["trust", "--format", "der"],
        ["host", "--format", "p7b"],
        ["host", "--generation", "2"],
        ["host", "--generation", "0"],
    ],
)
def test_what_does_not_exist_is_wrong_use(active, arguments):
    ran = active.run("export", *arguments)

    assert (ran.exit_code, ran.error.code) == (2, "value")
    assert ran.out == ""


def test_a_failed_attempt_is_no_pair(active, settings, tmp_path):
    right, settings.KEY_FILE = settings.KEY_FILE, tmp_path / "other.key"
    settings.KEY_FILE.write_text("no key\n")
    active.run("regenerate")
    settings.KEY_FILE = right

    assert active.run("export", "host", "--generation", "2").exit_code == 2


@pytest.mark.parametrize("kind", ["host", "root", "chain", "trust"])
def test_before_the_first_pair_it_is_refused(installation, kind):
    ran = installation.run("export", kind)

    assert (ran.exit_code, ran.error.code) == (3, "state")


def test_a_file_is_replaced_whole(active, tmp_path):
    output = tmp_path / "pbx.pem"
    output.write_text("the one before")

    ran = active.run("export", "root", "--output", str(output))

    assert ran.exit_code == 0
    assert output.read_bytes() == active.served("root.pem")
    assert formats.sha256_fingerprint(Generation.objects.get().root) in ran.out
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_link_stays_a_link(active, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")

    active.run("export", "root", "--output", str(tmp_path / "link"))

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == active.served("root.pem")


def test_a_device_is_written_to_and_not_replaced(active):
    assert active.run("export", "root", "--output", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_a_name_that_a_script_left_empty_is_no_file(active):
    assert active.run("export", "root", "--output", "").exit_code == 1


@pytest.mark.parametrize("place", ["", "missing/file"])
def test_what_can_not_be_written_is_told(active, tmp_path, place):
    ran = active.run("export", "root", "--output", str(tmp_path / place))

    assert (ran.exit_code, ran.error.code) == (1, "file")
    assert str(tmp_path) in str(ran.error)


def test_as_json_the_content_is_in_the_object(active):
    value = active.run("export", "host", "--format", "der", "--json").json

    assert base64.b64decode(value["content_base64"]) == active.served("host.der")
    assert value["file_name"] == "pbxcerts-0001-host.der"
    assert value["generation"] == 1


def test_no_key_is_ever_exported(prepared):
    for kind, form in [(kind, form) for kind in ("host", "root", "chain", "trust") for form in ("pem", "p7b")]:
        prepared.run("export", kind, "--format", form)
        assert b"PRIVATE KEY" not in prepared.last_bytes
