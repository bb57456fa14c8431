"""Flower through the site in real Chromium: its pages work under their own policy."""

import os

from apps.jobs.api import enqueue
from sandbox.run import parts_of_procfile, with_venv
from tests.support.flower import start_flower
from tests.support.processes import wait_until


def test_workers_and_tasks_show_through_the_site(processes, people, signed_in, settings):
    """The worker in its row, the finished job in its row by kind, both without an error."""
    start_flower(processes, settings)
    env = with_venv(dict(os.environ))
    worker = processes.start("worker", "/bin/sh", "-c", parts_of_procfile()["worker"], env=env)
    worker.wait_for_output(" ready.", timeout=120)
    processes.dispatcher()
    page = signed_in
    wait_until(lambda: shows_the_worker(page), timeout=120, every=0.5)
    page.get_by_role("link", name="ledger-").first.wait_for(timeout=60_000)
    assert page.locator("#workers-table tbody tr").count() == 1
    enqueue("test.note", {"name": "seen"})
    # The page asks for the table when it is opened; events come when they come.
    wait_until(lambda: shows_the_task(page), timeout=120, every=0.5)
    page.locator("#tasks-table tbody tr a").first.click()
    page.wait_for_url("**/flower/task/*")
    page.get_by_text("test.note").first.wait_for()
    page.goto("/flower/workers")
    page.get_by_role("link", name="ledger-").first.click()
    page.wait_for_url("**/flower/worker/*")
    page.get_by_text("Max concurrency").first.wait_for(timeout=60_000)
    assert page.get_by_text("Shut Down").count() == 0
    page.goto("/flower/broker")
    page.get_by_role("heading").first.wait_for()


def shows_the_worker(page):
    """Open the list of workers and say whether the worker is in it."""
    page.goto("/flower/workers")
    page.locator("#workers-table tbody tr").first.wait_for()
    return "ledger-" in page.locator("#workers-table tbody").inner_text()


def shows_the_task(page):
    """Open the list of tasks and say whether the job is in it, done."""
    page.goto("/flower/tasks")
    page.locator("#tasks-table tbody tr").first.wait_for()
    text = page.locator("#tasks-table tbody").inner_text()
    return "test.note" in text and "SUCCESS" in text
