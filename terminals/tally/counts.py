"""What is read of the tallies (rule tally): each a query over a few rows, whatever the number of terminals."""

from django.db.models import Q, QuerySet, Sum

from certificates.models import Generation
from pbxcerts.system.database.prepared import prepared_values
from terminals.tally.models import InstallationTally, TerminalTally

ANY = Q()


def enabled_terminals(of_type: Q = ANY) -> int:
    """How many enabled terminals there are; `of_type`: which types count, by the names that a terminal knows them by."""
    if of_type is ANY:
        return sum(count for (count,) in _all_enabled())
    found = TerminalTally.objects.filter(of_type, enabled=True).aggregate(total=Sum("count"))
    return found["total"] or 0


@prepared_values
def _all_enabled() -> QuerySet[TerminalTally, tuple[int]]:
    """By type."""
    return TerminalTally.objects.filter(enabled=True).order_by().values_list("count")


@prepared_values
def enabled_by_method() -> QuerySet[TerminalTally, tuple[str, bool, int]]:
    """By method, and whether they hold only one certificate, how many enabled terminals there are."""
    rows = TerminalTally.objects.filter(enabled=True, count__gt=0).order_by()
    return rows.values_list("type__method", "type__holds_only_one").annotate(terminals=Sum("count"))


def terminals(which: Q = ANY) -> int:
    """How many terminals there are, enabled or not."""
    return TerminalTally.objects.filter(which).aggregate(total=Sum("count"))["total"] or 0


def installations(generation: Generation | int | None, which: Q = ANY) -> int:
    """How many enabled terminals have an installation of this generation."""
    return InstallationTally.objects.filter(which, generation=generation).of_enabled_terminals().total()


def unproved(generation: int) -> int:
    """How many enabled terminals have a trust file of this generation that nobody knows who fetched."""
    return sum(count for (count,) in _unproved(generation))


@prepared_values
def _unproved(generation: int) -> QuerySet[InstallationTally, tuple[int]]:
    rows = InstallationTally.objects.filter(generation=generation, unproved=True)
    return rows.of_enabled_terminals().order_by().values_list("count")


def all_have_one(generation: Generation, of_type: Q = ANY) -> bool:
    """Whether every enabled terminal has an installation of this generation."""
    return installations(generation, of_type) >= enabled_terminals(of_type)


def trust_something_else(active: Generation) -> bool:
    """Whether there may be an enabled terminal that trusts a pair which was served some day, and not the active one
    (rule cut-off): only then they have to be looked for.
    """
    trusting = dict(_trusting())
    of_active = trusting.pop(active.number, 0)
    return any(trusting.values()) and of_active < enabled_terminals()


@prepared_values
def _trusting() -> QuerySet[InstallationTally, tuple[int, int]]:
    """By generation that was served some day, how many enabled terminals trust it."""
    rows = InstallationTally.objects.filter(trusted=True, generation__activated_at__isnull=False)
    return rows.of_enabled_terminals().order_by().values_list("generation").annotate(terminals=Sum("count"))


def terminals_by_type(which: Q) -> dict[int, int]:
    """By type, how many such terminals there are."""
    rows = TerminalTally.objects.filter(which).order_by()
    return dict(rows.values_list("type").annotate(terminals=Sum("count")).filter(terminals__gt=0))


def by_type(generation: Generation | int | None, which: Q) -> dict[int, int]:
    """By type, how many enabled terminals have such an installation of this generation."""
    rows = InstallationTally.objects.filter(which, generation=generation).of_enabled_terminals().order_by()
    return dict(rows.values_list("type").annotate(terminals=Sum("count")).filter(terminals__gt=0))
