"""Real Chromium, for tests that use the pages as a person does."""

import os
import shutil

import pytest
from django.contrib.contenttypes.models import ContentType

from celeriac.jobs.enqueueing import queues

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium_path():
    """Return where Chromium is; without one these tests are skipped, and say so."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        pytest.skip("no Chromium here: install Debian's chromium to run the browser tests")
    return found


@pytest.fixture(scope="module")
def browser(chromium_path):
    """Yield a headless browser. Its event loop counts as running: it must end with the module."""
    from playwright.sync_api import sync_playwright

    # Playwright's loop runs in this thread, and Django would refuse the database for it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path, headless=True, args=ARGUMENTS
        )
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def page(browser, live_server):
    """Yield a page that fails the test for any console error or breach of the CSP."""
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1400, "height": 900})
    page = context.new_page()
    errors = []
    page.on("console", lambda message: errors.append(message.text) if is_bad(message) else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def is_bad(message):
    """Return whether a console message is an error, a broken CSP included."""
    return message.type == "error" or "Content Security Policy" in message.text


@pytest.fixture
def people(transactional_db, django_user_model):
    """Make the rows that a transactional test's predecessor emptied, and an administrator."""
    ContentType.objects.clear_cache()
    queues.make_queue_rows()
    return django_user_model.objects.create_superuser("root@example.com", "root-password")


@pytest.fixture
def signed_in(page, people):
    """Return the page, signed in through the login form."""
    page.goto("/admin/")
    page.fill("input[name=username]", people.email)
    page.fill("input[name=password]", "root-password")
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    return page
