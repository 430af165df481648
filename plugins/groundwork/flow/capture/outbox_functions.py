"""The functions behind the outbox's triggers, as SQL; they run in the source's database with their owner's rights.

Images are rows as PostgreSQL prints them, beside the names that the columns had at that moment: nothing in the function
names a column, so that no change of the table can break its writers, and its statements are planned once per session.
An update that changes keys is told as a deletion and an insertion, because old and new rows find one another by key.
"""

from __future__ import annotations

_CAPTURE = (
    """
CREATE OR REPLACE FUNCTION groundwork_flow.capture_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
#variable_conflict use_variable
DECLARE
  has_images CONSTANT boolean := TG_ARGV[0] = 'images';
  names text[]; keys CONSTANT text[] := TG_ARGV[1:]; told bigint;
BEGIN
  IF pg_relation_size('groundwork_flow.change') > (SELECT min(limit_bytes) FROM groundwork_flow.change_reader) THEN
    UPDATE groundwork_flow.change_reader SET is_lost = true WHERE NOT is_lost;
    RETURN NULL;
  END IF;
  IF has_images THEN
    names := ARRAY(SELECT attname::text FROM pg_attribute
                   WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped ORDER BY attnum);
  END IF;
  IF TG_OP = 'INSERT' THEN
    INSERT INTO groundwork_flow.change (INTO_COLUMNS)
    SELECT INTO_VALUES, KEY_OF_n, 'insert', NULL, CASE WHEN has_images THEN n::text END FROM changed AS n;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO groundwork_flow.change (INTO_COLUMNS)
    SELECT INTO_VALUES, KEY_OF_o, 'delete', CASE WHEN has_images THEN o::text END, NULL FROM was AS o;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO groundwork_flow.change (INTO_COLUMNS)
    SELECT INTO_VALUES, coalesce(new_row.key, old_row.key),
           CASE WHEN old_row.key IS NULL THEN 'insert' WHEN new_row.key IS NULL THEN 'delete' ELSE 'update' END,
           old_row.image, new_row.image
    FROM (SELECT KEY_OF_o AS key, CASE WHEN has_images THEN o::text END AS image FROM was AS o) AS old_row
    FULL JOIN (SELECT KEY_OF_n AS key, CASE WHEN has_images THEN n::text END AS image FROM changed AS n) AS new_row
      ON old_row.key = new_row.key;
  ELSE
    INSERT INTO groundwork_flow.change (INTO_COLUMNS) SELECT INTO_VALUES, '{}', 'truncate', NULL, NULL;
  END IF;
  GET DIAGNOSTICS told = ROW_COUNT;
  IF told > 0 THEN
    INSERT INTO groundwork_flow.change_commit AS c (xid) VALUES (pg_current_xact_id())
      ON CONFLICT (xid) DO UPDATE SET number = NULL WHERE c.number IS NOT NULL;
    PERFORM pg_notify('groundwork_change', json_build_object(
      'transaction_id', pg_current_xact_id()::text, 'schema', TG_TABLE_SCHEMA, 'table', TG_TABLE_NAME)::text);
  END IF;
  RETURN NULL;
END $$
""".replace(
        "INTO_COLUMNS",
        "transaction_id, xid, schema_name, table_name, changed_at, names, key, operation, before, after",
    )
    .replace(
        "INTO_VALUES",
        "pg_current_xact_id()::text, pg_current_xact_id(), TG_TABLE_SCHEMA, TG_TABLE_NAME, clock_timestamp(), names",
    )
    .replace("KEY_OF_o", "(SELECT jsonb_object_agg(k, to_jsonb(o) -> k) FROM unnest(keys) AS k)")
    .replace("KEY_OF_n", "(SELECT jsonb_object_agg(k, to_jsonb(n) -> k) FROM unnest(keys) AS k)")
)
_NUMBER = """
CREATE OR REPLACE FUNCTION groundwork_flow.number_commit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE groundwork_flow.change_commit
    SET number = nextval('groundwork_flow.change_commit_number'), committed_at = clock_timestamp()
    WHERE xid = NEW.xid AND number IS NULL;
  RETURN NULL;
END $$
"""
_TRIGGER = """
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'groundwork_number_commit'
                 AND tgrelid = 'groundwork_flow.change_commit'::regclass) THEN
    CREATE CONSTRAINT TRIGGER groundwork_number_commit AFTER INSERT OR UPDATE ON groundwork_flow.change_commit
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.number IS NULL)
      EXECUTE FUNCTION groundwork_flow.number_commit();
  END IF;
END $$
"""
FUNCTIONS = (
    _CAPTURE,
    _NUMBER,
    _TRIGGER,
    "REVOKE ALL ON FUNCTION groundwork_flow.capture_change() FROM PUBLIC",
    "REVOKE ALL ON FUNCTION groundwork_flow.number_commit() FROM PUBLIC",
)
