"""`check_clock`: ask the NTP servers now."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from certificates.status_value import clock_value
from pbxcerts.system import clock_words, timekeeping
from pbxcerts.system.commands import Failed, OperatorCommand, Report, aligned
from pbxcerts.system.models import ClockCheck, General


class Command(OperatorCommand):
    help = "Asks the NTP servers now and tells how far the clock of this machine can be trusted."
    # It leaves rows, no files.
    writes = False

    def act(self, general: General, options: dict[str, Any]) -> Report:
        check = timekeeping.check_clock()
        clock = timekeeping.current_clock()
        answers = check.answers if check else []
        value = {"clock": clock_value(clock, check.checked_at if check else None), "answers": answers}
        if check is not None and check.offset is None:
            raise Failed(
                _("No NTP server gave an answer that counts: %(servers)s.")
                % {"servers": "; ".join(f"{answer['server']}: {_outcome(answer)}" for answer in answers)},
                code="unanswered",
                value=value,
            )
        said = [str(clock_words.STATES[clock.state])]
        if check is not None:
            said.append(aligned(_row(check, answer) for answer in answers))
        return Report("\n".join(said), value)


def _row(check: ClockCheck, answer: dict[str, Any]) -> tuple[str, str, str]:
    if answer["offset_seconds"] is None:
        return answer["server"], _outcome(answer), ""
    offset = _("offset %(seconds)s s, stratum %(stratum)s") % {
        "seconds": clock_words.signed_seconds(timedelta(seconds=answer["offset_seconds"])),
        "stratum": answer["stratum"],
    }
    return answer["server"], offset, _("(this one counts)") if answer["server"] == check.server else ""


def _outcome(answer: dict[str, Any]) -> str:
    return str(clock_words.OUTCOMES.get(answer["outcome"], answer["outcome"]))
