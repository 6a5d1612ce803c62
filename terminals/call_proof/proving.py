"""A proof from its order to its record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings as django_settings

from certificates.call_proof import orders
from certificates.call_proof.models import CallProof, CallProofSettings
from certificates.call_proof.steps import Finding, ProofStep, Result, StepRecord, in_one_line
from certificates.communication_server.kamailio import Kamailio
from certificates.models import Generation
from certificates.pki import formats
from certificates.renewal.situation import Situation
from pbxcerts.system.sealing import SealingError, unseal
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.clock import Clock
from terminals.call_proof import registered
from terminals.call_proof.errors import StepFailed
from terminals.call_proof.handshake import ExpectedPair, Handshake, connect, telephone_context
from terminals.call_proof.line import Line
from terminals.call_proof.telephone import Account, Telephone
from terminals.evidence import registrations


def prove_ordered(clock: Clock | None = None) -> CallProof | None:
    """Take up what is ordered, telephone, and record it. None where there is nothing to take up."""
    clock = clock or timekeeping.current_clock()
    proof = orders.claim(clock.machine)
    if proof is None:
        return None
    began = time.monotonic()
    situation = Situation.load(clock)
    active = situation.active
    if active is None or active.host_sha256 != proof.host_sha256 or situation.switch is not None:
        orders.overtaken(proof, clock.best)
    else:
        records = list(Proving.of(situation, active, CallProofSettings.load(), by_person=bool(proof.by)).records())
        now = clock.best + timedelta(seconds=time.monotonic() - began)
        records += _telephones(situation, active, now, presented=_is_presented(records))
        orders.finish(proof, records, clock.best + timedelta(seconds=time.monotonic() - began))
    return CallProof.objects.get(pk=proof.pk)


def _telephones(situation: Situation, active: Generation, now: datetime, *, presented: bool) -> list[StepRecord]:
    """What Kamailio says of them, where it may be asked. It shows something of each where nothing but this pair was `presented`."""
    if not django_settings.KAMCMD or active.activated_at is None:
        return []
    since = registered.presented_from(active)
    kamailio = Kamailio(django_settings.KAMCMD, django_settings.RELOAD_ENVIRONMENT)
    began = time.monotonic()
    known, record = registered.ask(kamailio, since or active.activated_at, now, zone=situation.settings.schedule.zone)
    # A switch that has begun meanwhile may have been before the answer.
    if presented and since is not None and registered.presented_from(active) == since:
        registrations.registered({one.number: one.since for one in known}, active.number, situation.clock, now)
    return [_timed(record, began)]


def _is_presented(records: Sequence[StepRecord]) -> bool:
    seen = {record.result for record in records if record.step is ProofStep.TLS}
    return Result.OK in seen and Result.FAILED not in seen


@dataclass(frozen=True)
class Proving:
    """`bundle`: the trust file as terminals get it. `server`: what a telephone calls the server by. `hindrance`: why nobody can
    register.
    """

    situation: Situation
    pair: ExpectedPair
    bundle: bytes
    server: str
    domain: str
    account: Account | None = None
    hindrance: StepRecord | None = None
    within: float = orders.WITHIN

    @classmethod
    def of(
        cls, situation: Situation, active: Generation, settings: CallProofSettings, *, by_person: bool = False
    ) -> Proving:
        general = situation.general
        server = general.fqdn or next(iter(general.ip_addresses), "")
        others = Generation.objects.made().exclude(host_sha256=active.host_sha256)
        pair = ExpectedPair(
            active.host_sha256,
            active.plan.not_before,
            active.plan.end,
            dict(others.values_list("host_sha256", "number")),
        )
        bundle = formats.pem(*situation.bundle)
        proving = cls(situation, pair, bundle, server, settings.domain or server or "localhost")
        if not settings.user:
            return proving
        if settings.refused and not by_person:
            return replace(proving, hindrance=StepRecord(ProofStep.REGISTER, Result.FAILED, Finding.REFUSED_BEFORE))
        try:
            password = unseal(settings.password).decode() if settings.password is not None else ""
        except SealingError as error:
            lost = StepRecord(ProofStep.REGISTER, Result.FAILED, Finding.NO_PASSWORD, said=in_one_line(error))
            return replace(proving, hindrance=lost)
        return replace(proving, account=Account(settings.user, password, settings.number))

    def records(self) -> Iterator[StepRecord]:
        """TLS and OPTIONS at every address; the call goes over the first that speaks SIP."""
        began = time.monotonic()
        until = began + self.within
        called = False
        for address in self.situation.general.tls_addresses:
            if time.monotonic() >= until:
                yield StepRecord(ProofStep.TLS, Result.SKIPPED, Finding.TIME_IS_UP, address)
                continue
            seen, handshake = self._look(address, until)
            yield seen
            if handshake is None:
                continue
            line = Line(handshake.connection, until=until)
            try:
                telephone = Telephone(line, address, domain=self.domain, account=self.account)
                options = telephone.options()
                if options.finding is Finding.NO_SIP:
                    # Another service with the same certificate, a page of the server's say: nobody telephones there.
                    options = replace(options, result=Result.SKIPPED)
                yield options
                if options.result is Result.OK and not called:
                    called = True
                    yield from [self.hindrance] if self.hindrance else telephone.registration_and_call()
            finally:
                line.close()
        if not called and self.account is not None:
            yield StepRecord(ProofStep.REGISTER, Result.SKIPPED, Finding.AFTER_FAILURE)

    def _look(self, address: str, until: float) -> tuple[StepRecord, Handshake | None]:
        began = time.monotonic()
        try:
            context = telephone_context(self.bundle)
            clock = self.situation.clock
            handshake = connect(address, context, self.pair, clock, server=self.server, until=until)
        except StepFailed as failed:
            demands = failed.finding is Finding.ENDS_HANDSHAKE
            result, said = Result.OK if demands else Result.FAILED, in_one_line(failed.said)
            sha256 = self.pair.host_sha256 if demands or failed.finding is Finding.NOT_VALID else ""
            record = StepRecord(ProofStep.TLS, result, failed.finding, address, said, sha256=sha256)
            return _timed(record, began), None
        said = ", ".join(handshake.unreached)
        record = StepRecord(ProofStep.TLS, Result.OK, where=address, said=said, sha256=handshake.sha256)
        return _timed(record, began), handshake


def _timed(record: StepRecord, began: float) -> StepRecord:
    return replace(record, seconds=round(time.monotonic() - began, 3))
