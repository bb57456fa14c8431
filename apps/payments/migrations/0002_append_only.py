"""Payment events are written once: a trigger refuses to change or delete them."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION payments_paymentevent_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payment events are append-only: % refused', lower(TG_OP)
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER payments_paymentevent_append_only
    BEFORE UPDATE OR DELETE ON payments_paymentevent
    FOR EACH ROW EXECUTE FUNCTION payments_paymentevent_refuse();
"""
BACKWARD = """
DROP TRIGGER payments_paymentevent_append_only ON payments_paymentevent;
DROP FUNCTION payments_paymentevent_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
