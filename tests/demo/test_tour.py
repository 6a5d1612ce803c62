"""Which step of the tour it is, told from what is seen."""

import pytest

from certificates.models import Switch
from pbxcerts.demo.communication_server import Conduct
from pbxcerts.demo.stage import Stage
from pbxcerts.demo.tour import Scene, Seen, TourStep, scene_of, step_of
from terminals.models import Installation
from tests.terminals.pages.conftest import english, fleet, mixed, world, yealink

__all__ = ["english", "fleet", "mixed", "world", "yealink"]

RENEWED = {"served_renewal": True}
FAILED = {**RENEWED, "came_back": True}
KEEPS = {"conduct": Conduct.KEEPS}


@pytest.mark.parametrize(
    ("seen", "step", "scene"),
    [
        ({}, TourStep.GENERATE, Scene.GENERATE),
        ({"pending": True, "automatic_left": 2, "by_hand_left": 1}, TourStep.ROLLOUT, Scene.ROLLOUT),
        ({"pending": True, "by_hand_left": 1}, TourStep.HAND_WORK, Scene.HAND_WORK),
        ({"pending": True}, TourStep.SWITCH, Scene.SWITCH),
        ({"switching": True}, TourStep.SWITCH, Scene.SWITCH),
        ({"pending": True, "held": True, "came_back": True, **KEEPS}, TourStep.SWITCH, Scene.MEND_AND_SWITCH),
        (RENEWED, TourStep.FAILURE, Scene.BREAK),
        ({**RENEWED, **KEEPS}, TourStep.FAILURE, Scene.GENERATE_AGAIN),
        ({**RENEWED, "conduct": Conduct.FAILS, "pending": True}, TourStep.FAILURE, Scene.HURRY),
        ({**RENEWED, **KEEPS, "switching": True}, TourStep.FAILURE, Scene.LOOK),
        ({**FAILED, **KEEPS, "pending": True, "held": True}, TourStep.ROLL_BACK, Scene.MEND),
        ({**FAILED, "pending": True, "held": True}, TourStep.ROLL_BACK, Scene.ROLL_BACK),
        ({**FAILED, "switching": True}, TourStep.ROLL_BACK, Scene.BACK),
        # It is tried again meanwhile.
        ({**FAILED, **KEEPS, "switching": True}, TourStep.ROLL_BACK, Scene.MEND),
        ({**FAILED, "rolled_back": True}, None, Scene.OVER),
    ],
)
def test_what_is_seen_says_the_step_and_what_there_is_to_do(seen, step, scene):
    assert (step_of(Seen(**seen)), scene_of(Seen(**seen))) == (step, scene)


def test_a_demonstration_that_begins_has_the_first_step(world, tmp_path):
    assert Seen.now(Stage.made_in(tmp_path)) == Seen()


def test_the_terminals_that_lack_the_prepared_pair_are_counted_by_who_brings_it(mixed, tmp_path):
    seen = Seen.now(Stage.made_in(tmp_path))

    assert (seen.pending, seen.automatic_left, seen.by_hand_left) == (True, 18, 3)


def test_before_the_first_heartbeat_all_are_missing_and_nobody_is_sent_to_the_work_list(mixed, tmp_path):
    Installation.objects.all().delete()

    seen = Seen.now(Stage.made_in(tmp_path))

    assert step_of(seen) is TourStep.ROLLOUT
    assert seen.automatic_left == 21


def test_a_switch_that_was_seen_ends_the_renewal_and_a_roll_back_the_tour(world, tmp_path):
    stage = Stage.made_in(tmp_path)
    world.generate()
    world.activate()
    assert not Seen.now(stage).served_renewal
    # This world has no server whose certificate could be seen.
    Switch.objects.update(outcome=Switch.Outcome.VERIFIED)
    assert Seen.now(stage).served_renewal

    world.roll_back()
    Switch.objects.update(outcome=Switch.Outcome.VERIFIED)

    assert Seen.now(stage).rolled_back
