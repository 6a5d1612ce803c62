from datetime import timedelta

from django import template
from django.utils.translation import gettext as _

from pbxcerts.system.clock_words import signed_seconds

register = template.Library()


@register.filter
def seconds(span: timedelta) -> str:
    """An offset of the clock in seconds."""
    return _("%(seconds)s s") % {"seconds": signed_seconds(span)}
