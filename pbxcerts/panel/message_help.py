"""What each event message means and what to do about it, made from the code that sends it."""

import re
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pbxcerts import event_kinds
from pbxcerts.panel.where_to_act import PlaceToAct, place_of
from pbxcerts.system.events import EventKind

PLACEHOLDER = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class KindHelp:
    """The texts of a kind; where a message holds a value, they hold an ellipsis."""

    kind: EventKind

    @property
    def text(self) -> str:
        return PLACEHOLDER.sub("…", str(self.kind.text))

    @property
    def remedy(self) -> str:
        return PLACEHOLDER.sub("…", str(self.kind.remedy or self.kind.hint))

    @property
    def cleared(self) -> str:
        return PLACEHOLDER.sub("…", str(self.kind.cleared))

    @property
    def place(self) -> PlaceToAct | None:
        return place_of(self.kind.id)


@require_safe
def message_help(request: HttpRequest) -> HttpResponse:
    kinds = [KindHelp(kind) for kind in event_kinds.every_kind()]
    return render(request, "system/message_help.html", {"kinds": kinds})
