import pytest
from django import forms
from django.test import RequestFactory

from pbxcerts.system.users.reauthentication import Reauthentication


class Order(Reauthentication, forms.Form):
    at_once = forms.BooleanField(required=False)

    def needs_password(self) -> bool:
        return bool(self.cleaned_data.get("at_once"))


@pytest.fixture
def request_of_operator(operator):
    request = RequestFactory().post("/")
    request.user = operator
    return request


def order(request, **data) -> Order:
    return Order(data, request=request)


def test_the_own_password_is_taken_and_does_not_stay_in_the_form(request_of_operator, password):
    form = order(request_of_operator, at_once="on", password=password)
    assert form.is_valid()
    assert password not in form.cleaned_data.values()
    assert password not in str(form["password"])


def test_a_wrong_password_is_refused(request_of_operator):
    form = order(request_of_operator, at_once="on", password="wrong")
    assert form.errors.as_data()["password"][0].code == "password_wrong"


def test_no_password_is_refused_without_counting(request_of_operator, password):
    for _ in range(12):
        form = order(request_of_operator, at_once="on")
        assert form.errors.as_data()["password"][0].code == "password_missing"
    assert order(request_of_operator, at_once="on", password=password).is_valid()


def test_after_too_many_wrong_ones_the_right_one_has_to_wait_too(request_of_operator, password):
    """They count like those of the log-in page."""
    for count in range(10):
        order(request_of_operator, at_once="on", password=f"wrong {count}").is_valid()
    form = order(request_of_operator, at_once="on", password=password)
    assert form.errors.as_data()["password"][0].code == "slowed"


def test_the_password_of_somebody_else_is_a_wrong_one(request_of_operator, viewer):
    viewer.set_password("nine silver spoons")
    viewer.save()
    form = order(request_of_operator, at_once="on", password="nine silver spoons")
    assert form.errors.as_data()["password"][0].code == "password_wrong"


def test_what_needs_no_password_asks_for_none(request_of_operator):
    assert order(request_of_operator).is_valid()
