"""Choosing a CSV file, and importing what its preview showed."""

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from pbxcerts.system.pages.form_layout import ColumnForm
from terminals.directory.csv import csv_files
from terminals.directory.csv.errors import ImportFileError


class UploadForm(ColumnForm, forms.Form):
    file = forms.FileField(
        label=_("CSV file"),
        max_length=200,
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        help_text=_("You see a preview before anything is imported."),
        error_messages={"required": _("Choose a file.")},
    )

    def clean_file(self) -> bytes:
        """What the file holds; it can be read as rows, whatever they say."""
        upload: UploadedFile[bytes] = self.cleaned_data["file"]
        # One byte more than is allowed says that it is too large, whatever its real size.
        content: bytes = upload.read(csv_files.OF_A_PAGE.bytes + 1)
        try:
            csv_files.read(content)
        except ImportFileError as error:
            raise forms.ValidationError(str(error), code="file") from error
        return content


class ApplyForm(forms.Form):
    """`basis` says which preview was on the screen."""

    basis = forms.CharField(max_length=64, widget=forms.HiddenInput)
