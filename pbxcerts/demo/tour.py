"""The guided tour: six steps of a renewal, told from what is seen. Nothing is kept, so whoever does them in another order is
not lost.
"""

import enum
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _

from certificates.models import Generation, Switch
from pbxcerts.demo.communication_server import Conduct, conduct_of
from pbxcerts.demo.stage import Stage
from terminals.models import Installation, Terminal

FIRST_GENERATION = 1
"""The one that a demonstration begins with."""


class TourStep(models.IntegerChoices):
    GENERATE = 1, _("Generate")
    ROLLOUT = 2, _("Watch the rollout")
    HAND_WORK = 3, _("Hand work")
    SWITCH = 4, _("The switch")
    FAILURE = 5, _("A switch that fails and comes back")
    ROLL_BACK = 6, _("Back to the generation before")


class Scene(enum.StrEnum):
    """What there is to do now within a step; each has its words in `banner.py`."""

    GENERATE = "generate"
    ROLLOUT = "rollout"
    HAND_WORK = "hand_work"
    SWITCH = "switch"
    MEND_AND_SWITCH = "mend_and_switch"
    BREAK = "break"
    GENERATE_AGAIN = "generate_again"
    HURRY = "hurry"
    LOOK = "look"
    MEND = "mend"
    ROLL_BACK = "roll_back"
    BACK = "back"
    OVER = "over"


@dataclass(frozen=True)
class Seen:
    """`served_renewal`: the server was once seen with another pair than the first; `came_back`: a switch failed and was taken
    back; `rolled_back`: a roll back was seen. The numbers are of terminals that lack the prepared pair.
    """

    conduct: Conduct = Conduct.WORKS
    pending: bool = False
    held: bool = False
    switching: bool = False
    automatic_left: int = 0
    by_hand_left: int = 0
    served_renewal: bool = False
    came_back: bool = False
    rolled_back: bool = False

    @classmethod
    def now(cls, stage: Stage) -> "Seen":
        pending = Generation.objects.pending().first()
        over = Switch.objects.over()
        verified, came_back = (
            over.filter(outcome=Switch.Outcome.VERIFIED),
            over.filter(outcome=Switch.Outcome.WENT_BACK),
        )
        automatic = by_hand = 0
        if pending is not None:
            rows = Installation.objects.of(pending).of_enabled_terminals()
            automatic = rows.in_waves().unsettled().count()
            by_hand = rows.by_hand().unsettled().count()
            if not rows.exists():
                # The first heartbeat gives them their places.
                automatic = Terminal.objects.concerned_by(pending).count()
        return cls(
            conduct=conduct_of(stage),
            pending=pending is not None,
            held=pending is not None and pending.state == Generation.State.HELD,
            switching=Switch.objects.running().exists(),
            automatic_left=automatic,
            by_hand_left=by_hand,
            served_renewal=verified.filter(to__gt=FIRST_GENERATION).exists(),
            came_back=came_back.exists(),
            rolled_back=verified.filter(why=Switch.Why.ROLL_BACK).exists(),
        )


def step_of(seen: Seen) -> TourStep | None:
    """None where the tour is over."""
    if not seen.served_renewal:
        if seen.switching or seen.held:
            return TourStep.SWITCH
        if not seen.pending:
            return TourStep.GENERATE
        if seen.automatic_left:
            return TourStep.ROLLOUT
        return TourStep.HAND_WORK if seen.by_hand_left else TourStep.SWITCH
    if not seen.came_back:
        return TourStep.FAILURE
    return None if seen.rolled_back else TourStep.ROLL_BACK


def scene_of(seen: Seen) -> Scene:
    match step_of(seen):
        case TourStep.GENERATE:
            return Scene.GENERATE
        case TourStep.ROLLOUT:
            return Scene.ROLLOUT
        case TourStep.HAND_WORK:
            return Scene.HAND_WORK
        case TourStep.SWITCH:
            return Scene.MEND_AND_SWITCH if seen.held and not seen.switching else Scene.SWITCH
        case TourStep.FAILURE:
            return _failing(seen)
        case TourStep.ROLL_BACK:
            if seen.conduct is not Conduct.WORKS:
                return Scene.MEND
            return Scene.BACK if seen.switching else Scene.ROLL_BACK
        case None:
            return Scene.OVER


def _failing(seen: Seen) -> Scene:
    if seen.switching:
        return Scene.LOOK
    if seen.conduct is Conduct.WORKS:
        return Scene.BREAK
    return Scene.HURRY if seen.pending else Scene.GENERATE_AGAIN
