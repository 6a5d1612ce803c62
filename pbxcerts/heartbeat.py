"""The heartbeat: one round of "is anything due?" over clock, generation, handover and warnings (DESIGN 3.6).

It may run twice, on several machines and after any crash. With nothing due it costs seven queries.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from django.conf import settings as django_settings
from django.db.models import F

from certificates import warnings
from certificates.handover import AskedOnce, Terminals, terminals
from certificates.models import Generation, Settings, Switch
from certificates.observing import communication_server, look_if_due, observe
from certificates.publishing import Store
from certificates.reconciling import Outcome, readiness, reconcile
from certificates.situation import Situation
from certificates.switching import Server
from pbxcerts import process_warnings, stopping
from pbxcerts.system import events, ntp, timekeeping
from pbxcerts.system.clock import Clock
from pbxcerts.system.events import Notice
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.timekeeping import Ask
from terminals import configuration_folder
from terminals import rollout as rollouts
from terminals import warnings as terminal_warnings
from terminals.asking import SipSender
from terminals.models import DeliverySettings, Rollout
from terminals.web import snapshot

logger = logging.getLogger(__name__)


def beat(*, server: Server | None = None, ask: Ask = ntp.ask) -> Outcome:
    """One round. `ask` asks the NTP servers."""
    settings = Settings.load()
    heartbeat = Heartbeat.load()
    timekeeping.check_if_due(general=settings.general, heartbeat=heartbeat, ask=ask)
    clock = timekeeping.current_clock(general=settings.general, heartbeat=heartbeat)

    def ask_clock() -> Clock:
        timekeeping.check_clock(general=settings.general, heartbeat=heartbeat, ask=ask)
        return timekeeping.current_clock(general=settings.general, heartbeat=heartbeat)

    server = replace(server or communication_server(), alive=_show_life)
    answers = AskedOnce(terminals())
    outcome = reconcile(
        clock,
        terminals=answers,
        server=server,
        ask_clock=ask_clock,
        settings=settings,
    )
    rollout = rollouts.reconcile(outcome.situation)
    _remember(outcome, rollout, heartbeat, server.store, answers)
    if rollout is not None and rollout.state == Rollout.State.RUNNING:
        _ask_terminals(outcome.situation, rollout)
    return outcome


def _ask_terminals(situation: Situation, rollout: Rollout) -> None:
    """The last of a round, because it takes up to a minute; what a person orders meanwhile, or the end of `up`, cuts it short."""
    try:
        with SipSender(situation, DeliverySettings.load()) as sender:
            rollouts.run(situation, rollout, sender, others_wait=_something_is_ordered)
    except Exception:
        # The next round goes on; what was claimed in this one is not asked again before it could have confirmed.
        logger.exception("the rollout of generation %s was interrupted", rollout.generation_id)


def _something_is_ordered() -> bool:
    """A generation or a switch waits for this worker, or somebody for its end."""
    if stopping.is_ordered():
        return True
    ordered = Generation.objects.filter(state=Generation.State.MAKING, started_at=None)
    return ordered.exists() or Switch.objects.filter(running=True).exists()


def _show_life() -> None:
    Heartbeat.objects.update(beats=F("beats") + 1)


def _keep_configuration_folder() -> list[Notice]:
    """Where a site has a configuration server of its own."""
    folder, https = django_settings.CONFIGURATION_FOLDER, django_settings.TERMINALS_HTTPS
    if folder is None or not https:
        return []
    return configuration_folder.keep(snapshot.read(), folder, port=int(https.rpartition(":")[2]))


def _remember(
    outcome: Outcome, rollout: Rollout | None, heartbeat: Heartbeat, store: Store, answers: Terminals
) -> None:
    """What was seen, for the pages and as event messages; the beat itself last, as the proof that all went through."""
    situation = outcome.situation
    heartbeat.presented = look_if_due(situation, heartbeat.presented, did=outcome.did)
    # After a failure it is no surprise that files differ.
    mended = () if heartbeat.publish_failure else outcome.mended
    if not outcome.was_busy:
        heartbeat.publish_failure = outcome.publish_failure
    # With the beat before this one: a heartbeat that was missing can only say so when it is back.
    # What another process is just publishing is no difference, so a busy round does not look.
    in_order = not outcome.publish_failure
    seen = observe(
        situation,
        heartbeat,
        ready=readiness(situation, answers),
        published=store,
        in_order=in_order,
        mended=mended,
    )
    true_now = warnings.warnings(situation, seen)
    of_terminals = [*terminal_warnings.warnings(situation, rollout), *_keep_configuration_folder()]
    events.reconcile([*true_now, *of_terminals, *process_warnings.warnings()], now=situation.clock.now)
    Heartbeat.objects.update(
        last_run=situation.clock.now,
        beats=F("beats") + 1,
        presented=heartbeat.presented,
        publish_failure=heartbeat.publish_failure,
    )
