"""The tree of views as the navigation shows it: each view has its title and its code of two letters, as an administrator of the PBX
is used to (`=ge` in the search box leads to System / General).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from pbxcerts.system.models import Role, User
from pbxcerts.system.pages.frame import may, section_of


@dataclass(frozen=True)
class View:
    """`section`: what `pbxcerts.system.pages.frame` calls the pages that belong to it; "" where it has none of its own. `below`: how the
    names of its pages begin where their section is that of another view.
    """

    code: str
    title: str | Promise
    url_name: str
    section: str = ""
    views: tuple[View, ...] = ()
    role: Role = Role.VIEW
    below: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return reverse(self.url_name)


@dataclass(frozen=True)
class Branch:
    title: str | Promise
    views: tuple[View, ...] = field(default=())


TREE = (
    Branch("", (View("ov", _("Overview"), "home", "home"),)),
    Branch(
        _("Configuration"),
        (
            View(
                *("sc", _("Self-signed certificates"), "certificates:overview", "certificates"),
                views=(
                    View("cs", _("Communication server"), "certificates:server"),
                    View("pc", _("Proof by call"), "certificates:call_proof"),
                    View("hi", _("History"), "certificates:history", below=("certificates:generation",)),
                ),
            ),
            View(
                *("te", _("Terminals"), "terminals:terminals", "terminals"),
                views=(
                    View("tt", _("Terminal types"), "terminals:types:types", "types"),
                    View("ro", _("Rollout"), "terminals:rollout:overview", "rollout"),
                    View("wl", _("Work list"), "terminals:work_list:list", "work_list"),
                    View("rt", _("Registered telephones"), "terminals:registered"),
                    View("de", _("Delivery"), "terminals:delivery:settings", "delivery"),
                    View("bw", _("Bootstrap"), "terminals:bootstrap:windows", "bootstrap"),
                ),
            ),
        ),
    ),
    Branch(
        _("System"),
        (
            View("ge", pgettext_lazy("view", "General"), "system:general", "general"),
            View("ma", _("Machines"), "system:machines", "machines"),
            View("us", _("Users"), "system:users", "users", role=Role.ADMINISTER),
            View(
                *("ev", _("Event messages"), "system:events", "events"),
                views=(
                    View(
                        *("ds", pgettext_lazy("view", "Destinations"), "system:events_destinations"),
                        below=("system:events_destination", "system:events_watchdog"),
                    ),
                    View("wm", pgettext_lazy("view", "Meaning"), "system:events_meaning"),
                ),
            ),
        ),
    ),
)


def every_view() -> list[View]:
    return [found for branch in TREE for view in branch.views for found in (view, *view.views)]


def of_every_page(request: HttpRequest) -> dict[str, Any]:
    """Context processor: the tree, its open entry, and what this person may not see."""
    user = getattr(request, "user", None)
    return {"tree": TREE, "open_view": _open_view(request), "hidden_views": hidden_from(user)}


def hidden_from(user: User | AnonymousUser | None) -> set[str]:
    """The codes of the views that need more than this person's role."""
    return {
        view.code for view in every_view() if view.role is not Role.VIEW and (user is None or not may(user, view.role))
    }


def _open_view(request: HttpRequest) -> str:
    """The code of the view that is open: the one at this very address, else the one that it is below, else the one whose section
    it belongs to.
    """
    section = section_of(request)
    if not section:
        return ""
    name = _name_of(request)
    here = [view for view in every_view() if view.url_name == name]
    below = [view for view in every_view() if view.below and name.startswith(view.below)]
    belongs = [view for view in every_view() if view.section == section]
    return next((view.code for view in (*here, *below, *belongs)), "")


def _name_of(request: HttpRequest) -> str:
    match = request.resolver_match
    return match.view_name if match is not None else ""
