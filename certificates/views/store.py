"""A store that this database does not know: a person decides. The worker carries it out (rule what-is-served-stays)."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from certificates.forms.orders import StoreForm
from certificates.models import StoreDecision
from certificates.renewal import deciding
from certificates.renewal.orders import PairOrderRefused
from certificates.status.page import CertificateStatus
from certificates.status.unknown_store import UnknownStore
from pbxcerts.system.models import Role
from pbxcerts.system.pages.kept_entries import typed
from pbxcerts.system.users.access import logged_in_user, needs
from pbxcerts.system.wake_worker import wake_worker


@needs(Role.ADMINISTER)
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: HttpRequest) -> HttpResponse:
    status = CertificateStatus.load()
    store = UnknownStore(status.situation)
    posted = request.method == "POST"
    if not store.standing.rests or (posted and request.POST.get("seen") != store.seen):
        messages.warning(request, _("What stands in the store has changed meanwhile. Nothing has been done."))
        return redirect("certificates:overview")
    form = StoreForm(typed(request), request=request)
    if posted and form.is_valid():
        decision = StoreDecision.Decision(form.cleaned_data["decision"])
        by, reason = logged_in_user(request).get_username(), form.cleaned_data["reason"]
        try:
            deciding.order_decision(status.clock, decision, by=by, reason=reason)
        except PairOrderRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            wake_worker()
            messages.success(request, _("It is ordered, and done in a moment."))
            return redirect("certificates:overview")
    return render(request, "certificates/store.html", {"form": form, "store": store, "status": status})
