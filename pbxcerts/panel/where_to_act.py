"""Where a person acts on what a message says: a view, and the words of the button that leads there."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

GENERATE = ("certificates:generate", _("Generate now"))
CERTIFICATES = ("certificates:overview", _("Self-signed certificates"))
SERVER = ("certificates:server", _("Communication server"))
CALL_PROOF = ("certificates:call_proof", _("Proof by call"))
STORE = ("certificates:store", _("Decide about the store"))
CLOCK = ("system:general", _("Look at the clock"))
NAMES = ("system:general", _("Names and addresses"))
BACKUP = ("system:general", _("Backup"))
ROLLOUT = ("terminals:rollout:overview", _("Rollout"))
WORK_LIST = ("terminals:work_list:list", _("Work list"))
TYPES = ("terminals:types:types", _("Terminal types"))
DESTINATIONS = ("system:events_destinations", pgettext_lazy("view", "Destinations"))
MACHINES = ("system:machines", _("Machines"))
EVENTS = ("system:events", _("Event messages"))

PLACES: dict[str, tuple[str, Promise]] = {
    **dict.fromkeys(["no_generation", "names_missing", "interval_lengthened"], GENERATE),
    **dict.fromkeys(
        [
            *("pair_ends", "pair_ended", "pair_ended_corrected", "pair_not_yet_valid", "withdrawn_served"),
            *("handover_waits", "handover_waits_alone", "deadline_near", "names_prepared"),
            *("deadline_held", "pair_held", "pair_rolled_back", "generation_failed"),
            *("publish_failed", "key_lost", "files_differ", "modes_wide", "clock_last_chance"),
        ],
        CERTIFICATES,
    ),
    **dict.fromkeys(["presents_other", "switch_unproved"], SERVER),
    **dict.fromkeys(["call_proof_tls", "call_proof_sip", "call_proof_media", "call_proof_interrupted"], CALL_PROOF),
    **dict.fromkeys(["store_older", "store_foreign", "store_unreadable"], STORE),
    **dict.fromkeys(
        [
            *("clock_off", "clock_unanswered", "clock_wrong", "clock_far_off", "clock_inexact"),
            *("clock_disagree", "clock_jumped"),
        ],
        CLOCK,
    ),
    **dict.fromkeys(["no_names", "address_gone"], NAMES),
    **dict.fromkeys(["backup_late", "backup_missing", "backup_beside_data"], BACKUP),
    **dict.fromkeys(
        [
            *("rollout_stopped", "rollout_paused", "terminals_cut_off", "terminals_failed", "terminals_absent"),
            *("fetches_unproved", "several_addresses", "address_differs", "same_address"),
            "deadline_held_by_terminals",
        ],
        ROLLOUT,
    ),
    **dict.fromkeys(["manual_left", "manual_due", "lists_full"], WORK_LIST),
    **dict.fromkeys(["checking_not_back", "checking_waits", "emptying_not_back", "emptying_waits"], TYPES),
    "configuration_folder_without_name": NAMES,
    **dict.fromkeys(
        ["publisher_silent", "nobody_publishes", "machine_silent", "second_store", "two_of_one_machine"], MACHINES
    ),
    **dict.fromkeys(["destination_fails", "delivery_given_up", "watchdog_unanswered"], DESTINATIONS),
}
"""By the id of the kind of message. Nobody acts in the panel on the others: they tell what has happened, or are mended on the
machine."""


ORDERS = (GENERATE, STORE)
"""Views of those who may give orders."""


@dataclass(frozen=True)
class PlaceToAct:
    url: str
    words: str
    gives_orders: bool


def place_of(kind: str) -> PlaceToAct | None:
    """None where a person acts elsewhere, or has nothing to do."""
    if kind not in PLACES:
        return None
    name, words = PLACES[kind]
    return PlaceToAct(reverse(name), str(words), gives_orders=PLACES[kind] in ORDERS)
