"""What a person orders of a rollout."""

import pytest

from terminals.models import Installation, Terminal
from terminals.rollout import orders
from terminals.rollout.rounds import reconcile_rollouts
from tests.support.generations import DAY


@pytest.mark.parametrize(
    ("holds", "trusted"),
    [
        ({"trust_format": "pem"}, {1, 2}),
        ({"trust_format": "der", "wants": "root"}, {2}),
        ({"holds_only_one": True}, {2}),
    ],
)
def test_a_person_confirms_what_the_file_of_the_type_holds(fleet, world, holds, trusted):
    [desk] = fleet.add(of=fleet.type("By hand", "sip_standard", **holds))
    world.after(DAY).generate()
    world.activate()
    reconcile_rollouts(world.situation)

    assert orders.confirm(world.situation, Terminal.objects.all(), generation=2, by="otto", at=world.now) == 1

    confirmed = Installation.objects.filter(terminal=desk.terminal, confirmed_at__isnull=False)
    assert set(confirmed.values_list("generation", flat=True)) == trusted


def test_where_no_file_is_small_enough_a_person_has_found_another_way(fleet, world):
    fleet.add(of=fleet.type("Tiny", "sip_standard", size_limit=300))
    reconcile_rollouts(world.situation)

    assert orders.confirm(world.situation, Terminal.objects.all(), generation=1, by="otto", at=world.now) == 1
    assert Installation.objects.get().state == "confirmed"
