"""`destinations`: who is told of event messages, by the pages' own rules."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext as _

from pbxcerts.system.commands import (
    CommandFailed,
    CommandReport,
    OperatorCommand,
    WrongUse,
    aligned,
    local,
)
from pbxcerts.system.models import General
from pbxcerts.system.notifications import queue, sending
from pbxcerts.system.notifications.forms import FORMS, DestinationForm
from pbxcerts.system.notifications.models import Delivery, Destination
from pbxcerts.system.time import timekeeping
from pbxcerts.system.time.time_words import utc

TEST_TAKES_AT_MOST = sending.LIMIT + 15
SECRETS = {"password", "url"}


class Command(OperatorCommand):
    help = "Shows, adds, removes and tests the destinations of event messages."
    writes = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        orders = parser.add_subparsers(dest="order", required=True, metavar="ORDER")
        listing = orders.add_parser("list", help="all of them, and how it goes")
        adding = orders.add_parser("add", help="add one")
        adding.add_argument("kind", choices=list(FORMS))
        adding.add_argument(
            "assignments",
            nargs="+",
            metavar="NAME=VALUE",
            help="as the page has them; lists with commas; name=… at least",
        )
        adding.add_argument(
            "--secrets", action="store_true", help="read password=… or url=… from standard input, a line each"
        )
        removing = orders.add_parser("remove", help="remove one")
        testing = orders.add_parser("test", help="send a test and wait for what comes of it")
        for one in (removing, testing):
            one.add_argument("destination", help="its name, or its number in the list")
        for one in (listing, adding, removing, testing):
            # Behind the order too, where one types it.
            one.add_argument("--json", action="store_true", dest="json_behind", help="one JSON object on stdout")

    def act(self, general: General, options: dict[str, Any]) -> CommandReport:
        options["as_json"] = options["as_json"] or options.get("json_behind", False)
        match options["order"]:
            case "list":
                return _listed()
            case "add":
                return self._added(general, options)
            case "remove":
                found = _destination(options["destination"])
                value = {"destination": as_json(found)}
                found.delete()
                return CommandReport(_("The destination “%(name)s” has been removed.") % {"name": found}, value)
            case _:
                return _tested(_destination(options["destination"]))

    def _added(self, general: General, options: dict[str, Any]) -> CommandReport:
        values = _parsed(options["assignments"])
        if misplaced := SECRETS & values.keys():
            # The arguments of a command can be read by every user of the machine.
            raise WrongUse(
                _("“%(name)s” is a secret: give it on standard input, with --secrets.") % {"name": min(misplaced)},
                code="usage",
            )
        if options["secrets"]:
            values |= _parsed([line.rstrip("\r\n") for line in sys.stdin if line.strip()])
        form = _form(options["kind"], general, values)
        if not form.is_valid():
            errors = {name: [str(one) for one in found] for name, found in form.errors.items()}
            said = [f"{name}: {' '.join(sentences)}" for name, sentences in errors.items()]
            raise WrongUse("\n".join(said), code="value", value={"errors": errors})
        found = form.save(commit=False)
        found.digested_on = queue.today(general, timekeeping.now())
        secret = queue.new_secret(found) if found.kind == Destination.Kind.WEBHOOK else ""
        queue.begin_with(found)
        text = _("The destination “%(name)s” has been added. Now send a test.") % {"name": found}
        value: dict[str, Any] = {"destination": as_json(found)}
        if secret:
            value["secret"] = secret
            text += "\n" + _("Its secret, shown only this once: %(secret)s") % {"secret": secret}
        return CommandReport(text, value)


def _form(kind: str, general: General, values: dict[str, str]) -> DestinationForm:
    """What is not named is as on the empty page."""
    blank = FORMS[kind](instance=Destination(kind=kind, language=general.language))
    typed: dict[str, Any] = {name: blank[name].value() for name in blank.fields}
    if unknown := values.keys() - typed.keys():
        raise WrongUse(
            _("There is no setting “%(name)s”; there are: %(names)s.")
            % {"name": min(unknown), "names": ", ".join(typed)},
            code="value",
        )
    for name, value in values.items():
        is_off = value.strip().lower() in {"false", "off", "no", "0", ""}
        typed[name] = not is_off if isinstance(blank[name].value(), bool) else value
    return FORMS[kind](typed, instance=Destination(kind=kind, language=general.language))


def _parsed(assignments: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            # What was typed may be a secret.
            raise WrongUse(
                _("“%(argument)s” is not of the form NAME=VALUE.") % {"argument": f"{assignment[:3]}…"}, code="usage"
            )
        values[name] = value
    return values


def _destination(named: str) -> Destination:
    found = Destination.objects.filter(name=named).first()
    if found is None and named.isdecimal() and len(named) < 10:
        found = Destination.objects.filter(pk=int(named)).first()
    if found is None:
        raise WrongUse(_("There is no destination “%(name)s”.") % {"name": named}, code="value")
    return found


def _tested(found: Destination) -> CommandReport:
    if not found.enabled:
        raise CommandFailed(_("The destination “%(name)s” is not in use.") % {"name": found}, code="state")
    delivery = queue.test(found, timekeeping.read_machine())
    sending.start()
    end = time.monotonic() + TEST_TAKES_AT_MOST
    while delivery.state == Delivery.State.WAITING and time.monotonic() < end:
        time.sleep(0.2)
        delivery.refresh_from_db()
    value = {"destination": as_json(found), "fault": delivery.fault or None}
    if delivery.state != Delivery.State.DELIVERED or delivery.fault:
        why = delivery.fault_text or _(
            "The process that sends has not come to an end. The log of pbxcerts may say why."
        )
        raise CommandFailed(why, code=delivery.fault or "sender", value=value)
    return CommandReport(_("The message was taken. See whether it has arrived."), value)


def _listed() -> CommandReport:
    found = list(Destination.objects.all())
    if not found:
        return CommandReport(_("There is no destination: nobody is told."), {"destinations": []})
    header = ("", _("Name"), _("Kind"), _("Where"), _("Severity"), _("Delivered"), _("State"))
    rows = [
        (
            str(one.pk),
            one.name,
            one.get_kind_display(),
            one.where,
            one.get_least_severity_display(),
            local(one.delivered_at),
            one.fault_text or (_("in use") if one.enabled else _("not in use")),
        )
        for one in found
    ]
    return CommandReport(aligned([header, *rows]), {"destinations": [as_json(one) for one in found]})


def as_json(found: Destination) -> dict[str, Any]:
    """No secret is in it."""
    return {
        "id": found.pk,
        "name": found.name,
        "kind": found.kind,
        "enabled": found.enabled,
        "where": found.where,
        "options": found.options,
        "least_severity": found.least_severity,
        "language": found.language,
        "timing": found.timing,
        "digest_at": f"{found.digest_at:%H:%M}",
        "positive": found.positive,
        "in_advance": found.in_advance,
        "failures": found.failures,
        "fault": found.fault or None,
        "delivered_at": utc(found.delivered_at),
    }
