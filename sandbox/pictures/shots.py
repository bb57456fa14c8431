"""Takes the pictures, in headless Chromium."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

DESK, PHONE = (1280, 720), (390, 844)
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: of which page, how."""

    name: str
    path: str
    theme: Literal["light", "dark"] = "light"
    size: tuple[int, int] = DESK
    whole: bool = False
    #: A link of the page to follow first, by CSS.
    follow: str = ""


SHOTS = (
    Shot("dashboard", "/admin/", whole=True),
    Shot("dashboard-dark", "/admin/", theme="dark"),
    Shot("dashboard-phone", "/admin/", size=PHONE),
    Shot("jobs", "/admin/celeriac_jobs/job/"),
    Shot("job", "/admin/celeriac_jobs/job/?state=dead", follow="#result_list a[href*='/change/']"),
    Shot("queues", "/admin/celeriac_jobs/queue/"),
    Shot("circuits", "/admin/celeriac_breakers/breaker/"),
    Shot("schedules", "/admin/django_celery_beat/periodictask/"),
    Shot("audit", "/admin/celeriac_core/audit/"),
)


def take(url: str, *, email: str, password: str, into: Path) -> list[Path]:
    """Sign in at `url` and take every picture into a folder; return the files."""
    into.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        return [_take(browser, url, shot, email, password, into) for shot in SHOTS]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a headless browser; raises FileNotFoundError where there is no Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        raise FileNotFoundError("No Chromium here: install Debian's chromium to take pictures.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(_ARGUMENTS))
        yield browser
        browser.close()


def _take(browser: Browser, url: str, shot: Shot, email: str, password: str, into: Path) -> Path:
    width, height = shot.size
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": height},
        color_scheme=shot.theme,
        reduced_motion="reduce",
        timezone_id="UTC",
    )
    page = context.new_page()
    page.goto("/admin/")
    page.fill("input[name=username]", email)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    page.goto(shot.path)
    if shot.follow:
        page.locator(shot.follow).first.click()
    _settle(page)
    file = into / f"{shot.name}.png"
    page.screenshot(path=file, full_page=shot.whole, animations="disabled")
    context.close()
    return file


def _settle(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
