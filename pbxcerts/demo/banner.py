"""What every page of a demonstration shows above all else: that it is one, the step of the tour, and the buttons."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise, SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from certificates.renewal.situation import load_situation
from pbxcerts.demo.communication_server import Conduct
from pbxcerts.demo.stage import USER, Stage
from pbxcerts.demo.tour import Scene, Seen, TourStep, scene_of, step_of

SHOWN = "Pbxcerts-Banner"

CONDUCTS = {
    Conduct.WORKS: (_("It works."), _("Let it work")),
    Conduct.KEEPS: (_("It keeps its old certificate at a reload."), _("Let it keep its old certificate")),
    Conduct.FAILS: (_("It is not reached with a new certificate."), _("Let it not be reached")),
}

WORDS: dict[Scene, Promise] = {
    Scene.GENERATE: _(
        "Every telephone trusts the certificates that the communication server presents. Generate new ones and look at what the"
        " page says will happen."
    ),
    Scene.ROLLOUT: _(
        "The new pair is prepared beside the one that is served, and no call is touched. Telephones in service take it now, those"
        " that restart wait for the night: press “It is night” and watch the waves (left: %(automatic_left)s)."
    ),
    Scene.HAND_WORK: _(
        "The rest needs a person (left: %(by_hand_left)s). Unfold “By type” on the work list and confirm each, as if you had installed the"
        " file; or press “The deadline is here”: then the server does not wait for them."
    ),
    Scene.SWITCH: _(
        "The communication server is switched by itself when everybody is ready, or the deadline has come, and looked at: does it"
        " present the new certificate? That takes a few seconds."
    ),
    Scene.MEND_AND_SWITCH: _(
        "The switch failed, and the pair before is served again. Press “Let it work”, then activate the pair that is held."
    ),
    Scene.BREAK: _(
        "Now spoil a switch: press “Let it keep its old certificate”, as a server does that did not load its files."
    ),
    Scene.GENERATE_AGAIN: _("The server will keep its old certificate at the next switch. Generate once more."),
    Scene.HURRY: _(
        "Press “The deadline is here”: the server is switched although telephones are missing. Or bring them along as before."
    ),
    Scene.LOOK: _(
        "The server has not shown the new certificate. It is looked at for a minute, then the pair before is served again, which"
        " telephones still trust."
    ),
    Scene.MEND: _(
        "The pair before was served again by itself. Now mend the server: press “Let it work”. The switch is tried again by itself,"
        " or you roll back."
    ),
    Scene.ROLL_BACK: _(
        "Go back to the generation that was served before, and confirm it with the password %(password)s. Telephones trust a pair for as"
        " long as it is in the trust bundle."
    ),
    Scene.BACK: _("The communication server is being switched, and looked at. That takes a few seconds."),
    Scene.OVER: _(
        "That was a renewal with all that can happen to it. Everything goes on: break what you like, and look at the event messages."
    ),
}


@dataclass(frozen=True)
class Banner:
    """`seen`: None before somebody has logged in, and while the database is away. `back`: the page that it stands on. `user`: whom to
    log in as, "" where the page can't tell. `shown`: the key of the one that stands on the page of whoever asks for a part of it.
    """

    stage: Stage
    seen: Seen | None = None
    back: str = "/"
    user: str = USER
    shown: str = ""

    @property
    def has_moved(self) -> bool:
        """Whether the page that asks for a part of itself shows another one: then this one comes along. Else nobody loses the focus."""
        return self.shown not in {"", self.key}

    @property
    def password(self) -> str:
        return self.stage.password

    @cached_property
    def step(self) -> TourStep | None:
        return step_of(self.seen) if self.seen else None

    @property
    def steps(self) -> int:
        return len(TourStep)

    @cached_property
    def scene(self) -> Scene:
        return scene_of(self.seen) if self.seen else Scene.GENERATE

    @property
    def words(self) -> str:
        left = {"automatic_left": self.seen.automatic_left, "by_hand_left": self.seen.by_hand_left} if self.seen else {}
        return str(WORDS[self.scene]) % {"password": self.password, **left}

    @cached_property
    def target(self) -> str:
        """The page on which it is done; "" where a button of the banner does it."""
        match self.scene:
            case Scene.GENERATE | Scene.GENERATE_AGAIN:
                return reverse("certificates:generate")
            case Scene.ROLLOUT:
                return reverse("terminals:rollout:overview")
            case Scene.HAND_WORK:
                return reverse("terminals:work_list:list")
            case Scene.SWITCH | Scene.LOOK | Scene.BACK | Scene.MEND_AND_SWITCH:
                return reverse("certificates:overview")
            case Scene.ROLL_BACK:
                before = load_situation().served_before
                return reverse("certificates:roll_back", args=[before.number]) if before else ""
            case Scene.OVER:
                return reverse("system:events")
        return ""

    @property
    def conduct(self) -> str:
        """How the communication server takes the next reload, in words."""
        return str(CONDUCTS[self.seen.conduct][0]) if self.seen else ""

    @property
    def conducts(self) -> list[tuple[str, str]]:
        """The buttons that change it: value and label."""
        current = self.seen.conduct if self.seen else None
        return [(value.value, str(label)) for value, (_state, label) in CONDUCTS.items() if value is not current]

    @property
    def key(self) -> str:
        """Another one where the banner reads otherwise."""
        left = f"{self.seen.automatic_left}-{self.seen.by_hand_left}-{self.seen.conduct}" if self.seen else ""
        return f"{self.scene}-{left}"


def stage_of_this_demonstration() -> Stage:
    assert settings.DEMO is not None  # noqa: S101 - else this has no address and no context processor
    return Stage.read(settings.DEMO)


def mark() -> Banner:
    """That it is a demonstration, and nothing else: for the pages of errors, which read nothing."""
    return Banner(stage_of_this_demonstration(), user="")


def banner_of(request: HttpRequest) -> Banner:
    stage = stage_of_this_demonstration()
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return Banner(stage)
    htmx = getattr(request, "htmx", None)
    back = htmx.current_url_abs_path if htmx else request.get_full_path()
    try:
        return Banner(stage, Seen.now(stage), back or "/", shown=request.headers.get(SHOWN, ""))
    except DatabaseError:
        return Banner(stage)


def of_every_page(request: HttpRequest) -> dict[str, Any]:
    """Context processor, which only a demonstration has."""
    return {"demonstration": SimpleLazyObject(lambda: banner_of(request))}
