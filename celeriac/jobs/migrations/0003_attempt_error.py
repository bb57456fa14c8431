from django.db import migrations


class Migration(migrations.Migration):
    """What a search by the words of an error reads."""

    atomic = False

    dependencies = [("celeriac_jobs", "0002_storage")]

    operations = [
        migrations.RunSQL(
            sql="""
            CREATE INDEX CONCURRENTLY celeriac_attempt_error ON celeriac_jobs_attempt USING gin (
                to_tsvector('simple', regexp_replace(
                    error_class || ' ' || left(message, 500), '[^[:alnum:]]+', ' ', 'g'))
            ) WHERE error_class <> '';
            """,
            reverse_sql="DROP INDEX CONCURRENTLY celeriac_attempt_error;",
        )
    ]
