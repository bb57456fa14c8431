"""Flower through the site in real Chromium: its pages work under their own policy."""

import os

from playwright.sync_api import TimeoutError

from celeriac import enqueue
from sandbox.procfile import parts_of_procfile
from sandbox.run import with_venv
from tests.support.flower import start_flower
from tests.support.processes import wait_until


def test_workers_and_tasks_show_through_the_site(processes, people, signed_in, settings):
    """The worker in its row, the finished job in its row by kind, both without an error."""
    start_flower(processes, settings)
    env = with_venv({**os.environ, **processes.env})
    worker = processes.start("worker", "/bin/sh", "-c", parts_of_procfile()["worker"], env=env)
    worker.wait_for_output(" ready.", timeout=120)
    processes.dispatcher()
    page = signed_in
    wait_until(lambda: shows(page, "/flower/workers", "ledger-"), timeout=120, every=0.5)
    assert page.locator("#workers-table tbody tr").count() == 1
    wait_until(lambda: shows_a_job(page), timeout=120, every=0.5)
    assert "test.note" in page.locator("#tasks-table tbody").inner_text()
    page.locator("#tasks-table tbody a[href*='/flower/task/']").first.click()
    page.wait_for_url("**/flower/task/*")
    page.get_by_text("test.note").first.wait_for()
    page.goto("/flower/workers")
    page.get_by_role("link", name="ledger-").first.click()
    page.wait_for_url("**/flower/worker/*")
    page.get_by_text("Max concurrency").first.wait_for(timeout=60_000)
    assert page.get_by_text("Shut Down").count() == 0
    assert page.goto("/flower/broker").status == 200


def shows_a_job(page):
    """Run a job and say whether Flower shows one: an event that comes before it listens is lost."""
    enqueue("test.note", {"name": "seen"})
    return shows(page, "/flower/tasks", "SUCCESS")


def shows(page, path, text):
    """Open a list and say whether it comes to show the text within a few seconds."""
    page.goto(path)
    try:
        page.locator("table tbody").get_by_text(text).first.wait_for(timeout=5_000)
    except TimeoutError:
        return False
    return True
