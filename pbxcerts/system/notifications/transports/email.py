"""E-mail: Django's backend makes the connection, and each message says by RFC 3834 that nobody wrote it."""

import base64
import hmac
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import format_datetime
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from pbxcerts.system.notifications.faults import Fault, NotificationError, PartlyDelivered, in_one_line, without
from pbxcerts.system.notifications.letters import Letter
from pbxcerts.system.notifications.transports.network import faults_of
from pbxcerts.system.notifications.transports.target import Target
from pbxcerts.system.notifications.transports.user_agent import USER_AGENT

URGENT = {"critical": "urgent"}


class _Utf8(str):
    """What smtplib encodes as ASCII."""

    __slots__ = ()

    def encode(self, _encoding: str = "", _errors: str = "") -> bytes:
        return super().encode("utf-8")


class _Utf8Password:
    """Mixed into smtplib's classes, which fail at any password with an umlaut: SASL has it in UTF-8 (RFC 4616, RFC 4954)."""

    user: str
    password: str

    def auth(self, mechanism: str, authobject: Any, *, initial_response_ok: bool = True) -> tuple[int, bytes]:
        def answer(*challenge: bytes) -> _Utf8 | None:
            said = authobject(*challenge)
            return None if said is None else _Utf8(said)

        answered: tuple[int, bytes] = super().auth(  # type: ignore[misc]
            mechanism, answer, initial_response_ok=initial_response_ok
        )
        return answered

    def auth_cram_md5(self, challenge: bytes | None = None) -> Any:
        if challenge is None:
            return None
        return f"{self.user} {hmac.new(self.password.encode(), challenge, 'md5').hexdigest()}"


class _Smtp(_Utf8Password, smtplib.SMTP):  # type: ignore[misc] # typeshed has overloads
    pass


class _SmtpTls(_Utf8Password, smtplib.SMTP_SSL):  # type: ignore[misc]
    pass


class _Backend(EmailBackend):
    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SmtpTls if self.use_ssl else _Smtp


def send(target: Target, letter: Letter) -> None:
    """Raises NotificationError, and PartlyDelivered where some of the recipients were refused."""
    options = target.options
    backend = _Backend(
        host=options["host"],
        port=options["port"],
        username=options["user"],
        password=target.secret,
        use_tls=options["encryption"] == "starttls",
        use_ssl=options["encryption"] == "tls",
        timeout=target.limit,
    )
    with faults_of(options["host"], options["port"], limit=target.limit), _faults_of_smtp(target):
        try:
            backend.open()
            refused = backend.connection.sendmail(  # type: ignore[union-attr]
                _ascii(options["sender"]),
                [_ascii(recipient) for recipient in options["recipients"]],
                message_of(target, letter).message().as_bytes(),
            )
        finally:
            # It has been taken or not: how the connection ends says nothing of that.
            with suppress(smtplib.SMTPException, OSError):
                backend.close()
    if refused:
        _code, said = next(iter(refused.values()))
        raise PartlyDelivered(
            Fault.RECIPIENTS_REFUSED, address=in_one_line(", ".join(refused)), said=_words(said, target)
        )


def message_of(target: Target, letter: Letter) -> EmailMessage:
    """Plain text in UTF-8, with the same Message-ID at each attempt."""
    domain = _ascii(target.options["sender"]).rpartition("@")[2]
    headers = {
        "Message-ID": f"<{letter.id}.{letter.installation[:8]}@{domain}>",
        "Date": format_datetime(letter.made_at),
        "Auto-Submitted": "auto-generated",
        "User-Agent": USER_AGENT,
        "Content-Language": letter.language,
    }
    if letter.severity in URGENT:
        headers["Priority"] = URGENT[letter.severity]
    return EmailMessage(
        letter.subject, letter.text, target.options["sender"], list(target.options["recipients"]), headers=headers
    )


def _ascii(address: str) -> str:
    """With its domain as mail servers want it (RFC 5891), who need not know another form (RFC 6531)."""
    local, _at, domain = address.rpartition("@")
    return f"{local}@{domain.encode('idna').decode()}"


@contextmanager
def _faults_of_smtp(target: Target) -> Iterator[None]:
    """Name what smtplib raises; its errors are errors of the operating system to Python, so this stands within `faults_of`."""
    options = target.options
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise NotificationError(Fault.LOGIN_REFUSED, said=_words(error.smtp_error, target)) from error
    except smtplib.SMTPNotSupportedError as error:
        offers_no = Fault.NO_STARTTLS if "STARTTLS" in str(error) else Fault.NO_LOGIN
        raise NotificationError(offers_no) from error
    except smtplib.SMTPSenderRefused as error:
        raise NotificationError(
            Fault.SENDER_REFUSED, address=options["sender"], said=_words(error.smtp_error, target)
        ) from error
    except smtplib.SMTPRecipientsRefused as error:
        _code, said = next(iter(error.recipients.values()))
        raise NotificationError(
            Fault.RECIPIENTS_REFUSED, address=in_one_line(", ".join(error.recipients)), said=_words(said, target)
        ) from error
    except smtplib.SMTPResponseException as error:
        raise NotificationError(Fault.MESSAGE_REFUSED, said=_words(error.smtp_error, target)) from error
    except smtplib.SMTPServerDisconnected as error:
        # smtplib says so of a time-out too.
        if isinstance(error.__context__, TimeoutError):
            raise NotificationError(Fault.NO_ANSWER, seconds=round(target.limit)) from error
        raise NotificationError(Fault.DROPPED) from error
    except smtplib.SMTPException as error:
        if "suitable authentication" in str(error):
            raise NotificationError(Fault.NO_LOGIN) from error
        raise NotificationError(Fault.UNEXPECTED, said=in_one_line(str(error))) from error
    except ssl.SSLError:
        raise
    except UnicodeError as error:
        raise NotificationError(Fault.NAME_UNKNOWN, host=options["host"]) from error


def _words(said: bytes | str, target: Target) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    octets = target.secret.encode()
    repeated = [target.secret, base64.b64encode(octets).decode()]
    return in_one_line(without(repeated, text))
