"""The configuration file."""

import ipaddress
import re
from pathlib import Path

import pytest

from pbxcerts.system.network.endpoint import Endpoint
from terminals.agent import config
from terminals.agent.config import FirstTrust, HookConfig, ServerUrl, SipConfig
from terminals.agent.errors import AgentConfigError

TOKEN = "A" * 43
TOP = f'server = "https://pbx.example.com:8443"\nproof = "https://[2001:db8::1]:8444/x/"\ntoken = "{TOKEN}"\n'
TRUST = '[trust]\nfile = "trust.pem"\n'
REGISTRATION = TOP + TRUST + '[registration]\nserver = "pbx.test"\naddress = "sip:120@pbx.test"\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent.toml"


def written(path, text, mode=0o600):
    path.write_text(text)
    path.chmod(mode)
    return config.load(path)


def test_the_smallest_one(path):
    read = written(path, TOP + TRUST)
    assert read.server == ServerUrl(True, Endpoint("pbx.example.com", 8443), "")
    assert read.proof == ServerUrl(True, Endpoint("2001:db8::1", 8444), "/x")
    assert read.store == path.parent / "trust.pem"
    assert not read.store_is_directory
    assert (read.first_trust, read.sip, read.hook, read.every) == (FirstTrust(), None, None, 3600)
    assert read.firmware.startswith("pbxcerts-agent ")
    assert TOKEN not in repr(read)


def test_a_whole_one(path):
    read = written(
        path,
        TOP + 'every = 900\nfirmware = "Door 1"\n[trust]\ndirectory = "/var/lib/trust"\ninitial = "first.pem"\n'
        f'bootstrap = "http://192.0.2.1/root"\nfingerprints = ["{":".join(["AB"] * 32)}"]\n'
        '[sip]\nlisten = "[::1]:5070"\nservers = ["192.0.2.1", "2001:db8::/32"]\n[hook]\ncommand = ["true", "x"]\ntimeout = 5',
    )
    assert read.store_is_directory
    assert read.first_trust.file == path.parent / "first.pem"
    assert read.first_trust.source == ServerUrl(False, Endpoint("192.0.2.1", 80), "/root")
    assert read.first_trust.fingerprints == {"ab" * 32}
    assert read.sip == SipConfig(
        Endpoint("::1", 5070), (ipaddress.ip_network("192.0.2.1/32"), ipaddress.ip_network("2001:db8::/32"))
    )
    assert read.hook == HookConfig(("true", "x"), 5.0)
    assert (read.every, read.firmware) == (900.0, "Door 1")


@pytest.mark.parametrize(
    ("server", "host", "port"),
    [("pbx.test", "pbx.test", 5061), ("pbx.test:5070", "pbx.test", 5070), ("[2001:db8::1]:5061", "2001:db8::1", 5061)],
)
def test_where_it_registers(path, server, host, port):
    read = written(path, REGISTRATION.replace('"pbx.test"', f'"{server}"')).registration
    assert read.server == Endpoint(host, port)
    assert (read.address, read.number, read.registrar) == ("sip:120@pbx.test", "120", "sip:pbx.test")
    assert (read.user, read.password, read.expires) == ("120", None, 3600)


def test_how_it_registers(path):
    (path.parent / "password").write_text("seven kettles\n")
    (path.parent / "password").chmod(0o600)
    text = REGISTRATION.replace("sip:120@pbx.test", "sips:a%20b@[2001:db8::1]:5071")
    read = written(path, text + 'user = "anna"\npassword_file = "password"\nexpires = 600').registration
    assert (read.number, read.registrar) == ("a%20b", "sips:[2001:db8::1]:5071")
    assert (read.user, read.password, read.expires) == ("anna", "seven kettles", 600)
    assert "kettles" not in repr(read)


def test_the_token_may_stand_in_a_file_that_nobody_else_may_read(path):
    token = path.parent / "token"
    token.write_text(f"{TOKEN}\n")
    text = TOP.replace(f'token = "{TOKEN}"', 'token_file = "token"') + TRUST
    token.chmod(0o640)
    with pytest.raises(AgentConfigError, match="mode 0600"):
        written(path, text, 0o644)
    token.chmod(0o600)
    assert written(path, text, 0o644).token == TOKEN


def with_a_token_file(path, octets):
    token = path.parent / "token"
    token.write_bytes(octets)
    token.chmod(0o600)
    return written(path, TOP.replace(f'token = "{TOKEN}"', 'token_file = "token"') + TRUST)


@pytest.mark.parametrize("form", ["{}", "{}\r\n", "\n{}\n\n", "\ufeff{}\r\n", "\ufeff\r\n{}"])
def test_the_token_is_read_as_editors_leave_it(path, form):
    assert with_a_token_file(path, form.format(TOKEN).encode()).token == TOKEN


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_told_as_such(path, encoding):
    with pytest.raises(AgentConfigError, match=r"token is in UTF-16: save it as UTF-8"):
        with_a_token_file(path, TOKEN.encode(encoding))
    path.write_bytes((TOP + TRUST).encode(encoding))
    with pytest.raises(AgentConfigError, match=r"agent\.toml is in UTF-16: save it as UTF-8"):
        config.load(path)


def test_a_file_that_is_no_text_is_told(path):
    with pytest.raises(AgentConfigError, match="token cannot be read"):
        with_a_token_file(path, b"\xff" * 40)


def test_the_configuration_is_read_as_editors_leave_it(path):
    path.write_bytes(b"\xef\xbb\xbf" + (TOP + TRUST).replace("\n", "\r\n").encode())
    path.chmod(0o600)
    assert config.load(path).token == TOKEN


def test_a_configuration_with_the_token_in_it_is_nobody_elses_to_read(path):
    with pytest.raises(AgentConfigError, match="mode 0600"):
        written(path, TOP + TRUST, 0o644)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server = ", "Invalid value"),
        (TRUST, "server is missing"),
        (TOP, r"the table \[trust\] is missing"),
        (TOP.replace("https://pbx", "http://pbx") + TRUST, "server is not https"),
        (TOP.replace("https://pbx", "https://me@pbx") + TRUST, "server is not https"),
        (TOP.replace(":8443", ":84443") + TRUST, "server: Port out of range"),
        (TOP.replace("pbx.example.com", "pbx.example.com/ä") + TRUST, "characters"),
        (TOP.replace(TOKEN, "short") + TRUST, "not one that the server has issued"),
        (TOP.replace(TOKEN, "A" * 40 + "\\r\\nX: y") + TRUST, "not one that the server has issued"),
        (TOP + 'token_file = "x"\n' + TRUST, "either token or token_file"),
        (TOP.replace("token", "tocken") + TRUST, "either token or token_file"),
        (TOP + "every = 5\n" + TRUST, "every is not between"),
        (TOP + "every = true\n" + TRUST, "every has the wrong type"),
        (TOP + "sever = 1\n" + TRUST, "unknown: sever"),
        (TOP + "[trust]\n", "either trust.file or trust.directory"),
        (TOP + TRUST + 'directory = "x"', "either trust.file or trust.directory"),
        (TOP + TRUST + "colour = 1", "unknown: trust.colour"),
        (TOP + TRUST + 'bootstrap = "http://x/"', "belong together"),
        (TOP + TRUST + f'fingerprints = ["{"a" * 64}"]', "belong together"),
        (TOP + TRUST + 'bootstrap = "http://x/"\nfingerprints = ["12"]', "SHA-256"),
        (TOP + TRUST + f'bootstrap = "https://x/"\nfingerprints = ["{"a" * 64}"]', "bootstrap is not http"),
        (TOP + '[trust]\nfile = "."', "is a directory"),
        (TOP + '[trust]\ndirectory = "agent.toml"', "is no directory"),
        (TOP + TRUST + '[sip]\nlisten = "0.0.0.0:5060"', "sip.servers is missing"),
        (TOP + TRUST + '[sip]\nlisten = "0.0.0.0:5060"\nservers = []', "sip.servers is not a list"),
        (TOP + TRUST + '[sip]\nlisten = "0.0.0.0:5060"\nservers = ["pbx"]', "sip: 'pbx'"),
        (TOP + TRUST + '[sip]\nlisten = "pbx:5060"\nservers = ["192.0.2.1"]', "sip: 'pbx'"),
        (TOP + TRUST + '[sip]\nlisten = "0.0.0.0"\nservers = ["192.0.2.1"]', "no port"),
        (TOP + TRUST + "[registration]", "registration.address is missing"),
        (REGISTRATION.replace('server = "pbx.test"', ""), "registration.server is missing"),
        (REGISTRATION.replace('"pbx.test"', '"sips:pbx.test"'), r"registration.server is not HOST\[:PORT\]"),
        (REGISTRATION.replace('"pbx.test"', '"me@pbx.test"'), "registration.server is not HOST"),
        (REGISTRATION.replace('"pbx.test"', '"pbx.test:0"'), "registration.server is not HOST"),
        (REGISTRATION.replace('"pbx.test"', '"pbx.test:65536"'), "registration.server is not HOST"),
        (REGISTRATION.replace("sip:120@pbx.test", "120"), "registration.address is not sip:NUMBER@DOMAIN"),
        (REGISTRATION.replace("sip:120@", "tel:120@"), "registration.address is not sip:NUMBER@DOMAIN"),
        (REGISTRATION.replace("sip:120@", "sip:12>0@"), "registration.address is not sip:NUMBER@DOMAIN"),
        (REGISTRATION.replace("sip:120@pbx.test", "sip:120@pbx.test\\r\\nX: y"), "registration.address is not sip"),
        (REGISTRATION + 'user = "a\\nb"', "registration.user is empty or has characters that no name has"),
        (REGISTRATION + 'password = "x"\npassword_file = "x"', "either password or password_file"),
        (REGISTRATION + 'password_file = "nowhere"', "the password cannot be read"),
        (REGISTRATION + "expires = 5", "registration.expires is not between"),
        (REGISTRATION + "transport = 1", "unknown: registration.transport"),
        (TOP + TRUST + "[hook]\ncommand = []", "hook.command"),
        (TOP + TRUST + '[hook]\ncommand = "true"', "hook.command has the wrong type"),
        (TOP + TRUST + '[hook]\ncommand = ["true"]\ntimeout = 0', "hook.timeout"),
    ],
)
def test_what_cannot_be_used_is_said(path, text, says):
    with pytest.raises(AgentConfigError, match=says):
        written(path, text)


def test_one_that_is_not_there_is_said(path):
    with pytest.raises(AgentConfigError, match="No such file"):
        config.load(path)


def test_the_one_in_the_readme_can_be_used(path):
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    example = re.search(r"^## Agent$.*?^```toml\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)[1]
    for name in ("token", "password"):
        (path.parent / name).write_text(TOKEN)
        (path.parent / name).chmod(0o600)
    read = written(path, example.replace("AB:CD:...", ":".join(["AB"] * 32)))
    assert read.token == TOKEN
    assert read.first_trust.source == ServerUrl(False, Endpoint("pbx.example.org", 8080), "/root.pem")
    assert None not in (read.sip, read.registration, read.hook)
