"""Who decides about a store that this database does not know, and when: the product itself where that is safe, else a person,
or the end of what is served (rule what-is-served-stays).
"""

import logging
from datetime import datetime, timedelta

from cryptography import x509
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.communication_server import found
from certificates.communication_server.mark import StoreMark
from certificates.communication_server.presented import look_at_tls_addresses
from certificates.models import Generation, StoreDecision
from certificates.pki import lifetime
from certificates.renewal import adoption
from certificates.renewal.adoption import Adoption, NotAdoptable
from certificates.renewal.handover import Terminals
from certificates.renewal.orders import StateRefused
from certificates.renewal.situation import Situation
from certificates.renewal.standing import StoreStanding
from certificates.renewal.switching import CommunicationServer
from pbxcerts.system import events
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Severity
from pbxcerts.system.time.clock import Clock

logger = logging.getLogger(__name__)

Decision = StoreDecision.Decision

ANOTHER_WOULD_HAVE_RENEWED = timedelta(minutes=30)
"""Before the end of what another installation serves. Without an overlap it renews one hour before; had it lived, it would
have done so.
"""

BRING_ALONG = gettext_lazy(
    "Follow the rollout, and work through the work list at once; terminals that trust only what was served before refuse"
    " the communication server until they have the new root."
)
NEW_ROOT = gettext_lazy("Telephones that lack the new root can't call over TLS until they have it.")
STORE_TAKEN_OVER = EventKind(
    "store_taken_over",
    Severity.CRITICAL,
    gettext_lazy(
        "The files of the communication server, which this database did not know, were replaced from the database:"
        " generation %(number)s is served now. Decided by: %(person)s."
    ),
    hint=gettext_lazy(
        "Terminals that trust only what was served before refuse the communication server until they have the new root."
    ),
    cause=gettext_lazy("An administrator has decided that what the database says replaces what was served."),
    consequence=NEW_ROOT,
    remedy=BRING_ALONG,
)
TAKEN_OVER_BY_ITSELF = EventKind(
    "store_taken_over_at_the_end",
    Severity.CRITICAL,
    gettext_lazy(
        "The files of the communication server, which this database did not know, were replaced from the database, because"
        " nobody had decided and what was served was about to end: generation %(number)s is served now."
    ),
    hint=gettext_lazy(
        "Terminals that trust only what was served before refuse the communication server until they have the new root."
    ),
    cause=gettext_lazy(
        "Nobody decided about a store that this database did not know, and what was served was about to end."
    ),
    consequence=NEW_ROOT,
    remedy=BRING_ALONG,
)
STORE_OURS_NOW = EventKind(
    "store_ours_now",
    Severity.SERIOUS,
    gettext_lazy(
        "%(person)s has decided that this installation writes the store from now on. No pair has been published yet: what is"
        " served stays until the first one is generated."
    ),
    cause=gettext_lazy("An administrator has decided so, and this database has no pair yet."),
    consequence=gettext_lazy(
        "Calls go on until what is served ends. The first pair is served at once, and telephones that lack it can't call then."
    ),
    remedy=gettext_lazy("Generate the first pair at an hour at which telephones can be seen to."),
)
NOT_ADOPTED = EventKind(
    "store_not_adopted",
    Severity.CRITICAL,
    gettext_lazy("What is served could not be taken into the history, as %(person)s had decided. The page says why."),
    hint=gettext_lazy("Read there why, mend the files, or have them replaced from the database."),
    cause=gettext_lazy(
        "What is served is no whole pair, not valid now, or one that this database has discarded or withdrawn."
    ),
    consequence=gettext_lazy(
        "Calls go on until what is served ends. Nothing is renewed, switched or handed out until somebody decides again."
    ),
)
UNKNOWN_PRESENTED = EventKind(
    "unknown_certificate_presented",
    Severity.CRITICAL,
    gettext_lazy(
        "The files of the communication server were gone and are published again with generation %(number)s, but %(address)s"
        " presents a valid certificate that this database does not know. The database may be an older copy: at its next start"
        " the server will present another certificate."
    ),
    hint=gettext_lazy("Restore a newer copy of the data directory before the communication server is restarted."),
    cause=gettext_lazy(
        "The store was empty, and the communication server still holds a certificate that a newer database has made."
    ),
    consequence=gettext_lazy(
        "Calls go on until the communication server is restarted. From then on telephones that trust only the newer pair refuse"
        " it."
    ),
)


def served_until(situation: Situation) -> datetime | None:
    """When what is served ends; where its certificate can't be read, the active pair of the database. None without both."""
    host = situation.store.store.found_host("current")
    return host.not_valid_after_utc + timedelta(seconds=1) if host is not None else situation.active_end


def decided_at(situation: Situation) -> datetime | None:
    """When the database is published without a person's decision; None where it has no pair to publish."""
    end = served_until(situation)
    if end is None or situation.active is None:
        return None
    if not situation.is_valid(situation.active):
        # What is served is better until it ends.
        return end
    if situation.standing is StoreStanding.OLDER:
        return lifetime.last_chance(end=end, overlap_made_with=situation.active.overlap)
    return end - ANOTHER_WOULD_HAVE_RENEWED


def order_decision(clock: Clock, decision: Decision, *, by: str, reason: str = "") -> StoreDecision:
    """A person decides about the store as it is now; the next round carries it out. Raises StateRefused."""
    situation = Situation.load(clock)
    if not situation.standing.rests:
        raise StateRefused(_("The store is this installation's: there is nothing to decide."))
    if decision is Decision.ADOPT:
        # Raises NotAdoptable where it is not possible.
        Adoption.of(situation)
    return _order(situation, decision, by=by, reason=reason)


def _order(situation: Situation, decision: Decision, *, by: str, reason: str = "") -> StoreDecision:
    about, at = _named(situation.store.mark), situation.clock.machine
    values = {"decision": decision, "by": by, "reason": reason[:500], "ordered_at": at, **about}
    return StoreDecision.objects.update_or_create(defaults=values)[0]


def _named(mark: StoreMark | None) -> dict[str, str | int]:
    return {"installation": mark.installation if mark else "", "change": mark.change if mark else 0}


def decide(situation: Situation, server: CommunicationServer, terminals: Terminals) -> bool:
    """Decide about a store that this database does not know, if it is time. Returns whether the store is this database's
    from now on; otherwise nothing has been changed. The caller holds its lock and has read the situation since. Raises
    StoreError or SealingError.
    """
    order = StoreDecision.objects.filter(**_named(situation.store.mark)).first()
    if order is not None and order.decision == Decision.FROM_DATABASE:
        _publish_from_database(situation, server, order)
        return True
    if order is not None or situation.standing is StoreStanding.OLDER:
        try:
            said = {"by": order.by, "reason": order.reason} if order else {}
            adoption.adopt(situation, terminals, **said)
        except NotAdoptable as error:
            logger.warning("what is served is not adopted: %s", error)
            if order is not None:
                order.delete()
                told = Notice(NOT_ADOPTED, subject=order.ordered_at.isoformat(), params={"person": order.by})
                events.tell(told, now=situation.clock.machine)
        else:
            adopted = Situation.load(situation.clock, settings=situation.settings, store=server.store)
            server.store.publish(adopted.publication(), adopted.new_mark())
            if order is not None:
                order.delete()
            return True
    at = decided_at(situation)
    if at is None or not situation.clock.has_passed(at, active_end=served_until(situation)):
        return False
    # As an order, so that whoever goes on after a crash does not adopt what has just been turned, and forget the reload.
    _publish_from_database(situation, server, _order(situation, Decision.FROM_DATABASE, by=""))
    return True


def _publish_from_database(situation: Situation, server: CommunicationServer, order: StoreDecision) -> None:
    """Replace what is served by what the database says, and have the server load it. The mark comes last: until then all of
    it is done again after a crash.
    """
    now, active, subject = situation.clock.machine, situation.active, order.ordered_at.isoformat()
    mark = situation.new_mark()
    if active is None:
        events.tell(Notice(STORE_OURS_NOW, subject=subject, params={"person": order.by}), now=now)
    else:
        server.store.publish(situation.publication())
        server.reload()
        kind = STORE_TAKEN_OVER if order.by else TAKEN_OVER_BY_ITSELF
        events.tell(Notice(kind, subject=subject, params={"number": active.number, "person": order.by}), now=now)
    server.store.write_mark(mark)
    order.delete()


def lost_by_publishing(situation: Situation) -> list[str]:
    """What `publish --from-database` deletes: the directories of pairs whose key exists nowhere else, the served one first."""
    store = situation.store.store
    known = set(Generation.objects.exclude(host_sha256="").values_list("host_sha256", flat=True))
    served = store.found_host("current")
    lost = []
    for name in store.directories_with_key():
        host = store.found_host(name)
        if host is None or found.sha256(host) not in known:
            lost.append(name)
    if served is not None:
        lost.sort(key=lambda name: store.found_host(name) != served)
    return lost


def tell_of_unknown_certificates(situation: Situation) -> None:
    """Before an empty store is filled: whether the server still presents what this database does not know."""
    active, clock = situation.active, situation.clock
    if active is None:
        return
    for address, seen in look_at_tls_addresses(situation.general.tls_addresses).items():
        if not seen.reached or Generation.objects.filter(host_sha256=seen.sha256).exists():
            continue
        certificate = x509.load_der_x509_certificate(seen.certificate)
        if clock.within(certificate.not_valid_before_utc, certificate.not_valid_after_utc + timedelta(seconds=1)):
            params = {"number": active.number, "address": address}
            events.tell(
                Notice(UNKNOWN_PRESENTED, subject=f"{address} {seen.sha256}"[:128], params=params), now=clock.machine
            )
