"""Instants and lengths of time, as people speak of them and as scripts read them."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from django.utils import dateformat, formats, timezone
from django.utils.translation import get_language, ngettext


def moment(instant: datetime) -> str:
    """An instant in the reader's language and the installation's time zone."""
    return _written(instant, "DATETIME_FORMAT")


def short_moment(instant: datetime) -> str:
    """The same in figures."""
    return _written(instant, "SHORT_DATETIME_FORMAT")


def day(instant: datetime) -> str:
    """The day of an instant, in figures."""
    return _written(instant, "SHORT_DATE_FORMAT")


def _written(instant: datetime, form: str) -> str:
    local = instant.astimezone(timezone.get_current_timezone())
    try:
        return f"{local.hour:02}:{local.minute:02}".join(_around_clock_time(local.date(), form, get_language()))
    except TypeError:
        # The language writes the time of day in another way.
        return formats.date_format(local, form)


@lru_cache(maxsize=1000)
def _around_clock_time(on: date, form: str, language: str | None) -> tuple[str, ...]:
    """What stands before and after hour and minute: the same all day, and much the dearest about an instant."""
    return tuple(dateformat.format(on, part) for part in formats.get_format(form, language).split("H:i"))


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


def utc(instant: datetime | None) -> str | None:
    """ISO 8601 in UTC, for scripts: 2026-11-23T01:00:00Z."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if instant else None
