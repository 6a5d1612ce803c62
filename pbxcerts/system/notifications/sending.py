"""The sender: a process of its own that tries what is due and ends (rules told-at-least-once, short-lived-sender).

Each destination has a thread, which knows no database; this process waits for all of them together and writes down what came
of it. One that hangs costs the others nothing.
"""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from django.db import DatabaseError

from pbxcerts.system.machines import other_machines
from pbxcerts.system.models import General
from pbxcerts.system.notifications import claims as claiming
from pbxcerts.system.notifications.claims import Claim
from pbxcerts.system.notifications.faults import Fault, NotificationError, PartlyDelivered
from pbxcerts.system.notifications.letters import Letter, letter_of
from pbxcerts.system.notifications.models import Delivery, Destination
from pbxcerts.system.notifications.transports.target import Target
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.clock import MachineReading

logger = logging.getLogger(__name__)

LIMIT = 30
"""Seconds that one attempt may take."""
COMMAND = (sys.executable, "-m", "pbxcerts", "deliver")

Send = Callable[[Target, Letter], None]


def start() -> None:
    """Start a sender and wait for nothing. Never raises: the next heartbeat tries again."""
    try:
        sender = subprocess.Popen(COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        # So that no dead process is left behind.
        threading.Thread(target=sender.wait, daemon=True, name="reaper of a sender").start()
    except (OSError, RuntimeError):
        logger.exception("the sender of event messages could not be started")


def start_if_due(now: MachineReading) -> None:
    """Not on a machine that may not work, or whose clock is not that of the one that publishes (rules same-secrets, one-time). Never
    raises: a heartbeat that failed must not fail in another way.
    """
    if other_machines.refuses_us() or other_machines.clock_ahead_of_the_publishers():
        return
    try:
        is_due = Delivery.objects.all().due(now).exists()
    except DatabaseError:
        logger.exception("the queue of event messages could not be read")
        return
    if is_due:
        start()


def deliver_due(*, limit: float = LIMIT) -> int:
    """Try all that is due. Returns how much was delivered. A destination that failed has its next turn in another process."""
    general, delivered, out = General.load(), 0, set[int]()
    while claims := claiming.claim(timekeeping.read_machine(), but=out):
        done = _try(claims, general, limit)
        delivered += len(done)
        out |= {claim.destination.pk for claim in claims} - done
        for claim in claims:
            claiming.clean_up(claim.destination)
    return delivered


def _try(claims: list[Claim], general: General, limit: float) -> set[int]:
    """Try these beside each other, and record each outcome as soon as it is there. Returns the destinations that took theirs."""
    outcomes: SimpleQueue[tuple[Claim, NotificationError | None]] = SimpleQueue()
    waiting = {claim.destination.pk: claim for claim in claims}
    for claim in claims:
        try:
            target = Target.of(claim.destination, limit=limit)
            letter = letter_of(claim.delivery, claim.destination, general)
        except NotificationError as error:
            outcomes.put((claim, error))
            continue
        thread = threading.Thread(
            target=_attempt, args=(claim, target, letter, outcomes), daemon=True, name=f"to {claim.destination.pk}"
        )
        thread.start()
    done = set()
    deadline = time.monotonic() + limit
    while waiting:
        try:
            claim, failure = outcomes.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        del waiting[claim.destination.pk]
        if _record(claim, failure):
            done.add(claim.destination.pk)
    for claim in waiting.values():
        _record(claim, NotificationError(Fault.NO_ANSWER, seconds=round(limit)))
    return done


def _attempt(
    claim: Claim, target: Target, letter: Letter, outcomes: "SimpleQueue[tuple[Claim, NotificationError | None]]"
) -> None:
    try:
        _transport(claim.destination.kind)(target, letter)
    except NotificationError as error:
        outcomes.put((claim, error))
    except Exception as error:  # noqa: BLE001 - whatever a library raises, the others go on
        # Its text may hold a URL with a password: the log gets the place, not the words.
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        logger.error("sending to destination %s failed: %s at %s", claim.destination.pk, type(error).__name__, where)
        outcomes.put((claim, NotificationError(Fault.UNEXPECTED, said=type(error).__name__)))
    else:
        outcomes.put((claim, None))


def _transport(kind: str) -> Send:
    """Imported only where it is needed: Apprise alone weighs as much as a process of ours."""
    match kind:
        case Destination.Kind.EMAIL:
            from pbxcerts.system.notifications.transports.email import send
        case Destination.Kind.SYSLOG:
            from pbxcerts.system.notifications.transports.syslog import send
        case Destination.Kind.WEBHOOK:
            from pbxcerts.system.notifications.transports.webhook import send
        case _:
            from pbxcerts.system.notifications.transports.apprise_url import send
    return send


def _record(claim: Claim, error: NotificationError | None) -> bool:
    """Whether it was delivered."""
    now = timekeeping.read_machine()
    if error is None or isinstance(error, PartlyDelivered):
        claiming.succeeded(claim, now, error)
        return True
    claiming.failed(claim, error, now)
    return False
