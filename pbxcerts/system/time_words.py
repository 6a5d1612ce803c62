"""Instants and lengths of time, as people speak of them."""

from datetime import datetime, timedelta

from django.utils import formats, timezone
from django.utils.translation import ngettext


def moment(instant: datetime) -> str:
    """An instant in the reader's language and the installation's time zone."""
    return formats.date_format(timezone.localtime(instant), "DATETIME_FORMAT")


def day(instant: datetime) -> str:
    """The day of an instant, in figures."""
    return formats.date_format(timezone.localtime(instant), "SHORT_DATE_FORMAT")


def span(length: timedelta) -> str:
    """A length of time in the unit in which people speak of it, rounded down; less than a minute counts as none."""
    minutes = int(length.total_seconds()) // 60
    if minutes < 60:
        return ngettext("%(count)s minute", "%(count)s minutes", minutes) % {"count": minutes}
    if minutes < 48 * 60:
        return ngettext("%(count)s hour", "%(count)s hours", minutes // 60) % {"count": minutes // 60}
    days = minutes // (24 * 60)
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}


def days(count: int) -> str:
    return ngettext("%(count)s day", "%(count)s days", count) % {"count": count}
