"""Language and theme: of a person, whom they follow into every browser; before the log-in, or until somebody has chosen, as this
browser's cookie says (rule own-appearance).
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from pbxcerts.system.languages import SWISS
from pbxcerts.system.models import Theme, User


def language_of(request: HttpRequest) -> str:
    """What was chosen; "" for the system language."""
    return _chosen(request, "language", settings.LANGUAGE_COOKIE_NAME, [code for code, _name in settings.LANGUAGES])


def theme_of(request: HttpRequest) -> str:
    return _chosen(request, "theme", settings.THEME_COOKIE_NAME, Theme.values)


def of_every_page(request: HttpRequest) -> dict[str, Any]:
    """Context processor."""
    spoken = translation.get_language()
    return {
        "theme": theme_of(request),
        "themes": Theme.choices,
        "current_language": "de" if spoken == SWISS else spoken,
    }


def language_without_database(request: HttpRequest) -> str:
    """For the pages of errors, which may come before anybody is known, and while nothing can be read."""
    general, person = getattr(request, "general", None), known_person(request)
    if general is None:
        return translation.get_language_from_request(request)
    chosen = (person.language if person else "") or request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    return str(general.spelt(chosen if chosen in dict(settings.LANGUAGES) else general.language))


def theme_without_database(request: HttpRequest) -> str:
    person = known_person(request)
    theme = person.theme if person and person.theme is not None else request.COOKIES.get(settings.THEME_COOKIE_NAME, "")
    return theme if theme in Theme.values else ""


def known_person(request: HttpRequest) -> User | None:
    """Who is logged in, where that has been read already (by `django.contrib.auth.middleware.get_user`)."""
    user = getattr(request, "_cached_user", None)
    return user if isinstance(user, User) else None


def keep(request: HttpRequest, response: HttpResponseBase, **choice: str) -> None:
    """Keep a `language` or a `theme`: for the person who is logged in, and for a year in this browser, for its log-in page."""
    person = _person(request)
    if person is not None:
        User.objects.filter(pk=person.pk).update(**choice)
    names = {"language": settings.LANGUAGE_COOKIE_NAME, "theme": settings.THEME_COOKIE_NAME}
    for what, value in choice.items():
        response.set_cookie(
            names[what],
            value,
            max_age=settings.LANGUAGE_COOKIE_AGE if value else 0,
            path=settings.LANGUAGE_COOKIE_PATH,
            secure=settings.SECURE_COOKIES,
            httponly=True,
            samesite="Lax",
        )


@login_not_required
@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Show the page again in it."""
    response = _back(request)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES):
        keep(request, response, language=language)
    return response


@login_not_required
@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    response = _back(request)
    theme = request.POST.get("theme", "")
    if theme in Theme.values:
        keep(request, response, theme=theme)
    return response


def _chosen(request: HttpRequest, what: str, cookie: str, possible: list[str]) -> str:
    person = _person(request)
    chosen = None if person is None else getattr(person, what)
    if chosen is None:
        chosen = request.COOKIES.get(cookie, "")
    return chosen if chosen in possible else ""


def _person(request: HttpRequest) -> User | None:
    """Who is logged in. Error pages come before that is known."""
    user = getattr(request, "user", None)
    return user if isinstance(user, User) and user.is_authenticated else None


def _back(request: HttpRequest) -> HttpResponse:
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return redirect(back if is_ours else "home")
