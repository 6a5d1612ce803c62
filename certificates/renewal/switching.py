"""The switch of the communication server: one rename, the reload command, a look at what the server presents, and back
if it does not present the new certificate (rules switch, switch-proved, switch-failed).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from certificates.call_proof.orders import order_after_switch
from certificates.communication_server.errors import ReloadError
from certificates.communication_server.presented import Presented, look_at_tls_addresses
from certificates.communication_server.publication import Publication
from certificates.communication_server.reload import reload_server
from certificates.communication_server.store import Store
from certificates.models import Generation, Settings, Switch
from certificates.pki import handover_times
from certificates.renewal import states
from certificates.renewal.situation import Situation
from pbxcerts.system import events, own_process
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Heartbeat, Severity

State = Generation.State
SwitchOutcome = Switch.Outcome
Why = Switch.Why

RELOAD_FAILED = EventKind(
    "reload_failed",
    Severity.CRITICAL,
    _("The reload command failed at the switch to generation %(number)s. Its words: “%(failure)s”"),
    hint=_("Run the command by hand as the user of pbxcerts, and mend what it says."),
    cause=_("The command in PBXCERTS_RELOAD_COMMAND ended with an error, ran too long, or could not be started."),
    consequence=_(
        "Where the new certificate is shown all the same, nothing. Else the pair before is served again and the switch is tried"
        " again; if it fails until that pair ends, calls end with it."
    ),
)
RELOAD_INTERRUPTED = EventKind(
    "reload_interrupted",
    Severity.CRITICAL,
    _(
        "The reload command at the switch to generation %(number)s was interrupted three times, as if it ended pbxcerts itself:"
        " it is not run again for this switch."
    ),
    hint=_("Let the reload command reload the communication server alone, and not pbxcerts."),
    cause=_("The reload command stops or restarts pbxcerts itself, or the machine went off each time while it ran."),
    consequence=_(
        "The switch counts as failed where nobody shows the new certificate. Every later switch fails in the same way; if none"
        " succeeds until the active pair ends, calls end with it."
    ),
)
SERVER_UNSEEN = EventKind(
    "server_unseen",
    Severity.SERIOUS,
    _(
        "The communication server was switched to generation %(number)s, but it could not be reached before and after: not"
        " verified."
    ),
    hint=_("Check the TLS addresses under System / General, and whether the communication server runs."),
    cause=_("The communication server is off, or the TLS address under System / General is not where it listens."),
    consequence=_("Perhaps none. If it still holds the pair before, calls end with that; nobody would notice it here."),
)
ROLL_BACK_FAILED = EventKind(
    "roll_back_failed",
    Severity.CRITICAL,
    _(
        "The roll back to generation %(number)s failed: the communication server is back with the pair that it was served with"
        " before."
    ),
    hint=_("Check the reload command and the TLS addresses, then roll back again."),
    cause=_(
        "After the roll back the communication server did not show the certificate of before, or the reload command failed."
    ),
    consequence=_(
        "Nothing has changed: calls are as they were before the roll back. What it was to mend is not mended."
    ),
)

RELOADS_AT_MOST = 3
INTERRUPTED = "interrupted"
FAILS_TWICE = 2
LOOKS_AFTERWARDS = 3
"""At an address that comes and goes."""


@dataclass(frozen=True)
class CommunicationServer:
    """The communication server as a switch sees it. Times are in seconds.

    `alive` is called between the steps, so that whoever watches the heartbeat sees that a long switch goes on.
    """

    store: Store
    reload_command: Sequence[str] = ()
    reload_timeout: float = 30
    reload_environment: Mapping[str, str] | None = None
    look_for: float = 60
    look_every: float = 1
    alive: Callable[[], None] = lambda: None

    def reload(self) -> str:
        """Run the reload command. Returns why it failed, "" where it did not."""
        if not self.reload_command:
            return ""
        try:
            with own_process.callers_core_limit():
                reload_server(self.reload_command, timeout=self.reload_timeout, environment=self.reload_environment)
        except ReloadError as error:
            return str(error)[:500]
        finally:
            self.alive()
        return ""


def carry_out(switch: Switch, situation: Situation, server: CommunicationServer) -> SwitchOutcome:
    """Carry out a running switch, or go on with one that was interrupted. The caller holds the lock of the store and
    has read the situation since. Raises StoreError or SealingError where the file system refuses, and
    GenerationOvertaken where another process was faster. The switch is still running then. Either nothing has been
    switched yet, or the next heartbeat publishes what the database says.
    """
    began = time.monotonic()

    def now() -> datetime:
        return situation.clock.best + timedelta(seconds=time.monotonic() - began)

    if switch.switched_at is None:
        publication = situation.publication()
        to = situation.generation(switch.to_id)
        refusal = _refusal(switch, to, situation, publication)
        if to is None or refusal:
            return _finish(switch, SwitchOutcome.REFUSED, now(), reload_failure=refusal)
        # Everything but the links is on the disk before the database changes its mind.
        server.store.stage(publication)
        switch.before = {a: seen.sha256 for a, seen in look_at_tls_addresses(situation.general.tls_addresses).items()}
        if switch.before:
            server.alive()
        _commit(switch, to, situation)
        # The rows are up to date; in a new object all that is derived from their states is worked out anew.
        situation = replace(situation)
    server.store.publish(situation.publication(), situation.new_mark())
    if switch.outcome == SwitchOutcome.WENT_BACK:
        _reload(switch, server)
        return _finish(switch, SwitchOutcome.WENT_BACK, now())
    switch.reload_failure = _reload(switch, server)
    looks = _look(switch, server)
    switch.after = {address: presented.sha256 for address, presented in looks.seen.items()}
    if looks.proved:
        return _finish(switch, _outcome(switch, looks.seen), now())
    failed, before = situation.active, _pair_to_go_back_to(switch, situation)
    if failed is not None and before is not None and _is_worse_than_before(switch, looks, situation):
        _go_back(switch, failed, before, situation.settings, now())
        gone_back = Situation.load(situation.clock, settings=situation.settings, store=server.store)
        server.store.publish(gone_back.publication(), gone_back.new_mark())
        _reload(switch, server)
        return _finish(switch, SwitchOutcome.WENT_BACK, now())
    return _finish(switch, SwitchOutcome.STAYS, now())


def _reload(switch: Switch, server: CommunicationServer) -> str:
    """Run the reload command; returns why it failed, "" where it did not. One that was begun three times and never came to
    an end is not begun again: it may be what ends this process, and nothing else can change while a switch runs.
    """
    if server.reload_command:
        if switch.reloads >= RELOADS_AT_MOST:
            return INTERRUPTED
        switch.reloads += 1
        switch.save(update_fields=["reloads"])
    return server.reload()


def _refusal(switch: Switch, to: Generation | None, situation: Situation, publication: Publication) -> str:
    """Why an ordered switch to this pair can't be carried out any more; "" where it can. `to` is None where the pair
    has neither a key nor a place any more.
    """
    active = situation.active.number if situation.active else None
    if to is None or to.host_key is None or not situation.is_valid(to):
        return "not valid now"
    if to.number in publication.lost:
        return "key lost"
    if switch.why == Why.REPEAT:
        return "" if to == situation.active else "no longer active"
    if switch.away_from_id != active or to.state not in {State.PREPARED, State.HELD, State.SUPERSEDED}:
        return "overtaken"
    return ""


def _commit(switch: Switch, to: Generation, situation: Situation) -> None:
    now = situation.clock.best
    with transaction.atomic():
        mine = Switch.objects.running().filter(pk=switch.pk, switched_at=None)
        if not mine.update(switched_at=now, before=switch.before):
            raise states.GenerationOvertaken(f"the switch to generation {switch.to_id} has been carried out")
        if switch.why != Why.REPEAT:
            _change_places(switch, to, situation)
        # What the addresses presented before says nothing of the pair that is active from now on.
        Heartbeat.objects.update(presented={})
    switch.switched_at = now


def _change_places(switch: Switch, to: Generation, situation: Situation) -> None:
    active, schedule, now = situation.active, situation.settings.schedule, situation.clock.best
    move = partial(states.move, now=now, by=switch.by, why=switch.why, reason=switch.reason)
    if switch.why == Why.ROLL_BACK and situation.pending is not None:
        move(situation.pending, State.DISCARDED, discarded_at=now)
    if active is not None:
        if active.withdrawn_at is not None:
            move(active, State.WITHDRAWN)
        elif switch.why == Why.ROLL_BACK:
            move(
                active,
                State.HELD,
                held_because=Generation.Held.ROLLED_BACK,
                switch_failures=0,
                deadline=handover_times.deadline_after_roll_back(
                    schedule, now=now, active_end=to.plan.end, planned=active.plan.planned, end=active.plan.end
                ),
            )
        else:
            move(active, State.SUPERSEDED, leaves_bundle_at=min(active.plan.end, now + schedule.overlap))
    changes: dict[str, Any] = {"activated_at": now, "held_because": "", "leaves_bundle_at": None, "deadline": None}
    if switch.why != Why.ROLL_BACK:
        changes["took_over_from_id"] = active.number if active else None
    move(to, State.ACTIVE, **changes)


@dataclass(frozen=True)
class _Looks:
    """What the addresses presented at the last look. `failed`: how often in a row each has not shown the new certificate."""

    seen: Mapping[str, Presented]
    proved: bool
    failed: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_new_somewhere(self) -> bool:
        return 0 in self.failed.values()


def _look(switch: Switch, server: CommunicationServer) -> _Looks:
    """Look until every address that has to show the new certificate does, and none shows another, for a minute at most, but at
    each that does not at least twice.

    Where the reload command failed, at least one address has to show it.
    """
    addresses = list(switch.before)
    if not addresses:
        return _Looks({}, proved=not switch.reload_failure)
    has_to = _has_to_show(switch)
    new = switch.to.host_sha256
    failed = dict.fromkeys(addresses, 0)
    until, more = time.monotonic() + server.look_for, LOOKS_AFTERWARDS
    while True:
        seen = look_at_tls_addresses(addresses)
        shows_new = {address for address, presented in seen.items() if presented.sha256 == new}
        answers = {address for address, presented in seen.items() if presented.sha256}
        failed = {address: 0 if address in shows_new else failed[address] + 1 for address in addresses}
        proved = shows_new.issuperset(has_to | answers) and (not switch.reload_failure or bool(shows_new))
        is_late = time.monotonic() >= until
        more -= is_late
        if proved or (is_late and (1 not in failed.values() or more <= 0)):
            return _Looks(seen, proved, failed)
        server.alive()
        time.sleep(server.look_every)


def _is_worse_than_before(switch: Switch, looks: _Looks, situation: Situation) -> bool:
    """Whether the old pair is to come back: an address at which telephones had what they trust just before the switch has not shown
    the new certificate twice after it, or the reload command failed and nobody shows that it did its work all the same.
    """
    if switch.reload_failure and not looks.is_new_somewhere:
        return True
    trusted = {pair.host_sha256 for pair in situation.in_bundle}
    if switch.away_from is not None:
        trusted.add(switch.away_from.host_sha256)
    succeeded = {a for before in _since_failed(switch) for a, sha256 in before.before.items() if sha256 in trusted}
    return any(looks.failed.get(address, 0) >= FAILS_TWICE for address in succeeded)


def _has_to_show(switch: Switch) -> set[str]:
    """The addresses that have to present the new certificate; some are away since a failed switch (rule switch-proved)."""
    return {
        a for before in _since_failed(switch) for a, sha256 in before.before.items() if sha256 and a in switch.before
    }


def _since_failed(switch: Switch) -> list[Switch]:
    """This switch, and where it is a retry those to the same pair that have failed."""
    switches = [switch]
    if switch.why in {Why.RETRY, Why.REPEAT}:
        switches += Switch.objects.failed().filter(to=switch.to_id)
    return switches


def _outcome(switch: Switch, seen: Mapping[str, Presented]) -> SwitchOutcome:
    if not seen:
        return SwitchOutcome.NOT_VERIFIED
    verified = any(presented.sha256 == switch.to.host_sha256 for presented in seen.values())
    return SwitchOutcome.VERIFIED if verified else SwitchOutcome.UNREACHABLE


def _pair_to_go_back_to(switch: Switch, situation: Situation) -> Generation | None:
    """The pair that was served before this switch, if it is valid and not withdrawn (rule switch-failed)."""
    before = situation.generation(switch.away_from_id)
    if (
        before is not None
        and before.state in {State.SUPERSEDED, State.HELD}
        and before.host_key is not None
        and situation.can_be_served(before)
        # Judged as before the switch, as the active pair: if it had ended by then, it does not come back.
        and not situation.clock.has_passed(before.plan.end, active_end=before.plan.end, one_server_suffices=True)
    ):
        return before
    return None


def _go_back(switch: Switch, failed: Generation, before: Generation, settings: Settings, now: datetime) -> None:
    """Activate the pair served before again. The pair whose switch failed is held; one that a roll back failed to
    activate is superseded again.
    """
    with transaction.atomic():
        if switch.why == Why.ROLL_BACK:
            leaves = min(failed.plan.end, (before.activated_at or now) + settings.schedule.overlap)
            states.move(failed, State.SUPERSEDED, now=now, why="switch_failed", leaves_bundle_at=leaves)
        else:
            states.move(
                failed,
                State.HELD,
                now=now,
                why="switch_failed",
                held_because=Generation.Held.SWITCH_FAILED,
                switch_failures=failed.switch_failures + 1,
                switch_failed_at=now,
            )
        states.move(
            before, State.ACTIVE, now=now, why="switch_failed", held_because="", leaves_bundle_at=None, deadline=None
        )
        # Whoever goes on after a crash must not look for the new certificate any more.
        switch.outcome, switch.reloads = SwitchOutcome.WENT_BACK, 0
        switch.save(update_fields=["outcome", "after", "reload_failure", "reloads"])


def _finish(
    switch: Switch, outcome: SwitchOutcome, now: datetime, *, reload_failure: str | None = None
) -> SwitchOutcome:
    if reload_failure is not None:
        switch.reload_failure = reload_failure
    with transaction.atomic():
        if outcome == SwitchOutcome.STAYS:
            Generation.objects.filter(number=switch.to_id).update(
                switch_failures=F("switch_failures") + 1, switch_failed_at=now
            )
        elif outcome not in {SwitchOutcome.WENT_BACK, SwitchOutcome.REFUSED}:
            Generation.objects.filter(number=switch.to_id).update(switch_failures=0, switch_failed_at=None)
        _tell(switch, outcome, now)
        _order_proof(switch, outcome, now)
        switch.outcome, switch.finished_at, switch.running = outcome, now, None
        switch.save()
    return outcome


def _order_proof(switch: Switch, outcome: SwitchOutcome, now: datetime) -> None:
    """What is repeated every hour says the same each time (rule proof-by-call)."""
    served = switch.away_from_id if outcome == SwitchOutcome.WENT_BACK else switch.to_id
    says_nothing_new = outcome == SwitchOutcome.STAYS and switch.why == Why.REPEAT
    if outcome != SwitchOutcome.REFUSED and switch.before and served is not None and not says_nothing_new:
        order_after_switch(served, now)


def _tell(switch: Switch, outcome: SwitchOutcome, now: datetime) -> None:
    """Send the event messages about what no warning says afterwards. The failure of the reload command is told once for
    each pair, because a switch that fails is tried again many times.
    """
    number = switch.to_id
    if switch.reload_failure and outcome != SwitchOutcome.REFUSED:
        kind = RELOAD_INTERRUPTED if switch.reload_failure == INTERRUPTED else RELOAD_FAILED
        failure = {"number": number, "failure": switch.reload_failure}
        events.tell(Notice(kind, subject=str(number), params=failure), now=now)
    if outcome == SwitchOutcome.UNREACHABLE:
        events.tell(Notice(SERVER_UNSEEN, subject=str(switch.pk), params={"number": number}), now=now)
    if outcome == SwitchOutcome.WENT_BACK and switch.why == Why.ROLL_BACK:
        back = {"number": number, "active": switch.away_from_id}
        events.tell(Notice(ROLL_BACK_FAILED, subject=str(switch.pk), params=back), now=now)
