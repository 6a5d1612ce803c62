"""Certificates as files."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from certificates import downloads
from certificates.downloads import DownloadFile, DownloadFormat, DownloadKind, NothingToDownload
from certificates.models import Generation
from certificates.renewal.situation import load_situation
from pbxcerts.system.models import General


@require_safe
def of_situation(request: HttpRequest, kind: DownloadKind, form: DownloadFormat) -> HttpResponse:
    """A file of the pair to download, or the trust bundle in force."""
    try:
        return _attachment(downloads.of_situation(load_situation(), kind, form))
    except NothingToDownload as error:
        raise Http404 from error


@require_safe
def of_generation(request: HttpRequest, number: int, kind: DownloadKind, form: DownloadFormat) -> HttpResponse:
    pair = get_object_or_404(Generation.objects.without_key(), number=number)
    try:
        return _attachment(downloads.of_pair(pair, kind, form, site_name=General.load().site_name))
    except NothingToDownload as error:
        raise Http404 from error


def _attachment(file: DownloadFile) -> HttpResponse:
    disposition = content_disposition_header(as_attachment=True, filename=file.name)
    return HttpResponse(
        file.content,
        content_type=file.media_type,
        headers={"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"},
    )
