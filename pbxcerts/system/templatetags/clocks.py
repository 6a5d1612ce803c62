from datetime import timedelta

from django import template

from pbxcerts.system import clock_words

register = template.Library()


@register.filter
def off(offset: timedelta) -> str:
    """How a clock goes: "2 hours behind"."""
    return clock_words.off(offset)


@register.filter
def moved(jump: timedelta) -> str:
    """By how much a clock was set: "2 hours back"."""
    return clock_words.moved(jump)
