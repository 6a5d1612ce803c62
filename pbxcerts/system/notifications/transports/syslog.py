"""Syslog by RFC 5424, over UDP (RFC 5426) or a socket of this machine. What an event message is stands in structured data."""

import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC

from pbxcerts import __version__
from pbxcerts.system.network.endpoint import Endpoint
from pbxcerts.system.notifications.faults import Fault, NotificationError, in_one_line
from pbxcerts.system.notifications.letters import RAISED, Letter
from pbxcerts.system.notifications.transports.network import faults_of
from pbxcerts.system.notifications.transports.target import Target

FACILITIES = {"user": 1, "daemon": 3, "auth": 4, **{f"local{number}": 16 + number for number in range(8)}}
ERROR, NOTICE = 3, 5
SEVERITIES = {"critical": 2, "serious": ERROR, "normal": NOTICE}
MOST_OCTETS = 2_000
"""Every receiver must take 480 octets and should take 2,048 (RFC 5424 section 6.1)."""
REFUSED_WITHIN = 0.3
"""Seconds in which the kernel of a server says that nobody listens there."""


def send(target: Target, letter: Letter) -> None:
    """A line for each event message, or one for a storm, a test and what comes. Raises NotificationError."""
    lines = list(lines_of(target.options, letter))
    if path := target.options["socket"]:
        _to_socket(path, lines, target.limit)
    else:
        endpoint = Endpoint.parse(target.options["server"])
        with faults_of(endpoint.host, endpoint.port, limit=target.limit):
            _to_server(endpoint, lines)


def lines_of(options: Mapping[str, object], letter: Letter) -> Iterator[bytes]:
    """`options`: facility and private enterprise number of the destination."""
    facility, name = FACILITIES[str(options["facility"])], f"pbxcerts@{options['enterprise']}"

    def line(severity: int, kind: str, text: str, at: str, values: Mapping[str, object]) -> bytes:
        data = " ".join(f'{key}="{_escaped(str(value))}"' for key, value in values.items() if value != "")
        head = f"<{8 * facility + severity}>1 {at} {_word(socket.gethostname(), 255)} pbxcerts - {_word(kind, 32)}"
        origin = f'[origin software="pbxcerts" swVersion="{_escaped(__version__)}"]'
        octets = (
            f"{head} {origin}[{name} {data}] ".encode() + b"\xef\xbb\xbf" + in_one_line(text, at_most=1500).encode()
        )
        # Not within a character.
        return octets[:MOST_OCTETS].decode(errors="ignore").encode()

    common = {"delivery": letter.id, "installation": letter.installation, "language": letter.language}
    made = _stamp(letter.made_at)
    if letter.events and not letter.is_storm:
        for event in letter.events:
            severity = SEVERITIES[event.severity] if event.phase == RAISED else NOTICE
            values = {
                "id": event.id,
                "kind": event.kind,
                "subject": event.subject,
                "severity": event.severity,
                "phase": event.phase,
            }
            yield line(severity, event.kind, f"{event.text} {event.hint}", _stamp(event.at), values | common)
        return
    told = {"kind": letter.kind, "severity": letter.severity, "count": letter.total or ""} | common
    yield line(SEVERITIES.get(letter.severity, NOTICE), letter.kind, f"{letter.subject} {letter.text}", made, told)


def _stamp(at: object) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"  # type: ignore[attr-defined]


def _word(text: str, at_most: int) -> str:
    """Visible ASCII without spaces; "-" for nothing (NILVALUE)."""
    return "".join(one for one in text if "!" <= one <= "~")[:at_most] or "-"


def _escaped(text: str) -> str:
    """A PARAM-VALUE (RFC 5424 section 6.3.3)."""
    said = in_one_line(text, at_most=200)
    for sign in ("\\", '"', "]"):
        said = said.replace(sign, f"\\{sign}")
    return said


def _to_server(endpoint: Endpoint, lines: list[bytes]) -> None:
    """Whether it arrives nobody says; where nothing listens, the kernel of that machine may (ICMP)."""
    found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_DGRAM)
    failure: OSError | None = None
    for family, kind, protocol, _name, address in found:
        try:
            with socket.socket(family, kind, protocol) as sending:
                sending.connect(address)
                for line in lines:
                    sending.send(line)
                    _raise_refusal(sending, 0)
                _raise_refusal(sending, REFUSED_WITHIN)
        except OSError as error:
            failure = error
        else:
            return
    if failure is not None:
        raise failure


def _raise_refusal(sending: socket.socket, seconds: float) -> None:
    poll = select.poll()
    poll.register(sending, select.POLLERR)
    if poll.poll(1000 * seconds) and (number := sending.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
        raise OSError(number, "syslog")


def _to_socket(path: str, lines: list[bytes], limit: float) -> None:
    """To a socket of datagrams, as syslog services have it, or of a stream, on which each line ends with a line feed."""
    try:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.settimeout(limit)
                sending.connect(path)
                for line in lines:
                    sending.send(line)
        except OSError as error:
            if error.errno != 91:  # EPROTOTYPE
                raise
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sending, suppress(BrokenPipeError):
                sending.settimeout(limit)
                sending.connect(path)
                sending.sendall(b"".join(line + b"\n" for line in lines))
    except TimeoutError as error:
        raise NotificationError(Fault.NO_ANSWER, seconds=round(limit)) from error
    except OSError as error:
        said = in_one_line(error.strerror or str(error))
        raise NotificationError(Fault.NO_SOCKET, path=in_one_line(path), said=said) from error
