"""Which stored passwords a change of a type or of the settings of the delivery deletes (rule kept-password). What a change of
one terminal does to its own says `terminals.answer_target`.
"""

from django.db.models import Q, QuerySet

from terminals.answer_target import NotifyServer
from terminals.batches import one_writer
from terminals.models import DeliverySettings, NotifyWays, Terminal, TerminalType

_WITH_PASSWORD = Q(sip_password__isnull=False)
_THROUGH_SERVER = Q(way=NotifyWays.SERVER) | Q(way="", type__way=NotifyWays.SERVER)


def lost_by_way(kind: TerminalType, before: str, after: str) -> QuerySet[Terminal]:
    """The terminals that lose theirs where the way of their type becomes another one."""
    if not kind.pk or before == after or after != NotifyWays.DIRECT:
        return Terminal.objects.none()
    return Terminal.objects.filter(_WITH_PASSWORD, type=kind, way="")


def lost_by_server(before: NotifyServer, after: NotifyServer) -> QuerySet[Terminal]:
    """The terminals that lose theirs where the communication server, or how it is reached, becomes another one."""
    lost = Q(pk__in=[])
    if before.domain != after.domain:
        lost |= Q(sip_realm="")
    if before.endpoint != after.endpoint and not after.proves_itself:
        lost |= _THROUGH_SERVER
    return Terminal.objects.filter(_WITH_PASSWORD & lost)


def number() -> int:
    """How many passwords are stored, that of the account among them."""
    account = DeliverySettings.objects.exclude(account_password=None)
    return Terminal.objects.filter(_WITH_PASSWORD).count() + account.count()


def forget(terminals: QuerySet[Terminal]) -> int:
    """How many were deleted."""
    with one_writer():
        # By their keys: no database changes rows that it finds by way of another table.
        return Terminal.objects.filter(pk__in=terminals.values("pk")).update(sip_password=None)


def follow_server(before: NotifyServer, after: NotifyServer) -> int:
    """The communication server has become another one: forget what its answers would give away, the password of the account
    too. How many terminals lost theirs.
    """
    if before == after:
        return 0
    DeliverySettings.objects.exclude(account_password=None).update(account_password=None)
    return forget(lost_by_server(before, after))
