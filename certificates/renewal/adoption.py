"""A store that this database does not know: what is served is taken into the history (rules what-is-served-stays, adopting)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cryptography import x509
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.communication_server.errors import NoPair, PairFault
from certificates.communication_server.found import FoundPair
from certificates.models import Generation, Switch
from certificates.pki import formats, handover_times
from certificates.pki.identity import Identity
from certificates.pki.keys import key_type_of
from certificates.renewal import states
from certificates.renewal.handover import Terminals
from certificates.renewal.orders import StateRefused
from certificates.renewal.situation import Situation
from certificates.renewal.standing import StoreStanding, proved_pairs
from pbxcerts.system import events, sealing
from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Severity
from pbxcerts.system.sealing import SealingKeyLost

State = Generation.State

DAY = timedelta(days=1)

STORE_ADOPTED = EventKind(
    "store_adopted",
    Severity.CRITICAL,
    gettext_lazy(
        "The database was older than the files of the communication server. Generation %(number)s, which is served, was"
        " taken into the history; it stays in service. What has happened since the copy of the database was made is lost:"
        " settings, terminals, confirmations."
    ),
    hint=gettext_lazy("Check System / General and the terminals. They are asked again for this generation."),
    cause=gettext_lazy("An older copy of the data directory was started beside a store that a newer one had written."),
    consequence=gettext_lazy(
        "Calls go on: what is served stays. Wrong settings stay wrong, and terminals that were added since the copy get no new"
        " certificates."
    ),
)

FOREIGN_STORE_ADOPTED = EventKind(
    "foreign_store_adopted",
    Severity.CRITICAL,
    gettext_lazy(
        "%(person)s has taken generation %(number)s, which is served and was not known here, into the history. It stays in"
        " service; from now on this installation renews it."
    ),
    hint=gettext_lazy("Another installation that still runs over the same store must be stopped."),
    cause=gettext_lazy("An administrator has decided to keep what another installation had published."),
    consequence=gettext_lazy(
        "Calls go on. Where the other installation still runs, both write into one store, and telephones may be given"
        " certificates that are not served."
    ),
)


_FAULTS = {
    PairFault.UNREADABLE: gettext_lazy("%(file)s is missing or can't be read: what is served is no whole pair."),
    PairFault.KEY: gettext_lazy("%(file)s is not the key of the host certificate that is served."),
    PairFault.SIGNATURE: gettext_lazy("%(file)s was not signed by the root certificate that lies beside it."),
}


class NotAdoptable(StateRefused):
    """What is served can't be taken into the history. The message is for a person."""


@dataclass(frozen=True)
class Adoption:
    """What is found in the store: the pair that is served, the one that waits beside it, and which certificates the trust
    bundle holds.
    """

    current: FoundPair
    following: FoundPair | None
    bundle: frozenset[str]
    withdrawn: frozenset[str]

    @classmethod
    def of(cls, situation: Situation, *, by_a_person: bool = True) -> Adoption:
        """Raises NotAdoptable. Nobody being asked, each pair must be one that the database knows, or that the mark proves to be
        this installation's: who can only write into the store must not have a pair of his own trusted by telephones.
        """
        store, mark = situation.store.store, situation.store.mark
        withdrawn = frozenset(mark.withdrawn) if mark else frozenset()
        try:
            current = store.found_pair("current")
        except NoPair as error:
            raise NotAdoptable(str(_FAULTS[error.fault]) % {"file": error.file}) from error
        if not situation.clock.within(current.not_before, current.end):
            raise NotAdoptable(_("The pair that is served is not valid now."))
        known = _known(current)
        proved = proved_pairs(mark) if mark else frozenset()
        if known is None and not by_a_person and current.host_sha256 not in proved:
            raise NotAdoptable(_("Nothing proves that this installation has made the pair that is served."))
        if known is not None and known.state in {State.DISCARDED, State.WITHDRAWN}:
            raise NotAdoptable(
                _("The pair that is served is generation %(number)s, which this database has discarded or withdrawn.")
                % {"number": known.number}
            )
        try:
            following = store.found_pair("next")
        except NoPair:
            following = None
        if following is not None and (
            not (by_a_person or following.host_sha256 in proved or _known(following) is not None)
            or following.host_sha256 in {current.host_sha256, *withdrawn}
            or not situation.clock.within(following.not_before, following.end)
        ):
            following = None
        return cls(current, following, store.found_bundle(), withdrawn)


def _known(found: FoundPair) -> Generation | None:
    return Generation.objects.filter(host_sha256=found.host_sha256).first()


def adopt(situation: Situation, terminals: Terminals, *, by: str = "", reason: str = "") -> Generation:
    """Make the database say what the store shows, and tell it. The caller holds the lock of the store, has read the
    situation since, and publishes afterwards, which marks the store. It may be repeated. Raises NotAdoptable or
    SealingError.
    """
    adoption = Adoption.of(situation, by_a_person=bool(by))
    now = situation.clock.best
    with transaction.atomic():
        active = _Taking(situation, adoption, by=by, reason=reason).run()
        terminals.begin_anew()
    events.tell(_told(situation, active, by), now=now)
    return active


def _told(situation: Situation, active: Generation, by: str) -> Notice:
    """Once for each mark, however often it takes until the store is marked anew."""
    kind = STORE_ADOPTED if situation.standing is StoreStanding.OLDER else FOREIGN_STORE_ADOPTED
    mark = situation.store.mark
    subject = f"{mark.installation[:8]} {mark.change} {mark.changed_at}" if mark else active.host_sha256
    return Notice(kind, subject=subject[:128], params={"number": active.number, "person": by})


class _Taking:
    """One adoption, in a transaction: first whoever is in the way leaves, then who is found takes the place."""

    def __init__(self, situation: Situation, adoption: Adoption, *, by: str, reason: str) -> None:
        self._situation = situation
        self._found = adoption
        self._now = situation.clock.best
        self._says: dict[str, Any] = {"now": self._now, "by": by, "why": states.ADOPTED, "reason": reason}
        self._schedule = situation.settings.schedule

    def run(self) -> Generation:
        self._end_what_runs()
        self._withdraw()
        self._clear_pending()
        before = self._make_room()
        active = self._take_current(before)
        self._take_following(active)
        return active

    def _end_what_runs(self) -> None:
        """What the copy of the database was about to do, its successor has done, or has not."""
        Switch.objects.running().update(
            outcome=Switch.Outcome.REFUSED, reload_failure="overtaken", finished_at=self._now, running=None
        )
        for row in Generation.objects.being_made():
            states.move(row, State.FAILED, failure=Generation.FAILED_OVERTAKEN, failed_at=self._now, **self._says)

    def _withdraw(self) -> None:
        """A withdrawn pair must not come back as trusted because the database has forgotten why it went."""
        forgotten = Generation.objects.made().filter(host_sha256__in=self._found.withdrawn, withdrawn_at=None)
        for row in forgotten.exclude(host_sha256=self._found.current.host_sha256):
            states.move(row, State.WITHDRAWN, withdrawn_at=self._now, **self._says)

    def _clear_pending(self) -> None:
        """One that the store does not show any more was replaced or discarded."""
        found = {self._found.current.host_sha256}
        if self._found.following is not None:
            found.add(self._found.following.host_sha256)
        for row in Generation.objects.pending().exclude(host_sha256__in=found):
            states.move(row, State.DISCARDED, discarded_at=self._now, **self._says)

    def _make_room(self) -> Generation | None:
        """Let the active pair leave, if another is served. Returns it where terminals still trust it."""
        active = Generation.objects.active().first()
        current, following = self._found.current, self._found.following
        if active is None or active.host_sha256 == current.host_sha256:
            return None
        if following is not None and active.host_sha256 == following.host_sha256:
            deadline = handover_times.deadline_after_roll_back(
                self._schedule,
                now=self._now,
                active_end=current.end,
                planned=active.plan.planned,
                end=active.plan.end,
            )
            held = Generation.Held.ROLLED_BACK
            states.move(active, State.HELD, held_because=held, deadline=deadline, switch_failures=0, **self._says)
            return None
        trusted = active.root_sha256 in self._found.bundle
        leaves = min(active.plan.end, self._now + self._schedule.overlap) if trusted else self._now
        states.move(active, State.SUPERSEDED, leaves_bundle_at=leaves, **self._says)
        return active if trusted else None

    def _take_current(self, before: Generation | None) -> Generation:
        current = self._found.current
        known = _known(current)
        changes: dict[str, Any] = {
            "activated_at": self._now,
            "held_because": "",
            "leaves_bundle_at": None,
            "deadline": None,
        }
        if before is not None:
            changes["took_over_from_id"] = before.number
        mark = self._situation.store.mark
        if mark is not None:
            # What came before it since the copy nobody else knows (rule places-of-anchors).
            changes["rank"] = mark.ranks.get(current.host_sha256)
        if current.host_sha256 in self._found.withdrawn and (known is None or known.withdrawn_at is None):
            # Served until another is, and replaced at once (rule withdraw).
            changes["withdrawn_at"] = self._now
        if known is None:
            row = self._new(current, replaces=before.number if before else 0)
            for field, value in changes.items():
                setattr(row, field, value)
            states.take_in(row, State.ACTIVE, now=self._now, by=row.by, reason=self._says["reason"])
            return row
        if known.state != State.ACTIVE:
            states.move(known, State.ACTIVE, **changes, **self._says)
        elif "withdrawn_at" in changes:
            Generation.objects.filter(number=known.number).update(withdrawn_at=self._now)
            states.remark(known, now=self._now, by="", why=states.ADOPTED, reason="")
        self._keep_key(known, current)
        return known

    def _take_following(self, active: Generation) -> None:
        following = self._found.following
        if following is None or ((known := _known(following)) is not None and not known.pending):
            return
        if known is not None:
            self._keep_key(known, following)
            return
        row = self._new(following, replaces=active.number)
        row.deadline = handover_times.deadline(
            self._schedule, made_at=self._now, active_end=active.plan.end, overlap=self._schedule.overlap
        )
        states.take_in(row, State.PREPARED, now=self._now, by=row.by, reason=self._says["reason"])

    def _new(self, found: FoundPair, *, replaces: int) -> Generation:
        """A row for a pair that the database does not know. Its slot is one that nobody else can have."""
        plan = self._schedule.plan_found(not_before=found.not_before, end=found.end)
        number, identity = self._number(found), Identity.of(found.host)
        addresses = tuple(map(str, identity.addresses))
        interval, overlap = (round(span / DAY) for span in (plan.planned - plan.made_at, plan.end - plan.planned))
        return Generation(
            number=number,
            replaces=replaces,
            instead_of=number,
            trigger=Generation.Trigger.ADOPTED,
            by=self._says["by"],
            reason=self._says["reason"][:500],
            ordered_at=self._now,
            started_at=self._now,
            made_at=plan.made_at,
            not_before=plan.not_before,
            planned=plan.planned,
            end=plan.end,
            interval_days=min(max(interval, 1), 3650),
            overlap_days=min(overlap, 90),
            key_type=key_type_of(found.host.public_key()),
            addresses_as_dns=any(text in _dns_names(found.host) for text in addresses),
            dns_names=list(identity.dns_names),
            ip_addresses=list(addresses),
            root_pem=formats.pem(found.root).decode(),
            host_pem=formats.pem(found.host).decode(),
            root_sha256=found.root_sha256,
            host_sha256=found.host_sha256,
            host_key=sealing.seal(found.host_key.reveal()),
        )

    def _number(self, found: FoundPair) -> int:
        """That of its directory, or where this database has given that to another pair, one above all."""
        if found.number and not Generation.objects.filter(number=found.number).exists():
            return found.number
        mark = self._situation.store.mark
        last = Generation.objects.aggregate(last=Max("number"))["last"] or 0
        return max(last, mark.highest if mark else 0, self._situation.store.store.highest_number()) + 1

    @staticmethod
    def _keep_key(known: Generation, found: FoundPair) -> None:
        """Where the key list lacks the key of the copy, the published host key takes its place."""
        try:
            if known.host_key is not None:
                sealing.unseal(known.host_key)
                return
        except SealingKeyLost:
            pass
        Generation.objects.filter(number=known.number).update(
            host_key=sealing.seal(found.host_key.reveal()), key_deleted_at=None
        )


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)
