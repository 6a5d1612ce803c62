"""The history of the generations."""

from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from certificates.forms.history import GenerationFilter
from certificates.models import Generation
from certificates.status.history import GenerationAttempt, GenerationDetails, attempts

PER_PAGE = 25


@require_safe
def history(request: HttpRequest) -> HttpResponse:
    chosen = GenerationFilter(request.GET)
    wanted = chosen.cleaned_data if chosen.is_valid() else {}
    page = Paginator(attempts(wanted), PER_PAGE).get_page(request.GET.get("page"))
    query = urlencode({key: value for key, value in wanted.items() if value})
    lines = [GenerationAttempt(generation) for generation in page]
    return render(
        request, "certificates/history.html", {"filter": chosen, "page": page, "lines": lines, "query": query}
    )


@require_safe
def generation(request: HttpRequest, number: int) -> HttpResponse:
    found = get_object_or_404(Generation.objects.without_key(), number=number)
    return render(request, "certificates/generation.html", {"details": GenerationDetails(found)})
