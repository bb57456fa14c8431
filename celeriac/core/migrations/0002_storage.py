from django.db import migrations


class Migration(migrations.Migration):
    """Reading by index, however many were moved.

    With the ids out of the row the table looks small, and with new ones in a list beside
    the index that looks dear: the planner read and unpacked the whole table instead.
    """

    dependencies = [("celeriac_core", "0001_initial")]

    operations = [
        migrations.RunSQL(
            sql="""
            ALTER TABLE celeriac_core_auditbatch ALTER COLUMN targets SET STORAGE main;
            ALTER INDEX celeriac_audit_batch_targets SET (fastupdate = off);
            """,
            reverse_sql="""
            ALTER TABLE celeriac_core_auditbatch ALTER COLUMN targets SET STORAGE extended;
            ALTER INDEX celeriac_audit_batch_targets RESET (fastupdate);
            """,
        )
    ]
