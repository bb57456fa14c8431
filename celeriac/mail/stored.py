"""Django's messages as fields of a row, and back."""

import email
import email.policy
import json
from email.message import EmailMessage as MimeMessage, MIMEPart
from email.mime.base import MIMEBase
from email.utils import formatdate, make_msgid
from typing import Any

from django.core.mail import DNS_NAME, EmailMessage, EmailMultiAlternatives

from celeriac.mail.models import Message

#: A message with this header is not sent again where nobody knows whether it left.
AT_MOST_ONCE = "X-Celeriac-At-Most-Once"
#: What a message has by itself; all else is what other backends read from it.
_OWN = {*vars(EmailMultiAlternatives()), "content_subtype", "encoding", "anymail_status"}
_RAW = {"form": "whole"}


class _WholeMessage(EmailMessage):
    """A message whose bytes were made when it was written, by a class of the project's own."""

    content: bytes = b""

    def message(self, **_: Any) -> Any:
        return email.message_from_bytes(self.content, policy=email.policy.default)


def stored_message(message: EmailMessage) -> dict[str, Any]:
    """Return the fields of a row for a message; its Message-ID and its date are fixed by it.

    Raises:
        ValueError: a header has a line break, or the message holds what can't be kept.
    """
    headers = {str(name): str(each) for name, each in message.extra_headers.items()}
    named = {name.lower(): name for name in headers}
    once = headers.pop(named.get(AT_MOST_ONCE.lower(), ""), None)
    if "message-id" not in named:
        headers["Message-ID"] = make_msgid(domain=str(DNS_NAME))
    if "date" not in named:
        headers["Date"] = formatdate()
    message.extra_headers = headers
    checked = message.message()  # the caller hears of what no server would take
    is_whole = not _is_djangos(message)
    parts = [] if is_whole else [_attachment(each) for each in message.attachments]
    if is_whole:
        parts = [(_RAW, checked.as_bytes())]
    fields = {name: [str(each) for each in getattr(message, name)] for name in _LISTS}
    return fields | {
        "subject": str(message.subject),
        "from_email": str(message.from_email),
        "body": "" if is_whole else str(message.body or ""),
        "content_subtype": message.content_subtype,
        "encoding": _encoding(message),
        "headers": headers,
        "message_id": headers[named.get("message-id", "Message-ID")],
        "alternatives": [] if is_whole else _alternatives(message),
        "attachments": [form for form, _ in parts],
        "contents": [content for _, content in parts],
        "extra": {} if is_whole else _extra(message),
        "at_most_once": once is not None and once.strip().lower() not in ("", "0", "false", "no"),
    }


_LISTS = ("to", "cc", "bcc", "reply_to")


def restored_message(row: Message) -> EmailMessage:
    """Return the message that a row holds."""
    lists: dict[str, Any] = {name: getattr(row, name) for name in _LISTS}
    if row.attachments == [_RAW]:
        whole = _WholeMessage(subject=row.subject, from_email=row.from_email, **lists)
        whole.extra_headers, whole.content = row.headers, bytes(row.contents[0])
        return whole
    message = EmailMultiAlternatives(
        subject=row.subject, body=row.body, from_email=row.from_email, headers=row.headers, **lists
    )
    message.content_subtype = row.content_subtype
    if row.encoding:
        message.encoding = row.encoding
    for content, mimetype in row.alternatives:
        message.attach_alternative(content, mimetype)
    for form, content in zip(row.attachments, row.contents, strict=True):
        _attach(message, form, bytes(content))
    for name, each in row.extra.items():
        setattr(message, name, each)
    return message


def _is_djangos(message: EmailMessage) -> bool:
    """Tell whether a message is built as Django builds them."""
    return type(message).message is EmailMessage.message


def _encoding(message: EmailMessage) -> str:
    if message.encoding is None or isinstance(message.encoding, str):
        return message.encoding or ""
    return str(message.encoding)  # a Charset names itself


def _alternatives(message: EmailMessage) -> list[list[str]]:
    found = []
    for content, mimetype in getattr(message, "alternatives", []):
        text = content.decode() if isinstance(content, bytes) else content
        if not isinstance(text, str):
            raise ValueError(f"An alternative of type {mimetype} is no text.")
        found.append([text, mimetype])
    return found


def _attachment(given: Any) -> tuple[dict[str, Any], bytes]:
    """Return an attachment's form and its bytes."""
    if isinstance(given, MIMEPart):
        return {"form": "part"}, given.as_bytes()
    if isinstance(given, MIMEBase):
        return {"form": "base"}, given.as_bytes()
    filename, content, mimetype = given
    described = {"form": "bytes", "name": filename, "type": mimetype}
    if isinstance(content, str):
        return described | {"form": "text"}, content.encode()
    if isinstance(content, EmailMessage):
        content = content.message()
    if hasattr(content, "as_bytes"):
        return described, content.as_bytes()
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ValueError(f"The attachment {filename!r} is neither text nor bytes.")
    return described, bytes(content)


def _attach(message: EmailMessage, form: dict[str, Any], content: bytes) -> None:
    match form["form"]:
        case "part":
            parsed = email.message_from_bytes(content, MimeMessage, policy=email.policy.default)
            message.attachments.append(parsed)
        case "base":
            part = MIMEBase("application", "octet-stream")
            vars(part).update(vars(email.message_from_bytes(content)))
            message.attachments.append(part)
        case "text":
            message.attach(form["name"], content.decode(), form["type"])
        case _:
            message.attach(form["name"], content, form["type"])


def _extra(message: EmailMessage) -> dict[str, Any]:
    """Return what other backends read from a message; ValueError where JSON would change it."""
    found = {name: each for name, each in vars(message).items() if name not in _OWN}
    for name, each in found.items():
        try:
            kept = json.loads(json.dumps(each)) == each
        except (TypeError, ValueError):
            kept = False
        if not kept:
            raise ValueError(f"A message's {name} = {each!r} can't be kept: it is no plain JSON.")
    return found
