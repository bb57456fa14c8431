"""Lists of the admin under addresses and choices that nobody offers: told, and no error of ours."""

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from tests.factories import JobFactory, UserFactory

#: What no column takes, by how it fails: in Python, in PostgreSQL, in the driver.
ODD = ("pk__range=1", "pk__regex=(", "pk__in=%00")


@pytest.fixture
def root():
    """Return a client of somebody who may do everything, who is told of errors as a browser is."""
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def lists():
    """Yield each list's admin and address: one that is added later is tried, too."""
    for model, page in admin.site._registry.items():
        meta = model._meta
        yield page, reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")


def no_year(page):
    """Return an address that asks the last column of time for a year that there is not."""
    found = [field.name for field in page.model._meta.concrete_fields
             if field.get_internal_type() == "DateTimeField"]  # fmt: skip
    return [f"{found[-1]}__year=0"] if found else []


@pytest.mark.django_db(transaction=True)  # what PostgreSQL refuses would end a test's transaction
def test_an_odd_address_leads_back_to_the_list(root):
    """As the admin says it of filters that are none; it was an error of ours."""
    JobFactory()
    tried = 0
    for page, address in lists():
        for query in (*ODD, *no_year(page)):
            answer = root.get(f"{address}?{query}")
            assert answer.status_code in (200, 302, 400), (address, query)
            tried += 1
    assert tried > 100
    page = root.get("/admin/celeriac_jobs/job/?pk__range=1", follow=True).content.decode()
    assert "No column takes what the address asks for" in page


@pytest.mark.django_db
def test_choosing_what_is_no_row_is_a_bad_request(root):
    """For every list that has actions: a page that says so, and nothing is done."""
    JobFactory()
    codes = []
    for page, address in lists():
        names = page.actions or ("delete_selected",)
        answer = root.post(address, {"action": names[0], "_selected_action": ["\x00"]})
        assert answer.status_code < 500, address
        codes.append(answer.status_code)
    assert codes.count(400) > 10


@pytest.mark.django_db
def test_a_key_with_a_nul_leads_to_no_row(root):
    """The admin writes keys in a code of its own, in which any character can stand."""
    for page, address in lists():
        for verb in ("change", "delete", "history"):
            answer = root.get(f"{address}{quote('a')}_00/{verb}/")
            assert answer.status_code < 500, (page, verb)
