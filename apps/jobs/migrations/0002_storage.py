from django.db import migrations


class Migration(migrations.Migration):
    """Room for HOT updates, and a vacuum that keeps up with three row versions a job."""

    dependencies = [("jobs", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql="""
            ALTER TABLE jobs_job SET (
                fillfactor = 80,
                autovacuum_vacuum_scale_factor = 0.02,
                autovacuum_vacuum_threshold = 5000,
                autovacuum_vacuum_insert_scale_factor = 0.05,
                autovacuum_analyze_scale_factor = 0.05,
                autovacuum_vacuum_cost_delay = 0
            );
            ALTER TABLE jobs_worker SET (fillfactor = 50);
            ALTER TABLE jobs_queue SET (fillfactor = 50);
            """,
            reverse_sql="""
            ALTER TABLE jobs_job RESET (
                fillfactor,
                autovacuum_vacuum_scale_factor,
                autovacuum_vacuum_threshold,
                autovacuum_vacuum_insert_scale_factor,
                autovacuum_analyze_scale_factor,
                autovacuum_vacuum_cost_delay
            );
            ALTER TABLE jobs_worker RESET (fillfactor);
            ALTER TABLE jobs_queue RESET (fillfactor);
            """,
        )
    ]
