"""The questions that the PostgreSQL adapter asks of the system catalogs, one set-based query per kind of object.

Each takes `:schemas` or the ids of their tables and gives one row per object, in order. Partitions are not tables here.
Source: PostgreSQL documentation, chapter "System Catalogs"; read on versions 15 to 18.
"""

from __future__ import annotations

_TEMPORAL_KEYS = 18  # first version with NOT ENFORCED and WITHOUT OVERLAPS

TABLES = """
SELECT c.oid, n.nspname AS schema, c.relname AS name, obj_description(c.oid, 'pg_class') AS comment,
       CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END AS partition_key
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(:schemas) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
"""

COLUMNS = """
SELECT a.attrelid AS table_oid, a.attname AS name, quote_ident(a.attname) AS quoted,
       a.attnum AS number,
       format_type(a.atttypid, a.atttypmod)
         || CASE WHEN a.attcollation = t.typcollation THEN ''
                 WHEN l.collnamespace = 'pg_catalog'::regnamespace THEN ' COLLATE ' || quote_ident(l.collname)
                 ELSE ' COLLATE ' || l.collnamespace::regnamespace::text || '.' || quote_ident(l.collname) END AS type,
       NOT a.attnotnull OR EXISTS (
         SELECT FROM pg_constraint k
         WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum] AND NOT k.convalidated
       ) AS nullable,
       CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS default,
       CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
       CASE a.attgenerated WHEN 's' THEN pg_get_expr(d.adbin, d.adrelid)
                           WHEN 'v' THEN pg_get_expr(d.adbin, d.adrelid) || ' VIRTUAL' END AS generated,
       col_description(a.attrelid, a.attnum) AS comment
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY(:tables) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

CONSTRAINTS = """
SELECT k.conrelid AS table_oid, k.conname AS name, k.contype AS kind, k.conkey AS numbers,
       fn.nspname AS target_schema, f.relname AS target_table, k.confrelid AS target_oid,
       k.confkey AS target_numbers,
       CASE WHEN k.confrelid <> 0 AND NOT k.confrelid = ANY(:tables) THEN
         ARRAY(SELECT a.attname FROM unnest(k.confkey) WITH ORDINALITY u(number, position)
               JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.position)
       END AS target_columns,
       k.confupdtype AS on_update, k.confdeltype AS on_delete, k.confmatchtype AS match,
       k.convalidated AS is_validated,
       k.condeferrable AS is_deferrable, k.condeferred AS is_deferred, k.connoinherit AS is_not_inherited,
       k.confdelsetcols AS on_delete_numbers,
       {is_enforced} AS is_enforced, {is_without_overlaps} AS is_without_overlaps,
       COALESCE(i.indnullsnotdistinct, false) AS is_nulls_not_distinct,
       CASE WHEN i.indnatts > i.indnkeyatts THEN i.indkey[i.indnkeyatts : i.indnatts - 1] END AS include_numbers,
       CASE k.contype WHEN 'c' THEN pg_get_expr(k.conbin, k.conrelid, true)
                      WHEN 'x' THEN pg_get_constraintdef(k.oid, true) END AS condition
FROM pg_constraint k
LEFT JOIN pg_class f ON f.oid = k.confrelid
LEFT JOIN pg_namespace fn ON fn.oid = f.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND k.contype IN ('p', 'u')
WHERE k.conrelid = ANY(:tables) AND k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conparentid = 0
ORDER BY k.conrelid, k.conname
"""

INDEXES = """
SELECT i.indrelid AS table_oid, c.relname AS name, m.amname AS method, i.indisunique AS is_unique,
       i.indisvalid AND i.indisready AND i.indislive AS is_valid,
       i.indnullsnotdistinct AS is_nulls_not_distinct,
       pg_get_expr(i.indpred, i.indrelid, true) AS predicate,
       ARRAY(
         SELECT pg_get_indexdef(i.indexrelid, u.position::int, true)
           || CASE WHEN i.indcollation[u.position - 1] IN (0, COALESCE(a.attcollation, 100)) THEN ''
                   WHEN l.collnamespace = 'pg_catalog'::regnamespace THEN ' COLLATE ' || quote_ident(l.collname)
                   ELSE ' COLLATE ' || l.collnamespace::regnamespace::text || '.' || quote_ident(l.collname) END
           || CASE WHEN o.opcdefault THEN '' ELSE ' ' || quote_ident(o.opcname) END
           || COALESCE(' (' || array_to_string(p.attoptions, ', ') || ')', '')
           || CASE i.indoption[u.position - 1] WHEN 1 THEN ' DESC NULLS LAST' WHEN 2 THEN ' NULLS FIRST'
                   WHEN 3 THEN ' DESC' ELSE '' END
         FROM generate_series(1, i.indnkeyatts) u(position)
         LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = NULLIF(i.indkey[u.position - 1], 0)
         LEFT JOIN pg_attribute p ON p.attrelid = i.indexrelid AND p.attnum = u.position
         LEFT JOIN pg_opclass o ON o.oid = i.indclass[u.position - 1]
         LEFT JOIN pg_collation l ON l.oid = i.indcollation[u.position - 1]
         ORDER BY u.position
       ) AS keys,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, u.position::int, true)
             FROM generate_series(i.indnkeyatts + 1, i.indnatts) u(position) ORDER BY u.position) AS include
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am m ON m.oid = c.relam
WHERE i.indrelid = ANY(:tables)
  AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY i.indrelid, c.relname
"""

PARTITIONS = """
SELECT h.inhparent AS table_oid, c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
WHERE h.inhparent = ANY(:tables) AND c.relispartition
ORDER BY h.inhparent, c.relname
"""

ENUM_TYPES = """
SELECT n.nspname AS schema, t.typname AS name, obj_description(t.oid, 'pg_type') AS comment,
       ARRAY(SELECT e.enumlabel FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS values
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = ANY(:schemas) AND t.typtype = 'e'
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
ORDER BY n.nspname, t.typname
"""

SEQUENCES = """
SELECT d.refobjid AS table_oid, a.attname AS column, d.deptype AS dependency,
       'nextval(' || quote_literal(c.oid::regclass::text) || '::regclass)' AS as_default,
       n.nspname AS schema, c.relname AS name, format_type(s.seqtypid, NULL) AS type, s.seqincrement AS increment,
       s.seqmin AS minimum, s.seqmax AS maximum, s.seqcache AS cache, s.seqcycle AS is_cycling, s.seqstart AS start,
       obj_description(c.oid, 'pg_class') AS comment
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
  AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE n.nspname = ANY(:schemas)
  AND NOT EXISTS (SELECT FROM pg_depend e
                  WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')
ORDER BY n.nspname, c.relname
"""


def questions(server_version: int) -> dict[str, str]:
    """What is asked once the tables are known, in this order; `server_version` is the major one."""
    has_new_words = server_version >= _TEMPORAL_KEYS
    constraints = CONSTRAINTS.format(
        is_enforced="k.conenforced" if has_new_words else "true",
        is_without_overlaps="k.conperiod" if has_new_words else "false",
    )
    return {
        "columns": COLUMNS,
        "constraints": constraints,
        "indexes": INDEXES,
        "partitions": PARTITIONS,
        "enum_types": ENUM_TYPES,
        "sequences": SEQUENCES,
    }
