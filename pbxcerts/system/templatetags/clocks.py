from datetime import timedelta

from django import template

from pbxcerts.system.time import clock_words

register = template.Library()


@register.filter
def off(offset: timedelta) -> str:
    """How a clock goes, beside the word "offset": "2 hours behind"."""
    return clock_words.off_beside_the_word(offset)


@register.filter
def moved(jump: timedelta) -> str:
    """By how much a clock was set: "2 hours back"."""
    return clock_words.moved(jump)
