"""What people's accounts add to the console: they are the administrators' matter."""

from celeriac import Plugin

PLUGIN = Plugin(
    name="accounts",
    sidebar={
        "Who may what": (("Users", "accounts.user"), ("Failed sign-ins", "accounts.failedsignin"))
    },
    administered=frozenset({"accounts"}),
    kept={"accounts.User": "people write it, one by one"},
    audited=("sign in",),
)
