"""Which telephones Kamailio knows, and which of them have connected since the switch (rules kamailio-asked, ladder)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, tzinfo

from certificates.call_proof.steps import Finding, ProofStep, Result, StepRecord, in_one_line
from certificates.communication_server.errors import KamailioError
from certificates.communication_server.kamailio import Kamailio, Registered
from certificates.models import Generation, Switch

NAMED_AT_MOST = 20
WHOLE_SECONDS = timedelta(seconds=1)
"""Kamailio tells its times in these: what it says may be one later than what was."""


def presented_from(active: Generation) -> datetime | None:
    """From when on the server has presented this pair and no other: it was seen so at the end of the last switch. None where it was
    not, or there was none.
    """
    if Switch.objects.running().exists():
        return None
    last = Switch.objects.over().exclude(outcome=Switch.Outcome.REFUSED).first()
    seen = last is not None and last.to_id == active.number and last.outcome == Switch.Outcome.VERIFIED
    return last.finished_at if last is not None and seen else None


def ask(
    kamailio: Kamailio, switched_at: datetime, now: datetime, *, zone: tzinfo
) -> tuple[list[Registered], StepRecord]:
    """Those that Kamailio knows; `since` is left of those alone that have connected since the switch. It fails nothing: who is
    connected longer is proved at the next connection. `zone`: the site's.
    """
    try:
        known = [_since(one, switched_at + WHOLE_SECONDS) for one in kamailio.registered(now, zone=zone)]
    except KamailioError as error:
        return [], StepRecord(ProofStep.REGISTERED, Result.SKIPPED, Finding.NOT_ASKED, said=in_one_line(error))
    older = [one.number for one in known if one.since is None]
    record = StepRecord(ProofStep.REGISTERED, Result.OK, sent=len(known), received=len(known) - len(older))
    if older:
        said = in_one_line(", ".join([*sorted(older)[:NAMED_AT_MOST], *(["…"] if len(older) > NAMED_AT_MOST else [])]))
        record = replace(record, result=Result.SKIPPED, finding=Finding.OLD_CONNECTIONS, said=said)
    return known, record


def _since(one: Registered, switched_at: datetime) -> Registered:
    return one if one.since is None or one.since >= switched_at else replace(one, since=None)
