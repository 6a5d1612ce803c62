"""What can go wrong on the way to any server, as faults."""

import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from pbxcerts.system.notifications.faults import Fault, NotificationError, in_one_line


@contextmanager
def faults_of(host: str, port: int, *, limit: float) -> Iterator[None]:
    """Name what the operating system or OpenSSL raises. Raises NotificationError."""
    try:
        yield
    except OSError as error:
        raise fault_of(error, host, port, limit=limit) from error


def fault_of(error: OSError, host: str, port: int, *, limit: float) -> NotificationError:
    match error:
        case ssl.SSLCertVerificationError():
            return NotificationError(Fault.CERTIFICATE, said=in_one_line(error.verify_message))
        case ssl.SSLEOFError():
            return NotificationError(Fault.DROPPED)
        case ssl.SSLError():
            return NotificationError(Fault.TLS, said=in_one_line(error.reason or str(error)))
        case socket.gaierror():
            return NotificationError(Fault.NAME_UNKNOWN, host=host)
        case TimeoutError():
            return NotificationError(Fault.NO_ANSWER, seconds=round(limit))
        case ConnectionRefusedError():
            return NotificationError(Fault.REFUSED, host=host, port=port)
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return NotificationError(Fault.DROPPED)
        case _ if error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM}:
            return NotificationError(Fault.UNREACHABLE, host=host, said=in_one_line(error.strerror or str(error)))
        case _:
            return NotificationError(Fault.UNEXPECTED, said=in_one_line(error.strerror or str(error)))
