"""What mail knows of a job: the message it sends, and whether anybody knows if it arrived."""

from apps.notifications.models import Campaign, Email
from apps.notifications.states import MessageClass, State
from celeriac import Event, Job, JobPageSection, Link, Step, Wait, job_pages, read_uuid

_TONES = {State.ACCEPTED: "good", State.FAILED: "bad", State.UNKNOWN: "warn"}


def register_sections() -> None:
    """Let jobs' pages ask."""
    job_pages.register_section(
        "notifications", concerns_job, section_of_job, permission="notifications.view_email"
    )


def concerns_job(job: Job) -> bool:
    """Whether the job is about mail."""
    return job.kind.startswith("notifications.")


def section_of_job(job: Job) -> JobPageSection | None:
    """Return the page of the email or campaign, and how the email stands."""
    if email_id := read_uuid(job.args.get("email_id")):
        email = Email.objects.filter(id=email_id).first()
        return _email(email) if email else None
    if campaign_id := read_uuid(job.args.get("campaign_id")):
        campaign = Campaign.objects.filter(id=campaign_id).first()
        return _campaign(campaign) if campaign else None
    return None


def _email(email: Email) -> JobPageSection:
    page = Link(f"Email {email.template}", "admin:notifications_email_change", (str(email.id),))
    text = f"{email.template}: {email.state}, handed over {email.sends} times"
    at = email.finished_at or email.sending_at or email.created_at
    event = Event(at, f"The email is {email.state}", text, _TONES.get(State(email.state), "info"))
    return JobPageSection(links=(page,), wait=_unknown(email, page), events=(event,))


def _unknown(email: Email, page: Link) -> Wait | None:
    """Bulk mail whose outcome got lost is never sent again by itself."""
    if email.state != State.UNKNOWN or email.message_class != MessageClass.BULK:
        return None
    text = "has handed its email over, and nobody knows whether it arrived; bulk mail goes out once"
    step = Step("Decide whether a second copy does harm; if not, send it again.", page)
    return Wait("mail_unknown", text, because=False, steps=(step,))


def _campaign(campaign: Campaign) -> JobPageSection:
    text = f"Campaign {campaign.name}, {campaign.state}"
    page = Link(text, "admin:notifications_campaign_change", (str(campaign.id),))
    return JobPageSection(links=(page,))
