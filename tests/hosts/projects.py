"""The projects that move in, and what each needs: how it is installed, run and tested."""

import re
from dataclasses import dataclass, field

#: What a bare name in a module of tests makes: a hundred tests that do nothing.
EMPTY = "hosts_empty"


@dataclass(frozen=True)
class Change:
    """One line of our patch beside what `python -m celeriac init --write` writes."""

    file: str
    #: What to look for, and what stands there afterwards; nothing to look for: at the end.
    old: str
    new: str

    def apply(self, text):
        """Return the changed text."""
        if not self.old:
            return f"{text.rstrip()}\n{self.new}\n"
        assert text.count(self.old) == 1, f"{self.file} has {self.old!r} {text.count(self.old)}x"
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Host:
    """A project, as a stranger finds it. `{postgres}` and so on are filled in (`places`)."""

    name: str
    #: The most lines that moving in may touch.
    lines: int
    #: What pip is given to install it.
    requirements: tuple[str, ...]
    #: Celery's `-A`.
    app: str
    changes: tuple[Change, ...]
    #: Its own suite; and one module of it.
    suite: tuple[str, ...]
    module: str
    #: Where the module of empty tests goes.
    empty: str
    #: Files of ours that it needs to be tested on PostgreSQL, moved or not, by path.
    files: dict[str, str] = field(default_factory=dict)
    #: The environment of its tests, and of its processes.
    tests: dict[str, str] = field(default_factory=dict)
    processes: dict[str, str] = field(default_factory=dict)
    #: Run once on the database of its processes.
    prepare: tuple[tuple[str, ...], ...] = ()
    #: Each task's name, and the arguments of a call.
    calls: tuple[tuple[str, tuple], ...] = ()
    #: Names of the tasks that its beat must fire, and whether its schedules stand in the database.
    ticks: tuple[str, ...] = ()
    schedules_in_database: bool = False

    def counts(self, output):
        """Return what the suite says of itself: how many passed, failed and so on."""
        found = re.findall(r"(\d+) (passed|failed|skipped|errors?|warnings?)\b", output)
        django = re.findall(r"^Ran (\d+) tests? in", output, re.MULTILINE)
        ended = re.findall(r"^(OK|FAILED)(?: \((.*)\))?$", output, re.MULTILINE)
        said = {kind: int(count) for count, kind in found if not kind.startswith("warning")}
        if django:
            said = {"ran": int(django[-1]), "ended": " ".join(ended[-1]).strip() if ended else "?"}
        return said


COOKIECUTTER = Host(
    name="cookiecutter-django",
    lines=10,
    requirements=("-r", "requirements/base.txt", "-r", "requirements/local.txt"),
    app="config.celery_app",
    changes=(
        Change(
            "config/settings/base.py",
            'CELERIAC = {"TASKS": []}  # names of the tasks that are jobs, such as "acme.mail.*"',
            'CELERIAC = {"TASKS": ["acme.*"]}',
        ),
        Change("config/settings/test.py", "", 'INSTALLED_APPS += ["celeriac.testing"]'),
    ),
    suite=("-m", "pytest", "-q", "-p", "no:sugar", "-p", "no:cacheprovider", "--create-db"),
    module="acme/users/tests/test_hosts_empty.py",
    empty="acme/users/tests/test_hosts_empty.py",
    tests={"DATABASE_URL": "{postgres}/hosts_tests", "REDIS_URL": "{valkey}/1"},
    processes={
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": "{postgres}/hosts_{side}",
        "REDIS_URL": "{valkey}/{database}",
    },
    prepare=(("manage.py", "migrate", "--verbosity", "0"),),
    calls=(("acme.users.tasks.get_users_count", ()),),
    ticks=("acme.users.tasks.get_users_count",),
    schedules_in_database=True,
)

#: wger's own CI runs on SQLite, where no ledger can be: both of its copies are tested with this.
_ON_POSTGRES = """from settings.ci import *
import environ
DATABASES = {"default": environ.Env.db_url_config(os.environ["HOSTS_DATABASE"])}
DATABASES["default"]["TEST"] = {"MIGRATE": False}
"""
#: Where it would fetch from, which its settings take from no environment.
_UPSTREAM = """from settings.main import *
WGER_SETTINGS["WGER_INSTANCE"] = os.environ["HOSTS_UPSTREAM"]
"""
_FIXTURES = [
    *("gym_config", "groups", "setting_repetition_units", "setting_weight_units"),
    *("initial_trophies", "test-languages", "test-licenses", "test-gyms", "test-gymsconfig"),
    *("test-user-data", "test-equipment", "test-categories", "test-muscles", "test-exercises"),
    *("test-ingredients", "test-routine-data", "test-workout-session", "test-workout-log-data"),
]
_SWITCHES = [
    *("SYNC_EXERCISES_CELERY", "SYNC_EXERCISE_IMAGES_CELERY", "SYNC_EXERCISE_VIDEOS_CELERY"),
    *("SYNC_INGREDIENTS_CELERY", "SYNC_OFF_DAILY_DELTA_CELERY", "CACHE_API_EXERCISES_CELERY"),
    *("EXPORT_INGREDIENTS_BULK_CELERY", "USE_CELERY"),
]

WGER = Host(
    name="wger",
    lines=15,
    requirements=("-e", ".", "--group", "dev"),
    app="wger",
    changes=(
        Change(
            "settings/settings_global.py",
            'CELERIAC = {"TASKS": []}  # names of the tasks that are jobs, such as "acme.mail.*"',
            'CELERIAC = {"TASKS": ["wger.*"]}',
        ),
        Change("settings/ci.py", "", 'INSTALLED_APPS += ["celeriac.testing"]'),
    ),
    suite=("manage.py", "test", "--noinput"),
    module="wger.core.tests.test_hosts_empty",
    empty="wger/core/tests/test_hosts_empty.py",
    files={"settings/hosts_ci.py": _ON_POSTGRES, "settings/hosts_main.py": _UPSTREAM},
    tests={
        "DJANGO_SETTINGS_MODULE": "settings.hosts_ci",
        "HOSTS_DATABASE": "{postgres}/hosts_tests",
        "DJANGO_MEDIA_ROOT": "{scratch}/media",
    },
    processes={
        "DJANGO_SETTINGS_MODULE": "settings.hosts_main",
        "PS_DATABASE_URI": "{postgres}/hosts_{side}",
        "CELERY_BROKER": "{valkey}/{database}",
        "CELERY_BACKEND": "{valkey}/{database}",
        "HOSTS_UPSTREAM": "{upstream}",
        "SYNC_INGREDIENTS_DUMP_URL": "{upstream}/none.jsonl.gz",
        "DJANGO_MEDIA_ROOT": "{scratch}/media",
        "DJANGO_STATIC_ROOT": "{scratch}/static",
        **dict.fromkeys(_SWITCHES, "True"),
    },
    prepare=(
        ("manage.py", "migrate", "--verbosity", "0"),
        ("manage.py", "loaddata", "--verbosity", "0", *_FIXTURES),
    ),
    calls=(
        ("wger.core.tasks.flush_expired_jwt_tokens_task", ()),
        ("wger.core.tasks.flush_expired_long_lived_sessions_task", ()),
        ("wger.core.tasks.flush_expired_oidc_tokens_task", ()),
        ("wger.exercises.tasks.sync_exercises_task", ()),
        ("wger.exercises.tasks.sync_images_task", ()),
        ("wger.exercises.tasks.sync_videos_task", ()),
        ("wger.exercises.tasks.cache_api_exercises_task", ()),
        ("wger.nutrition.tasks.fetch_ingredient_image_task", (1,)),
        ("wger.nutrition.tasks.fetch_all_ingredient_images_task", ()),
        ("wger.nutrition.tasks.sync_ingredient_id_range_task", (0, 100)),
        ("wger.nutrition.tasks.sync_all_ingredients_chunked_task", ()),
        ("wger.nutrition.tasks.sync_ingredients_bulk_or_api_task", ()),
        ("wger.nutrition.tasks.export_ingredients_dump_task", ()),
        ("wger.nutrition.tasks.sync_off_daily_delta", ()),
        ("wger.trophies.tasks.evaluate_user_trophies_task", (1,)),
        ("wger.trophies.tasks.evaluate_all_users_trophies_task", ()),
        ("wger.trophies.tasks.update_user_statistics_task", (1,)),
        ("wger.trophies.tasks.recalculate_all_statistics_task", ()),
    ),
    ticks=(
        "wger.core.tasks.flush_expired_jwt_tokens_task",
        "wger.core.tasks.flush_expired_long_lived_sessions_task",
        "wger.core.tasks.flush_expired_oidc_tokens_task",
        "wger.exercises.tasks.sync_exercises_task",
        "wger.exercises.tasks.sync_images_task",
        "wger.exercises.tasks.sync_videos_task",
        "wger.exercises.tasks.cache_api_exercises_task",
        "wger.nutrition.tasks.sync_ingredients_bulk_or_api_task",
        "wger.nutrition.tasks.export_ingredients_dump_task",
        "wger.nutrition.tasks.sync_off_daily_delta",
    ),
)
HOSTS = {host.name: host for host in (COOKIECUTTER, WGER)}
