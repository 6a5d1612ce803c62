"""System / General."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST


def general(request: HttpRequest) -> HttpResponse:
    return render(request, "system/general.html")


@require_POST
def check(request: HttpRequest) -> HttpResponse:
    return redirect("system:general")
