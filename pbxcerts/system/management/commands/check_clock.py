"""`check_clock`: ask the NTP servers now."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from pbxcerts.system import clock_acceptance
from pbxcerts.system.clock_acceptance import AcceptanceRefused
from pbxcerts.system.commands import CommandFailed, CommandReport, NotNow, OperatorCommand, aligned, os_user
from pbxcerts.system.models import ClockCheck, General
from pbxcerts.system.time import clock_words, timekeeping


class Command(OperatorCommand):
    help = "Asks the NTP servers now and tells how far the clock of this machine can be trusted."
    # It leaves rows, no files.

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--accept",
            action="store_true",
            help="let the clock of this machine count, which somebody has set while no server could be asked",
        )

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        if options["accept"]:
            return self._accept()
        check = timekeeping.check_clock()
        clock = timekeeping.current_clock()
        answers = check.answers if check else []
        value = {"clock": clock_words.clock_value(clock, check.checked_at if check else None), "answers": answers}
        if check is not None and check.offset is None:
            raise CommandFailed(
                _("No NTP server gave an answer that counts: %(servers)s.")
                % {"servers": "; ".join(f"{answer['server']}: {_outcome(answer)}" for answer in answers)},
                code="unanswered",
                value=value,
            )
        said = [str(clock_words.STATES[clock.state])]
        if check is not None:
            said.append(aligned(_row(check, answer) for answer in answers))
        return CommandReport("\n".join(said), value)

    @staticmethod
    def _accept() -> CommandReport:
        try:
            clock_acceptance.accept(by=os_user())
        except AcceptanceRefused as refused:
            raise NotNow(str(refused), code="clock") from refused
        value = {"clock": clock_words.clock_value(timekeeping.current_clock(), None), "answers": []}
        return CommandReport(_("The clock of this machine counts now."), value)


def _row(check: ClockCheck, answer: dict[str, Any]) -> tuple[str, str, str]:
    if answer["offset_seconds"] is None:
        return answer["server"], _outcome(answer), ""
    offset = _("%(off)s, stratum %(stratum)s") % {
        "off": clock_words.off(timedelta(seconds=answer["offset_seconds"])),
        "stratum": answer["stratum"],
    }
    return answer["server"], offset, _("(this one counts)") if answer["server"] == check.server else ""


def _outcome(answer: dict[str, Any]) -> str:
    return str(clock_words.OUTCOMES.get(answer["outcome"], answer["outcome"]))
