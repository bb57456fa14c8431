from django.db import migrations


class Migration(migrations.Migration):
    """Storage that Django's models can't state, and the search over errors."""

    dependencies = [("celeriac_jobs", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql="""
            ALTER TABLE celeriac_jobs_job SET (
                fillfactor = 80,
                autovacuum_vacuum_scale_factor = 0.02,
                autovacuum_vacuum_threshold = 5000,
                autovacuum_vacuum_insert_scale_factor = 0.05,
                autovacuum_analyze_scale_factor = 0.05,
                autovacuum_vacuum_cost_delay = 0
            );
            ALTER TABLE celeriac_jobs_worker SET (fillfactor = 50);
            ALTER TABLE celeriac_jobs_queue SET (fillfactor = 50);
            """,
            reverse_sql="""
            ALTER TABLE celeriac_jobs_job RESET (
                fillfactor,
                autovacuum_vacuum_scale_factor,
                autovacuum_vacuum_threshold,
                autovacuum_vacuum_insert_scale_factor,
                autovacuum_analyze_scale_factor,
                autovacuum_vacuum_cost_delay
            );
            ALTER TABLE celeriac_jobs_worker RESET (fillfactor);
            ALTER TABLE celeriac_jobs_queue RESET (fillfactor);
            """,
        )
    ]
