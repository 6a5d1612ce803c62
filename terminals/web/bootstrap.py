"""Bootstrap windows: for some minutes named terminals fetch their files over plain HTTP (rule bootstrap-window)."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.events import EventKind, Notice
from pbxcerts.system.models import Severity
from terminals.evidence import recording
from terminals.evidence.facts import LoggedEvent
from terminals.models import Terminal
from terminals.web.models import BootstrapWindow

MINUTES_AT_MOST = 240

OPENED = EventKind(
    "bootstrap_window_opened",
    Severity.NORMAL,
    _("%(by)s has let terminals fetch their files over plain HTTP until %(until)s: %(who)s."),
    cause=_("A person has opened the bootstrap window, for telephones that have no root yet."),
    consequence=_(
        "None for calls. While it is open, whoever is in the network can read or change what these terminals fetch."
    ),
    remedy=_("Nothing: it closes by itself. Close it as soon as the terminals are set up."),
    instants=("until",),
)
CLOSED = EventKind(
    "bootstrap_window_closed",
    Severity.NORMAL,
    _("%(by)s has closed the bootstrap window before its time."),
    cause=_("A person has closed it."),
    consequence=_("None for calls. Telephones that have no root yet can no longer fetch their files."),
    remedy=_("Nothing. Open another window if a terminal is still missing."),
)


def open_window(terminals: Collection[Terminal] | None, *, minutes: int, by: str, now: datetime) -> BootstrapWindow:
    """Open a window for these terminals, or for all where None is given; `minutes` from 1 to MINUTES_AT_MOST."""
    until = now + timedelta(minutes=minutes)
    with transaction.atomic():
        window = BootstrapWindow.objects.create(
            opened_at=now, closes_at=until, opened_by=by, all_terminals=terminals is None
        )
        window.terminals.set(terminals or [])
        who = "*" if terminals is None else ", ".join(sorted(terminal.number for terminal in terminals))
        params = {"by": by, "until": until.isoformat(), "who": who}
        recording.log([LoggedEvent(Notice(OPENED, subject=str(window.pk), params=params), now)])
    return window


def close_window(key: int, *, by: str, now: datetime) -> bool:
    """Close a window. Returns whether it was open."""
    with transaction.atomic():
        closed = BootstrapWindow.objects.filter(pk=key, closes_at__gt=now).update(closes_at=now)
        if closed:
            recording.log([LoggedEvent(Notice(CLOSED, subject=str(key), params={"by": by}), now)])
    return bool(closed)


def windows_open_at(now: datetime) -> QuerySet[BootstrapWindow]:
    return BootstrapWindow.objects.filter(opened_at__lte=now, closes_at__gt=now).prefetch_related("terminals")
