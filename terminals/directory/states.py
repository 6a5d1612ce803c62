"""Where the delivery of the newest generation to a terminal may stand, and in which orders the list has them."""

from collections.abc import Mapping

from django.db.models import Case, F, FilteredRelation, Q, QuerySet, Value, When
from django.db.models.expressions import OrderBy
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from terminals.models import Installation, Terminal

DISABLED = "disabled"
NOT_YET = "not_yet"
DELIVERY_STATES: list[tuple[str, str | Promise]] = [
    *Installation.State.choices,
    (NOT_YET, _("not taken in yet")),
    (DISABLED, pgettext_lazy("terminal", "disabled")),
]
"""Where the delivery of the newest generation to a terminal may stand."""

BY_NEED = [
    Installation.State.FAILED.value,
    Installation.State.FULL.value,
    Installation.State.UNPROVED.value,
    Installation.State.ABSENT.value,
    NOT_YET,
    Installation.State.WAITING.value,
    Installation.State.DOWNLOADED.value,
    Installation.State.ASKED.value,
    Installation.State.HEARD.value,
    Installation.State.FETCHED.value,
    Installation.State.SKIPPED.value,
    Installation.State.CONFIRMED.value,
    DISABLED,
]
"""The states in their order: first those that may want a person."""

ORDERS: Mapping[str, tuple[str | OrderBy, ...]] = {
    "number": ("number",),
    "-number": ("-number",),
    "name": ("name", "number"),
    "-name": ("-name", "-number"),
    "type": ("type__name", "number"),
    "-type": ("-type__name", "-number"),
    "mac": (F("mac").asc(nulls_first=True), "number"),
    "-mac": (F("mac").desc(nulls_last=True), "-number"),
    # As text: no database orders addresses of both versions, with and without a port, at the price of a page.
    "address": ("address", "number"),
    "-address": ("-address", "-number"),
    "state": ("need", "number"),
    "-state": ("-need", "-number"),
    "contact": (F("last_contact").asc(nulls_first=True), "number"),
    "-contact": (F("last_contact").desc(nulls_last=True), "-number"),
}


def with_need(target: int | None) -> QuerySet[Terminal]:
    """`need`: the place of each one's state in BY_NEED, of this generation."""
    delivery = FilteredRelation("installations", condition=Q(installations__generation=target))
    delivered = [
        When(delivery__state=state, then=Value(place))
        for place, state in enumerate(BY_NEED)
        if state not in {NOT_YET, DISABLED}
    ]
    disabled = When(enabled=False, then=Value(BY_NEED.index(DISABLED)))
    need = Case(disabled, *delivered, default=Value(BY_NEED.index(NOT_YET)))
    return Terminal.objects.alias(delivery=delivery).alias(need=need)
