"""The switch of the communication server: one rename, the reload command, a look at what it presents, and back if need be.

DESIGN 3.4 step 4. Every step is repeatable: a switch that a crash interrupted goes on where the database says it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from certificates import states
from certificates.models import Generation, Switch
from certificates.pki import handover_times
from certificates.presented import Presented, look_at_all
from certificates.publishing import Publication, Store
from certificates.reload import ReloadError, reload_server
from certificates.situation import Situation
from pbxcerts.system import events
from pbxcerts.system.events import Kind, Notice
from pbxcerts.system.models import Severity

State = Generation.State
Outcome = Switch.Outcome
Why = Switch.Why

RELOAD_FAILED = Kind(
    "reload_failed",
    Severity.CRITICAL,
    _("The reload command failed at the switch to generation %(number)s: %(failure)s"),
)
SERVER_UNSEEN = Kind(
    "server_unseen",
    Severity.SERIOUS,
    _("The server was switched to generation %(number)s, but it could not be reached before and after: not verified."),
)
ROLL_BACK_FAILED = Kind(
    "roll_back_failed",
    Severity.CRITICAL,
    _(
        "The roll back to generation %(number)s failed: the server is back with the pair that it was served with before."
    ),
)


@dataclass(frozen=True)
class Server:
    """The communication server as the switch sees it. Seconds.

    `alive` is called between the steps, so that whoever watches the heartbeat sees that a long switch lives.
    """

    store: Store
    reload_command: Sequence[str] = ()
    reload_timeout: float = 30
    look_for: float = 60
    look_every: float = 1
    alive: Callable[[], None] = lambda: None

    def reload(self) -> str:
        """Returns why it failed, "" where it did not."""
        if not self.reload_command:
            return ""
        try:
            reload_server(self.reload_command, timeout=self.reload_timeout)
        except ReloadError as error:
            return str(error)[:500]
        finally:
            self.alive()
        return ""


def carry_out(switch: Switch, situation: Situation, server: Server) -> Outcome:
    """Carry out a running switch, or go on with one. Call it with the store locked and a situation read since then.

    Raises StoreError or HostKeyError where the file system refuses, and states.Overtaken where another process was
    faster: then nothing has been switched, or what the database says is published by the next heartbeat, and the
    switch is still running.
    """
    began = time.monotonic()

    def now() -> datetime:
        return situation.clock.best + timedelta(seconds=time.monotonic() - began)

    if switch.switched_at is None:
        publication = situation.publication()
        if refusal := _refusal(switch, situation, publication):
            return _finish(switch, Outcome.REFUSED, now(), reload_failure=refusal)
        # Everything but the links is on the disk before the database changes its mind.
        server.store.stage(publication)
        switch.before = {a: seen.sha256 for a, seen in look_at_all(situation.general.tls_addresses).items()}
        if switch.before:
            server.alive()
        _commit(switch, situation)
        # Its rows are up to date; what follows from their states is worked out anew.
        situation = replace(situation)
    server.store.publish(situation.publication())
    if switch.outcome == Outcome.WENT_BACK:
        server.reload()
        return _finish(switch, Outcome.WENT_BACK, now())
    switch.reload_failure = server.reload()
    seen, proved = _look(switch, server)
    switch.after = {address: presented.sha256 for address, presented in seen.items()}
    if proved:
        return _finish(switch, _outcome(switch, seen), now())
    if _may_go_back(switch, situation):
        _go_back(switch, situation, now())
        server.store.publish(Situation.load(situation.clock, settings=situation.settings).publication())
        server.reload()
        return _finish(switch, Outcome.WENT_BACK, now())
    return _finish(switch, Outcome.STAYS, now())


def _refusal(switch: Switch, situation: Situation, publication: Publication) -> str:
    """Why an ordered switch can't be carried out any more; "" where it can."""
    to = situation.generation(switch.to_id)
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


def _commit(switch: Switch, situation: Situation) -> None:
    now = situation.clock.best
    with transaction.atomic():
        mine = Switch.objects.filter(pk=switch.pk, running=True, switched_at=None)
        if not mine.update(switched_at=now, before=switch.before):
            raise states.Overtaken(f"the switch to generation {switch.to_id} has been carried out")
        if switch.why != Why.REPEAT:
            _change_places(switch, situation)
    switch.switched_at = now


def _change_places(switch: Switch, situation: Situation) -> None:
    clock, active = situation.clock, situation.active
    now = clock.best
    to = situation.generation(switch.to_id)
    assert to is not None  # noqa: S101 - _refusal has looked
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
                    situation.settings.schedule, now=clock.best, active_end=_end(to)
                ),
            )
        else:
            leaves = min(_end(active), clock.best + situation.settings.schedule.overlap)
            move(active, State.SUPERSEDED, leaves_bundle_at=leaves)
    changes: dict[str, Any] = {"activated_at": now, "held_because": "", "leaves_bundle_at": None, "deadline": None}
    if switch.why != Why.ROLL_BACK:
        changes["took_over_from_id"] = active.number if active else None
    move(to, State.ACTIVE, **changes)


def _look(switch: Switch, server: Server) -> tuple[dict[str, Presented], bool]:
    """Look until every address that has to show the new certificate does, for a minute at most.

    Where the reload command failed, at least one address has to show it.
    """
    addresses = list(switch.before)
    if not addresses:
        return {}, not switch.reload_failure
    has_to = _has_to_show(switch)
    new = switch.to.host_sha256
    until = time.monotonic() + server.look_for
    while True:
        seen = look_at_all(addresses)
        shows_new = {address for address, presented in seen.items() if presented.sha256 == new}
        proved = shows_new.issuperset(has_to) and (not switch.reload_failure or bool(shows_new))
        if proved or time.monotonic() >= until:
            return seen, proved
        server.alive()
        time.sleep(server.look_every)


def _has_to_show(switch: Switch) -> set[str]:
    """The addresses that were reachable before. One that has not come back since a switch failed counts as reachable:
    it must not prove the next try by being away.
    """
    switches = [switch]
    if switch.why in {Why.RETRY, Why.REPEAT}:
        switches += Switch.objects.filter(to=switch.to_id, outcome__in=[Outcome.WENT_BACK, Outcome.STAYS])
    return {a for before in switches for a, sha256 in before.before.items() if sha256 and a in switch.before}


def _outcome(switch: Switch, seen: dict[str, Presented]) -> Outcome:
    if not seen:
        return Outcome.NOT_VERIFIED
    new = switch.to.host_sha256
    return Outcome.VERIFIED if any(presented.sha256 == new for presented in seen.values()) else Outcome.UNREACHABLE


def _may_go_back(switch: Switch, situation: Situation) -> bool:
    before = situation.generation(switch.away_from_id)
    return (
        before is not None
        and before.state in {State.SUPERSEDED, State.HELD}
        and before.host_key is not None
        and situation.is_valid(before)
        # Judged as before the switch, when it was the active one: what had ended then does not come back.
        and not situation.clock.has_passed(_end(before), active_end=_end(before))
    )


def _go_back(switch: Switch, situation: Situation, now: datetime) -> None:
    failed, before = situation.active, situation.generation(switch.away_from_id)
    assert failed is not None  # noqa: S101 - the switch made it active
    assert before is not None  # noqa: S101 - _may_go_back has looked
    with transaction.atomic():
        if switch.why == Why.ROLL_BACK:
            leaves = min(_end(failed), (before.activated_at or now) + situation.settings.schedule.overlap)
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
        switch.outcome = Outcome.WENT_BACK
        switch.save(update_fields=["outcome", "after", "reload_failure"])


def _finish(switch: Switch, outcome: Outcome, now: datetime, *, reload_failure: str | None = None) -> Outcome:
    if reload_failure is not None:
        switch.reload_failure = reload_failure
    with transaction.atomic():
        if outcome == Outcome.STAYS:
            Generation.objects.filter(number=switch.to_id).update(
                switch_failures=F("switch_failures") + 1, switch_failed_at=now
            )
        elif outcome not in {Outcome.WENT_BACK, Outcome.REFUSED}:
            Generation.objects.filter(number=switch.to_id).update(switch_failures=0, switch_failed_at=None)
        _tell(switch, outcome, now)
        switch.outcome, switch.finished_at, switch.running = outcome, now, None
        switch.save()
    return outcome


def _tell(switch: Switch, outcome: Outcome, now: datetime) -> None:
    """What no warning says afterwards. One message for each pair: a switch that fails is tried again many times."""
    number = switch.to_id
    if switch.reload_failure and outcome != Outcome.REFUSED:
        failure = {"number": number, "failure": switch.reload_failure}
        events.tell(Notice(RELOAD_FAILED, subject=str(number), params=failure), now=now)
    if outcome == Outcome.UNREACHABLE:
        events.tell(Notice(SERVER_UNSEEN, subject=str(switch.pk), params={"number": number}), now=now)
    if outcome == Outcome.WENT_BACK and switch.why == Why.ROLL_BACK:
        back = {"number": number, "active": switch.away_from_id}
        events.tell(Notice(ROLL_BACK_FAILED, subject=str(switch.pk), params=back), now=now)


def _end(pair: Generation) -> datetime:
    assert pair.end is not None  # noqa: S101 - the constraint a_pair_has_its_times
    return pair.end
