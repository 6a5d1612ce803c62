"""The help page of each view of the tree: its text is a template by the code of the view, its parameters are read off the forms."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from certificates.call_proof.models import CallProofSettings
from certificates.forms.call_proof import CallProofForm
from certificates.forms.history import GenerationFilter
from certificates.forms.orders import DeadlineForm, GenerateForm, WithdrawForm
from certificates.forms.settings import SettingsForm
from certificates.models import Settings
from certificates.pki.handover_times import LAST_DAY
from certificates.status.observing import LOOKED_AT_EVERY
from certificates.status.warnings import HEARTBEAT_LATE
from pbxcerts.event_kinds import every_kind
from pbxcerts.panel.help.parameters import ParametersOf
from pbxcerts.panel.help.terms import TERMS, Term
from pbxcerts.panel.message_help import KindHelp
from pbxcerts.panel.tree import View, every_view
from pbxcerts.panel.where_to_act import PLACES
from pbxcerts.system.forms.events import EventFilter
from pbxcerts.system.forms.general import GeneralForm
from pbxcerts.system.forms.users import NewUserForm, UserForm
from pbxcerts.system.machines.roster import SILENT_AFTER
from pbxcerts.system.models import General, User
from pbxcerts.system.notifications.forms import AppriseForm, EmailForm, SyslogForm, WatchdogForm, WebhookForm
from pbxcerts.system.notifications.models import Destination
from pbxcerts.system.time.time_words import span
from terminals.directory.csv import csv_files
from terminals.drivers.registry import drivers
from terminals.forms.bootstrap import WindowForm
from terminals.forms.delivery import DeliveryForm
from terminals.forms.imports import UploadForm
from terminals.forms.terminals import TerminalFilter, TerminalForm
from terminals.forms.types import TypeForm
from terminals.forms.work_list import WorkListFilter
from terminals.models import DeliverySettings, Terminal, TerminalType

_FILTER = gettext_lazy("Filter of the list")
PARAMETERS: dict[str, tuple[ParametersOf, ...]] = {
    "sc": (
        ParametersOf("settings", gettext_lazy("Settings"), SettingsForm, Settings),
        ParametersOf("generate", gettext_lazy("Generate now"), GenerateForm),
        ParametersOf("deadline", gettext_lazy("Move the deadline"), DeadlineForm),
        ParametersOf("withdraw", gettext_lazy("Withdraw a pair"), WithdrawForm),
    ),
    "pc": (ParametersOf("settings", gettext_lazy("Settings"), CallProofForm, CallProofSettings),),
    "hi": (ParametersOf("filter", _FILTER, GenerationFilter),),
    "te": (
        ParametersOf("filter", _FILTER, TerminalFilter),
        ParametersOf("terminal", gettext_lazy("A terminal"), TerminalForm, Terminal),
        ParametersOf("import", gettext_lazy("Import CSV"), UploadForm),
    ),
    "tt": (ParametersOf("type", gettext_lazy("A terminal type"), TypeForm, TerminalType),),
    "wl": (ParametersOf("filter", _FILTER, WorkListFilter),),
    "de": (ParametersOf("settings", gettext_lazy("Settings"), DeliveryForm, DeliverySettings),),
    "bw": (ParametersOf("window", gettext_lazy("Open a window"), WindowForm),),
    "ge": (ParametersOf("settings", gettext_lazy("Settings"), GeneralForm, General),),
    "us": (
        ParametersOf("new", gettext_lazy("Add user"), NewUserForm, User),
        ParametersOf("user", gettext_lazy("Change a user"), UserForm, User),
    ),
    "ev": (ParametersOf("filter", _FILTER, EventFilter),),
    "ds": (
        ParametersOf("email", Destination.Kind.EMAIL.label, EmailForm, Destination),
        ParametersOf("syslog", Destination.Kind.SYSLOG.label, SyslogForm, Destination),
        ParametersOf("webhook", Destination.Kind.WEBHOOK.label, WebhookForm, Destination),
        ParametersOf("apprise", Destination.Kind.APPRISE.label, AppriseForm, Destination),
        ParametersOf("watchdog", gettext_lazy("Watchdog outside"), WatchdogForm),
    ),
}
"""By the code of the view; the others have nothing to enter."""

WORDS = {
    "ov": ("generation", "pair", "deadline"),
    "sc": (
        "pair",
        "generation",
        "handover",
        "overlap",
        "deadline",
        "waited-for",
        "bundle",
        "roll-back",
        "withdraw",
        "heartbeat",
    ),
    "cs": ("communication-server", "store", "switch"),
    "pc": ("proof-by-call", "communication-server", "switch", "roll-back"),
    "hi": ("generation", "pair", "reason"),
    "te": ("terminal", "delivery-method", "device-token", "disabled"),
    "tt": ("delivery-method", "event-string", "notification", "bundle"),
    "ro": ("rollout", "wave", "confirmed", "unproved", "restart-window"),
    "wl": ("work-list", "personal-link", "confirmed", "notification"),
    "rt": ("proof-by-call", "switch", "communication-server", "terminal"),
    "de": ("notification", "restart-window", "wave", "communication-server"),
    "bw": ("bootstrap-window", "restart-window"),
    "ge": ("communication-server", "machine"),
    "ma": ("machine", "publish", "heartbeat", "store"),
    "us": ("disabled",),
    "ev": ("event-message", "acknowledge", "destination"),
    "ds": ("destination", "event-message", "watchdog"),
    "wm": ("event-message", "acknowledge"),
}
"""The terms that a reader of a view needs first, by its code."""


def facts() -> dict[str, str | int]:
    """What the texts say of times and limits, from where it is decided."""
    return {
        "late": span(HEARTBEAT_LATE),
        "silent": span(SILENT_AFTER),
        "look_every": span(LOOKED_AT_EVERY),
        "answers_within": span(max(driver.capabilities.answers_within for driver in drivers().values())),
        "last_day": span(LAST_DAY),
        "csv_lines": csv_files.OF_A_PAGE.lines,
        "csv_megabytes": csv_files.OF_A_PAGE.megabytes,
    }


@dataclass(frozen=True)
class HelpPage:
    view: View

    @property
    def url(self) -> str:
        return reverse("help_view", args=(self.view.code,))

    @property
    def title(self) -> str:
        return _("Help: %(view)s") % {"view": self.view.title}

    @property
    def template(self) -> str:
        return f"help/views/{self.view.code}.html"

    @property
    def parameters(self) -> tuple[ParametersOf, ...]:
        return PARAMETERS.get(self.view.code, ())

    @property
    def terms(self) -> list[Term]:
        named = {term.name: term for term in TERMS}
        return [named[name] for name in WORDS.get(self.view.code, ())]

    @property
    def messages(self) -> list[KindHelp]:
        """The event messages on which a person acts in this view, the worst first."""
        here = {kind for kind, (url_name, _words) in PLACES.items() if url_name == self.view.url_name}
        return [KindHelp(kind) for kind in every_kind() if kind.id in here]


def every_page() -> list[HelpPage]:
    return [HelpPage(view) for view in every_view()]
