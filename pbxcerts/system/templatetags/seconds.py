from datetime import timedelta

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def seconds(span: timedelta) -> str:
    """A span in seconds with its sign, to the millisecond where it is short: an offset of the clock."""
    value = span.total_seconds()
    digits = 3 if abs(value) < 60 else 0
    sign = "\N{MINUS SIGN}" if round(value, digits) < 0 else "+"
    return _("%(seconds)s s") % {"seconds": sign + number_format(abs(value), digits)}
