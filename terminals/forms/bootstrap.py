"""The form that opens a bootstrap window."""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from pbxcerts.system.pages.form_layout import ColumnForm
from terminals.models import Terminal
from terminals.web.bootstrap import MINUTES_AT_MOST

MOST_NAMED = 500


class WindowForm(ColumnForm, forms.Form):
    minutes = forms.IntegerField(
        label=gettext_lazy("Minutes"),
        initial=15,
        min_value=1,
        max_value=MINUTES_AT_MOST,
        help_text=gettext_lazy("Then it closes by itself."),
    )
    numbers = forms.CharField(
        label=gettext_lazy("Numbers of the terminals"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("With commas or in lines."),
    )
    all_terminals = forms.BooleanField(
        label=gettext_lazy("All terminals of the list"),
        required=False,
        help_text=gettext_lazy(
            "Only if you do not know which ones: it opens the window for every telephone of the list."
        ),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        numbers = set(re.split(r"[,;\s]+", cleaned.get("numbers", "").strip())) - {""}
        if cleaned.get("all_terminals"):
            cleaned["terminals"] = None
            return cleaned
        if not numbers or len(numbers) > MOST_NAMED:
            self.add_error(
                "numbers",
                _("Name between one and %(most)s terminals, or choose all of them.") % {"most": MOST_NAMED},
            )
            return cleaned
        found = {terminal.number: terminal for terminal in Terminal.objects.filter(number__in=numbers)}
        if unknown := sorted(numbers - found.keys()):
            raise ValidationError(
                {"numbers": _("Not in the list: %(numbers)s.") % {"numbers": ", ".join(unknown[:20])}}
            )
        cleaned["terminals"] = list(found.values())
        return cleaned
