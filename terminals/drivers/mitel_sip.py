"""Mitel SIP phones (67xx, 68xx, 69xx): a NOTIFY makes them read their configuration again; they restart and fetch a trust file.

A phone reads `startup.cfg` (older firmware `aastra.cfg`), `<model>.cfg` and `<MAC>.cfg`, and then, at boot only, the files that
these name (Mitel 6800 administrator guide 4.2 SP2, "Configuration files"). One `name: value` a line; the later line wins, and
`^name` also resets what was set at the phone itself, so that a left-over cannot hide a new certificate. A phone whose registration
was refused asks again after up to 1800 s, so it may be back as late as 45 minutes after the NOTIFY.
"""

import re
from collections.abc import Sequence
from datetime import timedelta

from terminals.drivers.base import Capabilities, Checks, Confirmation, TrustFormat, gettext_noop, mac_of
from terminals.drivers.configuration import (
    BEGIN,
    END,
    ConfigurationFault,
    ConfigurationFile,
    FileOf,
    MarkedBlockError,
    NamedLines,
    PhoneTls,
    UserAgent,
    WayIn,
)

OURS = (
    "sips trusted certificates",
    "https user certificates",
    "https validate certificates",
    "https validate hostname",
    "https validate expires",
)
"""Never an own line. How the phone reaches the server may be one: ours comes later and wins where a proxy is named."""

_USER_AGENT = re.compile(
    r"(?:Aastra|Mitel)\s?(?P<model>\w+) MAC:(?P<mac>[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}) V:(?P<firmware>[\w.\-]+)"
)


def parameters(tls: PhoneTls) -> list[str]:
    """The lines that pbxcerts answers for, in the order in which they are written (rules both-stores, versioned-file)."""
    lines = [
        f"^sips trusted certificates: {tls.trust_url}",
        f"^https user certificates: {tls.trust_url}",
        "^https validate certificates: 1",
        "^https validate hostname: 1",
        "^https validate expires: 1",
    ]
    if tls.proxy_host:
        lines += [
            "^sip transport protocol: 4",
            "^sips persistent tls: 1",
            f"^sip outbound proxy: {tls.proxy_host}",
            f"^sip outbound proxy port: {tls.proxy_port}",
        ]
    return lines


def _name_of(line: str) -> str:
    return line.partition(":")[0].lstrip("!^").strip().lower()


OWN_LINES = NamedLines(
    form="name: value",
    line=re.compile(r"[!^]?[A-Za-z][^:\n]*:.*"),
    name_of=_name_of,
    ours=frozenset(OURS),
    secret=re.compile(r"password|passwd|\bpin\b|private key|\bsecret\b", re.IGNORECASE),
)


class MitelBlock:
    def put(self, content: bytes, tls: PhoneTls) -> bytes:
        """The block is put at the end, where it counts most. Line ends are those of the file. Raises MarkedBlockError where a mark
        stands twice, alone or in the wrong order, or where something else stands between the marks than what pbxcerts writes:
        then a person has edited it.
        """
        newline = b"\r\n" if b"\r\n" in content else b"\n"
        block = newline.join(line.encode() for line in [BEGIN, *parameters(tls), END]) + newline
        begins, ends = _marks(content, BEGIN), _marks(content, END)
        if not begins and not ends:
            gap = b"" if not content or content.endswith(b"\n") else newline
            return content + gap + block
        if len(begins) > 1 or len(ends) > 1:
            raise MarkedBlockError(ConfigurationFault.BLOCK_DOUBLED)
        if not begins or not ends or ends[0][0] < begins[0][0]:
            raise MarkedBlockError(ConfigurationFault.BLOCK_CUT)
        if not _is_ours(content[begins[0][1] : ends[0][0]]):
            raise MarkedBlockError(ConfigurationFault.BLOCK_EDITED)
        return content[: begins[0][0]] + block + content[ends[0][1] :]


class MitelFiles:
    pattern = r"[0-9A-Za-z:._-]{1,64}\.cfg"
    media_type = "text/plain; charset=utf-8"
    names_server = True
    own_lines = OWN_LINES
    block = MitelBlock()

    def requested(self, name: str) -> ConfigurationFile:
        stem = name.removesuffix(".cfg")
        if stem in {"startup", "aastra"}:
            return ConfigurationFile(FileOf.ALL)
        if mac := mac_of(stem):
            return ConfigurationFile(FileOf.TERMINAL, mac=mac)
        return ConfigurationFile(FileOf.MODEL, model=stem)

    def telephone(self, user_agent: str) -> UserAgent | None:
        """`Mitel6930 MAC:14-00-E9-1E-DB-52 V:6.4.0.140-SIP`"""
        match = _USER_AGENT.match(user_agent)
        if match is None:
            return None
        return UserAgent(match["model"], match["mac"].replace("-", "").upper(), match["firmware"])

    def content(self, file: ConfigurationFile, tls: PhoneTls | None, *, own_lines: Sequence[str] = ()) -> bytes:
        """The administrator's own lines first, so that ours count. Each file has them: the phone may ask for any of them alone."""
        ours = [BEGIN, *parameters(tls), END] if tls is not None else []
        return "\n".join([*own_lines, *ours, ""]).encode()

    def ways_in(self, url: str) -> Sequence[WayIn]:
        return ()


def _marks(content: bytes, mark: str) -> list[tuple[int, int]]:
    """Where the mark stands alone in a line: from its first byte to behind its line end."""
    pattern = rb"^[ \t]*" + re.escape(mark.encode()) + rb"[ \t]*(?:\r?\n|\Z)"
    return [match.span() for match in re.finditer(pattern, content, flags=re.MULTILINE)]


def _is_ours(block: bytes) -> bool:
    """Whether these lines, for whatever URL and server they name, are those that pbxcerts writes."""
    lines = [line.strip() for line in block.decode("latin-1").splitlines()]
    values = dict(line.partition(": ")[::2] for line in lines)
    port = values.get("^sip outbound proxy port", "")
    tls = PhoneTls(
        values.get("^sips trusted certificates", ""),
        values.get("^sip outbound proxy", ""),
        int(port) if port.isascii() and port.isdecimal() and len(port) <= 5 else 0,
    )
    return lines == parameters(tls)


class MitelSip:
    name = "mitel_sip"
    label = gettext_noop("Mitel SIP phone")
    summary = gettext_noop("loads by itself and restarts.")
    note = ""
    silence = gettext_noop(
        "It may be switched off or restarting, or take notifications from its communication server only (sip whitelist)."
    )
    sureness = gettext_noop("By the manufacturer's documents; not tried on a device.")
    source = "Mitel 6800 SIP administrator guide 4.2 SP2"
    checks = Checks(
        gettext_noop(
            "Over HTTPS it checks certificate, name and dates in its factory setting, and the configuration of pbxcerts says so once"
            " more (https validate certificates, hostname, expires). For SIP over TLS no such setting is known."
        )
    )
    in_call = gettext_noop(
        "By its documents it waits for the end of a call before it restarts, at a set time or by a reset from its server. That it does"
        " so by this notification too is concluded from it."
    )
    capabilities = Capabilities(
        confirmation=Confirmation.FETCH,
        restarts=True,
        answers_within=timedelta(minutes=45),
        formats=(TrustFormat.PEM,),
        replaces=True,
    )
    files = MitelFiles()
    ouis = frozenset({"00085D", "08000F", "1400E9"})  # Aastra Telecom, Mitel Corporation, Mitel Networks

    def event(self, configured: str) -> str:
        return configured or "check-sync"


driver = MitelSip()
