"""The heartbeat: one round of "is anything due?" over clock, generation, handover, rollout and warnings (rule reconcile).

With nothing due it costs ten queries, in the first round of an hour fourteen at most, and with destinations one more.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from django.conf import settings as django_settings

from certificates.communication_server.store import Store
from certificates.models import Generation, Settings, Switch
from certificates.renewal.handover import AskedOnce, Terminals, known_terminals
from certificates.renewal.rounds import RoundOutcome, readiness_of_pending, reconcile
from certificates.renewal.situation import Situation
from certificates.renewal.states import GenerationOvertaken
from certificates.renewal.switching import CommunicationServer
from certificates.status import warnings
from certificates.status.observing import communication_server, look_if_due, observe
from certificates.status.warnings import Observations
from pbxcerts import machine_elsewhere
from pbxcerts.backup import restored
from pbxcerts.backup.warnings import backup_warnings
from pbxcerts.health.disk_warnings import disk_warnings
from pbxcerts.housekeeping import keep_house
from pbxcerts.panel import process_warnings
from pbxcerts.panel.what_comes import what_comes
from pbxcerts.processes import stopping
from pbxcerts.system import events
from pbxcerts.system.events import Notice
from pbxcerts.system.machines.machine_warnings import machine_warnings
from pbxcerts.system.machines.publisher import claim, show_life
from pbxcerts.system.machines.roster import Machines
from pbxcerts.system.models import Heartbeat
from pbxcerts.system.notifications import queue, watchdog
from pbxcerts.system.notifications.models import Watchdog, destinations_in_use
from pbxcerts.system.notifications.warnings import notification_warnings
from pbxcerts.system.time import ntp, timekeeping
from pbxcerts.system.time.clock import Clock
from pbxcerts.system.time.timekeeping import AskServers
from pbxcerts.system.users import sessions
from terminals.call_proof import process as call_proof
from terminals.checking import rounds as checking
from terminals.checking.older_copy import begin_anew
from terminals.checking.warnings import checking_warnings
from terminals.models import DeliverySettings, Rollout, TerminalType
from terminals.rollout import warnings as terminal_warnings
from terminals.rollout.in_call import WhoTalks
from terminals.rollout.one_round import the_only_round
from terminals.rollout.rounds import MonotonicStopwatch, RolloutRound, reconcile_rollouts
from terminals.rollout.sip_sender import SipSender
from terminals.web import configuration_folder, snapshot

SHORT = timedelta(seconds=15)

logger = logging.getLogger(__name__)


def beat(*, server: CommunicationServer | None = None, ask: AskServers = ntp.ask) -> RoundOutcome:
    """One round. `ask` asks the NTP servers."""
    began = timekeeping.read_machine()
    settings = Settings.load()
    machines = Machines.load(began)
    heartbeat = machines.own
    timekeeping.check_if_due(general=settings.general, heartbeat=heartbeat, ask=ask)
    clock = timekeeping.current_clock(general=settings.general, heartbeat=heartbeat)
    machines.compare_clock(clock)
    if not claim(machines):
        return machine_elsewhere.beat(machines, Situation.load(clock, settings=settings), _ask_terminals)
    sessions.clear_ended_hourly(last=heartbeat.last_run, now=clock.machine)

    def ask_clock() -> Clock:
        timekeeping.check_clock(general=settings.general, heartbeat=heartbeat, ask=ask)
        return timekeeping.current_clock(general=settings.general, heartbeat=heartbeat)

    server = replace(server or communication_server(), alive=_show_life)
    answers = AskedOnce(known_terminals())
    outcome = reconcile(clock, terminals=answers, server=server, ask_clock=ask_clock, settings=settings)
    if restored.is_to_be_told():
        begin_anew()
    restored.tell_once(outcome.situation)
    keep_house(outcome.situation, last=heartbeat.last_run)
    rollout = reconcile_rollouts(outcome.situation)
    may_check = rollout is not None or outcome.situation.standing.rests
    checked = checking.reconcile(outcome.situation, last=heartbeat.last_run) if may_check else []
    seen = _remember(outcome, rollout, checked, machines, server.store, answers)
    call_proof.start_if_waiting(seen.proofs, clock.machine)
    if rollout is not None and rollout.state == Rollout.State.RUNNING:
        stopwatch = MonotonicStopwatch()
        _ask_terminals(outcome.situation, rollout)
        # A round that was long has no time for it.
        if checked and stopwatch.elapsed() < SHORT:
            _tell_to_check(outcome.situation, checked)
    return outcome


def _ask_terminals(situation: Situation, rollout: Rollout) -> None:
    """The last of a round, because it takes up to a minute; what a person orders meanwhile, or the end of `up`, cuts it short."""
    try:
        with the_only_round() as is_mine:
            if not is_mine:
                return
            with SipSender(situation, DeliverySettings.load()) as sender:
                waits = _something_is_ordered
                RolloutRound(situation, rollout, sender, others_wait=waits, in_call=WhoTalks()).run()
    except Exception:
        # The next round goes on; what was claimed in this one is not asked again before it could have confirmed.
        number = rollout.generation_id
        logger.exception("the rollout of generation %s was interrupted", number, extra={"generation": number})


def _tell_to_check(situation: Situation, types: Sequence[TerminalType]) -> None:
    """Telephones that are told to check certificates, some of which restart for it (rule checking)."""
    try:
        asks = checking.tell(situation, types, in_call=WhoTalks())
        if asks:
            with SipSender(situation, DeliverySettings.load()) as sender:
                checking.ask(situation, asks, sender, stopwatch=MonotonicStopwatch(), others_wait=_something_is_ordered)
    except Exception:
        # Who was told is told no longer after some minutes.
        logger.exception("turning the check of certificates on was interrupted")


def _something_is_ordered() -> bool:
    """A generation or a switch waits for this worker, or somebody for its end."""
    if stopping.is_ordered():
        return True
    return Generation.objects.waiting().exists() or Switch.objects.running().exists()


def _show_life() -> None:
    """Raises GenerationOvertaken where another machine has taken over meanwhile (rule one-publishes)."""
    if not show_life():
        raise GenerationOvertaken("another machine publishes now")


def _keep_configuration_folder() -> list[Notice]:
    """Keep the blocks in the folder of another configuration server, where the site has one. Returns what to tell."""
    folder, https = django_settings.CONFIGURATION_FOLDER, django_settings.TERMINALS_HTTPS
    if folder is None or https is None:
        return []
    return configuration_folder.keep(snapshot.read_snapshot(), folder, port=https.port)


def _remember(
    outcome: RoundOutcome,
    rollout: Rollout | None,
    checked: Sequence[TerminalType],
    machines: Machines,
    store: Store,
    answers: Terminals,
) -> Observations:
    """Store what was seen, send event messages, and count the beat last, as the proof that the round went through."""
    situation, heartbeat, began = outcome.situation, machines.own, machines.reading
    heartbeat.presented = look_if_due(situation, heartbeat.presented, did=outcome.did)
    # After a failure it is no surprise that files differ.
    mended = () if heartbeat.publish_failure else outcome.mended
    if not outcome.was_busy:
        heartbeat.publish_failure = outcome.publish_failure
    # `heartbeat` still holds the beat before: that one was missing is told only by the next that comes.
    # What another process is just publishing is no difference, so a busy round does not look.
    ready, in_order = readiness_of_pending(situation, answers), not outcome.publish_failure
    seen = observe(situation, heartbeat, ready=ready, published=store, in_order=in_order, mended=mended, reading=began)
    true_now = warnings.certificate_warnings(situation, seen)
    of_terminals = [
        *terminal_warnings.rollout_warnings(situation, rollout),
        *checking_warnings(checked),
        *_keep_configuration_folder(),
    ]
    destinations, outside = destinations_in_use(), Watchdog.load()
    watchdog.remember(outside)
    of_telling = notification_warnings(destinations, outside)
    of_backups = backup_warnings(situation.general, situation.clock.machine)
    of_disks = disk_warnings(situation.general)
    of_machines = [*process_warnings.warnings(), *machine_warnings(machines)]
    all_true = [*true_now, *of_terminals, *of_machines, *of_telling, *of_backups, *of_disks]
    events.send_and_clear(all_true, now=situation.clock.machine)
    if destinations:
        queue.note(destinations, situation.general, situation.clock.best, began, what_comes(situation, answers))
    mark = situation.store.mark
    Heartbeat.own().update(
        **machines.told(),
        works=True,
        last_run=situation.clock.machine,
        presented=heartbeat.presented,
        publish_failure=heartbeat.publish_failure,
        store_mark=mark.content().decode() if mark is not None else "",
        store_standing=situation.standing,
    )
    machines.tell_own_processes()
    return seen
