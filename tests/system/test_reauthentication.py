import pytest
from axes.models import AccessAttempt
from django import forms
from django.test import RequestFactory

from pbxcerts.system.reauthentication import Reauthentication


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


def test_a_wrong_password_is_refused_and_counted_as_at_the_login(request_of_operator, operator):
    form = order(request_of_operator, at_once="on", password="wrong")
    assert form.errors.as_data()["password"][0].code == "password_wrong"
    assert AccessAttempt.objects.get(username=operator.username).failures_since_start == 1


def test_no_password_is_refused_without_counting(request_of_operator):
    form = order(request_of_operator, at_once="on")
    assert form.errors.as_data()["password"][0].code == "password_missing"
    assert not AccessAttempt.objects.exists()


def test_after_too_many_wrong_ones_the_right_one_is_refused_too(request_of_operator, password):
    for count in range(10):
        order(request_of_operator, at_once="on", password=f"wrong {count}").is_valid()
    assert not order(request_of_operator, at_once="on", password=password).is_valid()


def test_what_needs_no_password_asks_for_none(request_of_operator):
    assert order(request_of_operator).is_valid()
