"""A proof by call as sentences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.call_proof.models import CallProof
from certificates.call_proof.steps import Finding, ProofStep, Result, StepRecord

TITLES: dict[ProofStep, Promise] = {
    ProofStep.TLS: gettext_lazy("Certificate"),
    ProofStep.OPTIONS: gettext_lazy("SIP"),
    ProofStep.REGISTER: gettext_lazy("Registration"),
    ProofStep.CALL: gettext_lazy("Call"),
    ProofStep.MEDIA: gettext_lazy("Speech"),
    ProofStep.HANG_UP: gettext_lazy("End of the call"),
    ProofStep.REGISTERED: gettext_lazy("Registered telephones"),
}
DONE: dict[ProofStep, Promise] = {
    ProofStep.TLS: gettext_lazy("presented; chain, name and dates are as telephones want them"),
    ProofStep.OPTIONS: gettext_lazy("it answers (OPTIONS): %(said)s"),
    ProofStep.REGISTER: gettext_lazy("the test account is registered"),
    ProofStep.CALL: gettext_lazy("the test number has answered"),
    ProofStep.MEDIA: gettext_lazy("%(received)s of %(sent)s packets of speech (%(kind)s) came back from %(said)s"),
    ProofStep.HANG_UP: gettext_lazy("hung up"),
    ProofStep.REGISTERED: gettext_lazy("all %(sent)s have connected since the switch"),
}
FINDINGS: dict[Finding, Promise] = {
    Finding.UNREACHED: gettext_lazy("not reached; the system's words: “%(said)s”"),
    Finding.NO_CERTIFICATE: gettext_lazy("a connection, but no certificate; the system's words: “%(said)s”"),
    Finding.OTHER_CERTIFICATE: gettext_lazy(
        "a certificate that telephones trust, but not that of the active pair (%(said)s)"
    ),
    Finding.OTHER_PAIR: gettext_lazy(
        "the certificate of generation %(said)s: the server has not read the files of the active one"
    ),
    Finding.UNTRUSTED: gettext_lazy(
        "telephones refuse this certificate: no root that they hold has signed it (%(said)s)"
    ),
    Finding.WRONG_NAME: gettext_lazy(
        "telephones refuse this certificate: it does not hold the name or address under which they come (%(said)s)"
    ),
    Finding.NOT_VALID: gettext_lazy("the certificate has ended or is not valid yet, by both clocks"),
    Finding.ENDS_HANDSHAKE: gettext_lazy(
        "the active pair is presented, but the server ends the handshake: it may want a certificate of the telephone. SIP was not"
        " tried; the system's words: “%(said)s”"
    ),
    Finding.CLOSED: gettext_lazy("the server has ended the connection %(said)s"),
    Finding.SILENT: gettext_lazy("no answer in time"),
    Finding.GARBLED: gettext_lazy("what came is no SIP (%(said)s)"),
    Finding.NO_SIP: gettext_lazy("not tried: another service answers there (%(said)s)"),
    Finding.REFUSED: gettext_lazy("refused: %(said)s"),
    Finding.REDIRECTED: gettext_lazy("the server sends elsewhere (%(said)s), where no telephone of ours follows"),
    Finding.CREDENTIALS: gettext_lazy(
        "the password or the user of the test account is not taken (%(said)s). It was tried once, and is not tried again by itself"
    ),
    Finding.REFUSED_BEFORE: gettext_lazy(
        "not tried: the server has refused this user and password before. Enter them anew, or prove by hand"
    ),
    Finding.NO_PASSWORD: gettext_lazy("the password of the test account can't be read: %(said)s"),
    Finding.RINGS: gettext_lazy("nobody has answered (%(said)s)"),
    Finding.NO_MEDIA: gettext_lazy(
        "the answer names no place for speech that could be used (%(kind)s, PCMU or PCMA) %(said)s"
    ),
    Finding.NO_KEY: gettext_lazy(
        "the answer names no key for encrypted speech that could be used (SRTP with SDES, AES_CM_128_HMAC_SHA1_80)"
    ),
    Finding.STRANGE_CAME: gettext_lazy(
        "%(sent)s packets of speech (SRTP) went to %(said)s; %(received)s came back that were made with the key of the other side, and"
        " others that were not"
    ),
    Finding.NOTHING_CAME: gettext_lazy("%(sent)s packets of speech (%(kind)s) went to %(said)s, none came back"),
    Finding.LITTLE_CAME: gettext_lazy(
        "only %(received)s of %(sent)s packets of speech (%(kind)s) came back from %(said)s"
    ),
    Finding.HUNG_UP: gettext_lazy("the other side hung up after %(received)s packets of speech"),
    Finding.OLD_CONNECTIONS: gettext_lazy(
        "%(received)s of %(sent)s have connected since the switch; not proved yet: %(said)s"
    ),
    Finding.NOT_ASKED: gettext_lazy("Kamailio could not be asked: %(said)s"),
    Finding.NO_ACCOUNT: gettext_lazy("not tried: no test account is set"),
    Finding.NO_NUMBER: gettext_lazy("not tried: no test number is set"),
    Finding.AFTER_FAILURE: gettext_lazy("not tried after the failure before it"),
    Finding.TIME_IS_UP: gettext_lazy("the time of the proof was up"),
}


@dataclass(frozen=True)
class ProofLine:
    """One step for a page. `symbol` is one of the panel's."""

    record: StepRecord

    @property
    def title(self) -> str:
        return str(TITLES[self.record.step])

    @property
    def symbol(self) -> str:
        return {Result.OK: "ok", Result.FAILED: "critical"}.get(self.record.result, "normal")

    @property
    def result(self) -> str:
        """For eyes that see no symbol."""
        match self.record.result:
            case Result.OK:
                return _("proved")
            case Result.FAILED:
                return _("failed")
            case Result.SKIPPED:
                return _("not tried")

    @property
    def sentence(self) -> str:
        record = self.record
        text = DONE[record.step] if record.finding is Finding.OK else FINDINGS[record.finding]
        kind = "SRTP" if record.encrypted else "RTP"
        values = {"said": record.said, "sent": record.sent, "received": record.received, "kind": kind}
        sentence = (str(text) % values).strip()
        return f"{record.where}: {sentence}" if record.where else sentence

    @property
    def tells_of_telephones(self) -> bool:
        """Whether there is more to be told of each."""
        return self.record.step is ProofStep.REGISTERED and self.record.finding is not Finding.NOT_ASKED

    @property
    def seconds(self) -> str:
        if not self.record.seconds:
            return ""
        return _("%(seconds)s s") % {"seconds": number_format(self.record.seconds, 2)}


@dataclass(frozen=True)
class ProofReport:
    """A proof for a page."""

    proof: CallProof

    @property
    def lines(self) -> list[ProofLine]:
        return lines(self.proof)

    @property
    def outcome(self) -> str:
        return outcome(self.proof)

    @property
    def symbol(self) -> str:
        if self.proof.running:
            return "normal"
        return (
            "ok"
            if self.proof.outcome == CallProof.Outcome.PROVED
            else "critical"
            if self.proof.has_failed
            else "serious"
        )

    @property
    def at(self) -> datetime:
        return self.proof.finished_at or self.proof.ordered_at


def lines(proof: CallProof) -> list[ProofLine]:
    return [ProofLine(record) for record in proof.records]


def outcome(proof: CallProof) -> str:
    """How far it went is said too: without a test account nothing was called."""
    match CallProof.Outcome(proof.outcome) if proof.outcome else None:
        case None:
            return _("under way") if proof.started_at else _("ordered")
        case CallProof.Outcome.PROVED:
            done = {record.step for record in proof.records if record.result is Result.OK}
            if ProofStep.MEDIA in done:
                return _("proved by a call with speech")
            if ProofStep.REGISTER in done:
                return _("proved up to the registration; nothing was called")
            return _("proved as far as it goes without a test account")
        case known:
            return str(known.label)


def why_not(*, has_pair: bool) -> str:
    """Why no proof can be made now."""
    if not has_pair:
        return _("There is no active pair yet, so no proof can be made.")
    return _("No TLS address is set, so no proof can be made now. Enter them under System / General.")
