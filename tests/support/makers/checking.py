"""How a telephone opens TLS: what it trusts, and what of the server it checks."""

import contextlib
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509

from tests.support.makers.certificates import as_pem, is_address, refusal_in_handshake

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME, which ssl does not name."""


class Refused(Exception):
    """The telephone did not go on with a server, or with what it was given: its text says why."""


@dataclass(frozen=True)
class Checks:
    """`chain`, `name`: what is checked. `ciphers`: those that it offers, over TLS 1.2 at most; "" where it has no limit of its own.

    `no_curves`: an agreement over elliptic curves ends the connection.
    """

    anchors: tuple = ()
    chain: bool = False
    name: bool = False
    takes_hosts: bool = False
    ciphers: str = ""
    no_curves: bool = False

    def connect(self, host, port, *, name, at, address=None):
        """A connection to `name`, opened at `address`; raises Refused and OSError."""
        address = address or host
        own_clock = abs(at - datetime.now(UTC)) > timedelta(minutes=1)
        if own_clock and self.chain:
            # ssl knows the machine's time alone.
            why = refusal_in_handshake(
                address,
                port,
                anchors=self.anchors,
                at=at,
                name=name if self.name else None,
                takes_hosts=self.takes_hosts,
                ciphers=self.ciphers,
            )
            if why:
                raise Refused(why)
        plain = socket.create_connection((address, port), timeout=30)
        try:
            connection = self._context(own_clock=own_clock).wrap_socket(plain, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise Refused(error.verify_message) from None
        except ssl.SSLError as error:
            plain.close()
            raise Refused(f"no handshake: {error.reason}") from None
        except OSError:
            plain.close()
            raise
        with contextlib.ExitStack() as refused:
            refused.enter_context(connection)
            if self.no_curves and connection.cipher()[0].startswith("ECDHE"):
                raise Refused("ASN1: unknown message digest algorithm")
            if self.name and not self.chain and not _is_named(connection.getpeercert(True), name):
                raise Refused(f"it is not {name}")
            refused.pop_all()
        return connection

    def _context(self, *, own_clock):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = self.chain and self.name
        context.verify_mode = ssl.CERT_REQUIRED if self.chain else ssl.CERT_NONE
        # That a server's own certificate is enough is no habit of theirs, but ssl's own setting.
        context.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
        if self.takes_hosts:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if own_clock:
            context.verify_flags |= NO_CHECK_TIME
        if self.anchors:
            context.load_verify_locations(cadata=as_pem(self.anchors))
        if self.ciphers:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(self.ciphers)
        return context


def _is_named(certificate, name):
    try:
        names = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return False
    kind = x509.IPAddress if is_address(name) else x509.DNSName
    return name in map(str, names.value.get_values_for_type(kind))
