"""How forms look: tables of the configuration with a parameter, its value and its explanation beside it, or a plain column."""

from typing import TYPE_CHECKING, Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms
from django.forms.boundfield import BoundField
from django.utils.functional import Promise

if TYPE_CHECKING:
    _Form = forms.BaseForm
else:
    _Form = object


class Parameters(Fieldset):  # type: ignore[misc]
    """A table of parameters with a heading: `Parameters(_("Date and time"), "time_zone")`."""

    template = "partials/_parameters.html"

    def __init__(self, heading: str | Promise, *fields: str) -> None:
        super().__init__(heading, *fields)


class FoldedParameters(Parameters):
    """What is rarely changed: folded, unless something in it is to be looked at (what was refused, or saved by somebody else)."""

    template = "partials/_folded_parameters.html"

    def __init__(self, id_: str, heading: str | Promise, *fields: str) -> None:
        super().__init__(heading, *fields)
        self.css_id = id_
        self.is_open = False

    def render(self, form: forms.BaseForm, *arguments: Any, **options: Any) -> str:
        self.is_open = any(form[name].errors or hasattr(form.fields[name], "stored") for name in self.fields)
        rendered: str = super().render(form, *arguments, **options)
        return rendered


class FilterSelect(forms.Select):
    """A choice in the filter of a list, without groups: rendered in one piece, where Django's own renders a template for each choice."""

    template_name = "partials/_filter_select.html"

    def __init__(self) -> None:
        super().__init__(attrs={"class": "form-select"})


class ColumnForm(_Form):
    """Mixed into a form: `{% crispy form %}` renders its fields one below the other. The page has the <form> and its buttons.

    The helper is made for each form: one that is shared keeps the language in which it was first rendered.
    """

    field_template = "partials/_field.html"

    def layout(self) -> "list[Parameters | str]":
        return list(self.fields)

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper()
        helper.form_tag = False
        helper.disable_csrf = True
        helper.form_show_errors = False
        helper.field_template = self.field_template
        helper.layout = Layout(*self.layout())
        return helper

    @property
    def fields_with_errors(self) -> list[BoundField]:
        return [field for field in self if field.errors and not field.is_hidden]


class ParameterForm(ColumnForm):
    """As `ColumnForm`, but as tables: Parameter | Explanation (the field's help text)."""

    field_template = "partials/_parameter.html"

    def layout(self) -> "list[Parameters | str]":
        """The tables of this form, and the names of hidden fields."""
        return [Parameters("", *self.fields)]
