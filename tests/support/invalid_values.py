"""What anybody who reaches the broker may leave there."""

import json
from base64 import b64encode
from uuid import uuid4

DEEP = "[" * 100_000


def task(
    body=None, *, name="test.noop", content_type="application/json", encoding="base64", **other
):
    """Return a message as kombu writes it, with whatever is to be wrong in it."""
    body = [[[str(uuid4())]], {}, {}] if body is None else body
    text = body if isinstance(body, str) else json.dumps(body)
    properties = {
        "correlation_id": str(uuid4()),
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "default"},
        "priority": 0,
        "body_encoding": encoding,
        "delivery_tag": str(uuid4()),
    }
    headers = {"task": name, "id": str(uuid4()), "lang": "py", "retries": 0, "argsrepr": ""}
    message = {
        "body": b64encode(text.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": content_type,
        "headers": headers | other.pop("headers", {}),
        "properties": properties | other.pop("properties", {}),
    }
    return json.dumps(message | other)


#: Items of a queue.
ITEMS = [
    "[]",
    "{}",
    "null",
    "1e400",
    "not JSON",
    b"\xff\xfe",
    DEEP,
    "x" * 5_000_000,
    '{"properties": []}',
    '{"properties": {"delivery_tag": []}}',
    '{"properties": {"delivery_tag": "a", "body_encoding": "nonsense"}, "body": "x"}',
    '{"__type__": "datetime", "__value__": 1}',
    task(headers={"task": []}),
    task(headers={"task": None}),
    task(headers={"id": []}),
    task(headers={"id": "\0"}),
    task(headers={"eta": "yesterday", "expires": {}}),
    task(headers={"timelimit": ["a", 1e308]}),
    task(headers={"retries": "many", "root_id": 5}),
    task(name="no.such.task"),
    task(name="\0"),
    task(content_type="application/x-python-serialize"),
    task(content_type=None),
    task(content_type="x" * 1000),
    task(encoding="nonsense"),
    task("not JSON"),
    task(DEEP),
    task([]),
    task([5, 5, 5]),
    task([[["x"]], {}, {}]),
    task([[[1, None]], {}, {}]),
    task([["not a list"], {}, {}]),
    task([[[str(uuid4())] * 5000], {}, {}]),
    task([[], {"ids": 5, "more": 6}, {}]),
    task(headers={"task": "test.noop", "id": "x" * 100_000}),
    json.dumps([task()]),
    json.dumps(task()),
    '{"headers": [], "properties": {"delivery_tag": "b"}, "body": ""}',
]
#: Messages to the control channel.
_CHANNEL = "/0.celery.pidbox"
_MAILS = [
    "[]",
    "{}",
    "x",
    DEEP,
    task([]),
    task({}),
    task({"method": "no_such"}),
    task({"method": []}),
]
_MAILS += [task({"method": "ping", "reply_to": 5}), task({"method": "ping", "arguments": [1]})]
_MAILS += [
    task({"method": "ping", "destination": 7}),
    task("not JSON"),
    '{"properties": 1}',
    b"\xff",
]
CONTROL = [(_CHANNEL, mail) for mail in _MAILS] + [
    ("/0.nobody.knows", "{}"),
    ("/0.celery.pidbox/x", "[]"),
]
#: Messages to the nudges' channel.
NUDGES = [
    "[]",
    "{",
    DEEP,
    "1e400",
    b"\xff",
    '{"locks": ["\\u0000"]}',
    '{"locks": ["\\ud800"]}',
    '{"locks": ["' + "x" * 5000 + '"]}',
    '{"locks": [[]]}',
    '{"locks": 5}',
    '{"queues": {"default": [[1e400, 5]]}}',
    '{"queues": {"default": [[5, 1e400]]}}',
    '{"queues": {"default": [[5, -1e300]]}}',
    '{"queues": {"default": [[5, NaN]]}}',
    '{"queues": {"default": [[99999999999999999999, 5]]}}',
    '{"queues": {"\\u0000": []}}',
    '{"queues": []}',
    '{"ids": ["x"]}',
    '{"ids": {"a": 1}}',
    '{"canary": []}',
    "9" * 5000,
    "x" * 5_000_000,
]
#: Keys that a worker takes for a queue's list or its bindings.
KEYS = ["default", "default\x06\x163", "_kombu.binding.default", "_kombu.binding.celery.pidbox"]
