"""The settings of the delivery."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from pbxcerts.system import sealing
from pbxcerts.system.database.versioned import SettingsOvertaken
from pbxcerts.system.models import Role
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.sealing import SealingError
from pbxcerts.system.users.access import RoleNeeded, logged_in_user
from pbxcerts.system.wake_worker import wake_worker
from terminals.directory import kept_passwords
from terminals.forms.delivery import DeliveryForm
from terminals.models import DeliverySettings


@sensitive_post_parameters("account_password")
@require_http_methods(["GET", "HEAD", "POST"])
def delivery(request: HttpRequest) -> HttpResponse:
    administers = logged_in_user(request).may(Role.ADMINISTER)
    posted = request.method == "POST"
    if posted and not administers:
        raise RoleNeeded(Role.ADMINISTER)
    form = DeliveryForm(typed(request), row=DeliverySettings.load())
    if not administers:
        form.make_read_only()
    if posted and form.is_valid() and _saved(request, form):
        return redirect("terminals:delivery:settings")
    return render(request, "terminals/delivery.html", {"form": form})


def _saved(request: HttpRequest, form: DeliveryForm) -> bool:
    """Whether it is done; otherwise the form says why not."""
    before, after = form.servers
    try:
        with transaction.atomic():
            changed = DeliverySettings.store(
                form.parameters | _sealed(form.password), expected_version=form.cleaned_data["version"]
            )
            kept_passwords.forget(kept_passwords.lost_by_server(before, after))
    except SettingsOvertaken as overtaken:
        form.compare_with(overtaken.row)
        return False
    except SealingError as error:
        form.add_error("account_password", str(error))
        return False
    if changed:
        # A network that is named now may prove what was fetched before.
        wake_worker()
        messages.success(request, form.applied(changed))
    else:
        messages.info(request, _("Nothing has changed."))
    return True


def _sealed(password: str | None) -> dict[str, Any]:
    """As the row keeps it. Raises SealingError."""
    if password is None:
        return {}
    return {"account_password": sealing.seal(password.encode()) if password else None}
