"""What the fuzzer must know of this deployment: which kinds and queues there are.

The document leaves them open, since each account has its own; GET /kinds/ lists them.
"""

import schemathesis

TEXT = {"type": "string", "pattern": r"^[^\x00]*$"}
KIND = {"type": "string", "enum": ["test.note"]}
ARGS = {
    "type": "object",
    "properties": {"name": TEXT, "value": TEXT},
    "required": ["name"],
    "additionalProperties": False,
}
QUEUE = {"enum": ["default", "payments", None]}
URL = {"enum": ["https://hooks.example.com/done", None]}
MOMENTS = {
    "run_at": ["2030-01-01T00:00:00Z", "2029-06-30T12:00:00.5+02:00", None],
    "expires_at": ["2031-01-01T00:00:00Z", "2032-02-29T23:59:59-11:30", None],
}


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Close what is open in the body of a job."""
    call = raw_schema["components"]["schemas"]["JobCall"]
    call["required"] = ["kind", "args"]
    members = call["properties"]
    members["kind"] = KIND
    members["args"] = ARGS
    members["queue"] = QUEUE
    members["callback_url"] = URL
    for name, moments in MOMENTS.items():
        members[name] = {"enum": moments}
