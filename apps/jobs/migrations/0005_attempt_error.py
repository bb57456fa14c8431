from django.db import migrations


class Migration(migrations.Migration):
    """Finds jobs by the words of their errors; runs that did not fail pay nothing for it."""

    atomic = False

    dependencies = [("jobs", "0004_searchterm")]

    operations = [
        migrations.RunSQL(
            sql="""
            CREATE INDEX CONCURRENTLY attempt_error ON jobs_attempt USING gin (
                to_tsvector('simple', regexp_replace(
                    error_class || ' ' || left(message, 500), '[^[:alnum:]]+', ' ', 'g'))
            ) WHERE error_class <> '';
            """,
            reverse_sql="DROP INDEX CONCURRENTLY attempt_error;",
        )
    ]
