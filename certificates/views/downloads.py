"""Certificates as files."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from certificates import downloads
from certificates.downloads import File, Format, Kind, NothingToDownload
from certificates.models import Generation
from certificates.status import load_situation
from pbxcerts.system.models import General


@require_safe
def of_situation(request: HttpRequest, kind: Kind, form: Format) -> HttpResponse:
    """Of the pair that is handed out now, or the trust bundle in force."""
    try:
        return _attachment(downloads.of_situation(load_situation(), kind, form))
    except NothingToDownload as error:
        raise Http404 from error


@require_safe
def of_generation(request: HttpRequest, number: int, kind: Kind, form: Format) -> HttpResponse:
    pair = get_object_or_404(Generation.objects.defer("host_key"), number=number)
    try:
        return _attachment(downloads.of_pair(pair, kind, form, site_name=General.load().site_name))
    except NothingToDownload as error:
        raise Http404 from error


def _attachment(file: File) -> HttpResponse:
    disposition = content_disposition_header(as_attachment=True, filename=file.name)
    return HttpResponse(
        file.content,
        content_type=file.media_type,
        headers={"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"},
    )
