"""A new campaign, as an operator writes it."""

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.notifications.addresses import normalise_address
from apps.notifications.errors import InvalidRecipients
from apps.notifications.models import Campaign, Suppression


class AddressField(forms.EmailField):
    """An address in any spelling; its value is the one that rows have."""

    widget = UnfoldAdminTextInputWidget
    default_validators = []

    def clean(self, value: object) -> str:
        """Return the address as it is kept; refuse what is none."""
        try:
            return normalise_address(str(super().clean(value)))
        except InvalidRecipients as error:
            raise forms.ValidationError(error.message) from error


class SuppressionForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """An address that gets no mail."""

    address = AddressField()

    class Meta:
        model = Suppression
        fields = ("address", "reason", "note")


class CampaignForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """What it says, to whom, and how fast."""

    FIELDS = ("name", "rate", "subject", "text", "addresses")

    subject = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)
    text = forms.CharField(
        widget=UnfoldAdminTextareaWidget, help_text="Plain text; the way to unsubscribe is added."
    )
    addresses = forms.CharField(
        widget=UnfoldAdminTextareaWidget, help_text="One a line; doubles count once."
    )

    class Meta:
        model = Campaign
        fields = ("name", "rate")
        widgets = {"name": UnfoldAdminTextInputWidget, "rate": UnfoldAdminDecimalFieldWidget}

    def clean_addresses(self) -> list[str]:
        """Return the addresses; refuse the first that is none."""
        lines = str(self.cleaned_data["addresses"]).splitlines()
        try:
            return [normalise_address(line) for line in lines if line.strip()]
        except InvalidRecipients as error:
            raise forms.ValidationError(error.message) from error
