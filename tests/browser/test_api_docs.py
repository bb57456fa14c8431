"""The API's pages in real Chromium, under the enforced CSP and from our own files only."""


def test_the_documentation_renders_from_our_own_files(page, live_server):
    """Every call is listed; nothing is loaded from elsewhere."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto("/api/docs/")
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    page.get_by_text("/api/v1/jobs/bulk/").first.wait_for()
    page.get_by_text("Enqueue a job", exact=True).click()
    page.get_by_text("Idempotency-Key").first.wait_for()
    elsewhere = [url for url in asked if not url.startswith((live_server.url, "data:"))]
    assert elsewhere == []


def test_a_secret_is_made_in_the_control_room(signed_in):
    """Through the pages, as an operator does it."""
    from celeriac.http.models import ServiceAccount

    signed_in.goto("/admin/celeriac_http/serviceaccount/add/")
    signed_in.fill("input[name=name]", "billing")
    signed_in.get_by_label("Reason").fill("a new service")
    signed_in.get_by_role("button", name="Save", exact=True).click()
    account = ServiceAccount.objects.get(name="billing")
    signed_in.goto(f"/admin/celeriac_http/serviceaccount/{account.pk}/change/")
    signed_in.get_by_role("link", name="New secret").first.click()
    signed_in.fill("textarea[name=reason]", "a new service")
    signed_in.get_by_role("button", name="New secret").click()
    assert signed_in.locator("#secret").inner_text().startswith("celeriac_")
