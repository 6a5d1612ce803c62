"""The proof by call: what came of the last ones, its settings, and the button."""

from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from certificates.call_proof import orders, words
from certificates.call_proof.models import CallProofSettings, newest_proofs
from certificates.call_proof.words import ProofReport
from certificates.forms.call_proof import CallProofForm
from certificates.models import Generation
from certificates.renewal.orders import PairOrderRefused, roll_back_target
from certificates.renewal.situation import load_situation
from pbxcerts.system import sealing
from pbxcerts.system.database.versioned import SettingsOvertaken
from pbxcerts.system.models import Role
from pbxcerts.system.pages.frame import general_of
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.sealing import SealingError
from pbxcerts.system.time import timekeeping
from pbxcerts.system.users.access import RoleNeeded, logged_in_user
from pbxcerts.system.wake_worker import wake_worker


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def call_proof(request: HttpRequest) -> HttpResponse:
    administers = logged_in_user(request).may(Role.ADMINISTER)
    posted = request.method == "POST"
    if posted and not administers:
        raise RoleNeeded(Role.ADMINISTER)
    form = CallProofForm(typed(request), row=CallProofSettings.load())
    if not administers:
        form.make_read_only()
    if posted and form.is_valid() and _saved(request, form):
        return redirect("certificates:call_proof")
    return render(request, "certificates/call_proof.html", {"form": form, **_newest(request), **_way_back()})


@require_safe
def newest(request: HttpRequest) -> HttpResponse:
    """The part of the page that asks again while a proof is under way."""
    return render(request, "certificates/_call_proof_newest.html", _newest(request) | {"polled": True})


@require_POST
def prove(request: HttpRequest) -> HttpResponse:
    user = logged_in_user(request)
    if not user.may(Role.OPERATE):
        raise RoleNeeded(Role.OPERATE)
    active = Generation.objects.active_to_read()
    if active is None or not general_of(request).tls_addresses:
        messages.error(request, words.why_not(has_pair=active is not None))
    elif orders.order_by_person(active.number, timekeeping.now(), by=user.get_username()):
        wake_worker()
    else:
        messages.info(request, _("A proof is under way already."))
    return redirect("certificates:call_proof")


def _newest(request: HttpRequest) -> dict[str, Any]:
    reports = [ProofReport(proof) for proof in newest_proofs()]
    active = Generation.objects.active_to_read()
    hindrance = "" if active and general_of(request).tls_addresses else words.why_not(has_pair=active is not None)
    return {"newest": reports[0] if reports else None, "earlier": reports[1:], "hindrance": hindrance}


def _way_back() -> dict[str, Any]:
    """The pair to which one can roll back; none while a switch runs."""
    with suppress(PairOrderRefused):
        situation = load_situation()
        return {"before": None if situation.switch else roll_back_target(situation)}
    return {"before": None}


def _saved(request: HttpRequest, form: CallProofForm) -> bool:
    """Whether it is done; otherwise the form says why not."""
    try:
        with transaction.atomic():
            changed = CallProofSettings.store(
                form.parameters | _sealed(form.new_password), expected_version=form.cleaned_data["version"]
            )
            if changed & {"user", "password", "domain"}:
                # It may be taken now.
                CallProofSettings.objects.update(refused=False)
    except SettingsOvertaken as overtaken:
        form.compare_with(overtaken.row)
        return False
    except SealingError as error:
        form.add_error("password", str(error))
        return False
    if changed:
        messages.success(request, form.applied(changed))
    else:
        messages.info(request, _("Nothing has changed."))
    return True


def _sealed(password: str | None) -> dict[str, Any]:
    """As the row keeps it. Raises SealingError."""
    if password is None:
        return {}
    return {"password": sealing.seal(password.encode()) if password else None}
