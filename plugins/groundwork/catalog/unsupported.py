"""What the database has and no contract can declare, so that it is named and never silently dropped.

One query over all schemas. Functions, views and the like are named by the schema they are in; what hangs on a table
by the table.
Source: PostgreSQL documentation, chapter "System Catalogs"; read on versions 15 to 18.
"""

from __future__ import annotations

UNSUPPORTED = """
WITH spaces AS (SELECT oid, nspname AS schema FROM pg_namespace WHERE nspname = ANY(:schemas)),
extensions AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
relations AS (
  SELECT c.*, s.schema FROM pg_class c JOIN spaces s ON s.oid = c.relnamespace
  WHERE NOT EXISTS (SELECT FROM extensions e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
),
tables AS (SELECT * FROM relations WHERE relkind IN ('r', 'p'))
SELECT schema, '' AS table,
       CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                    ELSE 'composite type' END AS kind,
       relname AS name
FROM relations WHERE relkind IN ('v', 'm', 'f', 'c')
UNION ALL
SELECT s.schema, '', CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'range type' END, t.typname
FROM pg_type t JOIN spaces s ON s.oid = t.typnamespace
WHERE t.typtype IN ('d', 'r')
  AND NOT EXISTS (SELECT FROM extensions e WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
UNION ALL
SELECT s.schema, '', CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
       p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')'
FROM pg_proc p JOIN spaces s ON s.oid = p.pronamespace
WHERE NOT EXISTS (SELECT FROM extensions e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid)
UNION ALL
SELECT t.schema, t.relname, 'trigger', g.tgname
FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal AND g.tgparentid = 0
UNION ALL
SELECT t.schema, t.relname, 'rule', r.rulename FROM tables t JOIN pg_rewrite r ON r.ev_class = t.oid
UNION ALL
SELECT t.schema, t.relname, 'row security policy', p.polname FROM tables t JOIN pg_policy p ON p.polrelid = t.oid
UNION ALL
SELECT t.schema, t.relname, 'statistics', x.stxname FROM tables t JOIN pg_statistic_ext x ON x.stxrelid = t.oid
UNION ALL
SELECT t.schema, t.relname, 'comment on the constraint', k.conname
FROM tables t JOIN pg_constraint k ON k.conrelid = t.oid
JOIN pg_description d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = k.oid
UNION ALL
SELECT t.schema, t.relname, 'comment on the index', c.relname
FROM tables t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0
UNION ALL
SELECT t.schema, t.relname, 'option of the index', c.relname || ': ' || option
FROM tables t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid,
     unnest(c.reloptions || CASE WHEN c.reltablespace <> 0
                                 THEN ARRAY[(SELECT 'tablespace=' || spcname::text FROM pg_tablespace p
                                             WHERE p.oid = c.reltablespace)] END
            || CASE WHEN i.indisclustered THEN ARRAY['clustered=true'] END) option
UNION ALL
SELECT t.schema, t.relname, 'option of the table', option
FROM tables t LEFT JOIN pg_am m ON m.oid = t.relam,
     unnest(t.reloptions || CASE WHEN t.relpersistence = 'u' THEN ARRAY['unlogged=true'] END
            || CASE WHEN t.relrowsecurity THEN ARRAY['row security=enabled'] END
            || CASE WHEN t.relforcerowsecurity THEN ARRAY['row security=forced'] END
            || CASE WHEN t.relreplident <> 'd' THEN ARRAY['replica identity=' || t.relreplident::text] END
            || CASE WHEN t.reloftype <> 0 THEN ARRAY['of type=' || t.reloftype::regtype::text] END
            || CASE WHEN t.reltablespace <> 0
                    THEN ARRAY[(SELECT 'tablespace=' || spcname::text FROM pg_tablespace p
                                WHERE p.oid = t.reltablespace)] END
            || CASE WHEN m.amname <> 'heap' THEN ARRAY['access method=' || m.amname::text] END) option
UNION ALL
SELECT t.schema, t.relname, 'option of the column', a.attname || ': ' || option
FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type y ON y.oid = a.atttypid,
     unnest(a.attoptions || CASE WHEN a.attstorage <> y.typstorage THEN ARRAY['storage=' || a.attstorage::text] END
            || CASE WHEN a.attcompression <> '' THEN ARRAY['compression=' || a.attcompression::text] END
            || CASE WHEN (to_jsonb(a) ->> 'attstattarget')::int >= 0
                    THEN ARRAY['statistics=' || (to_jsonb(a) ->> 'attstattarget')] END) option
UNION ALL
SELECT t.schema, t.relname, 'parent table', h.inhparent::regclass::text
FROM tables t JOIN pg_inherits h ON h.inhrelid = t.oid WHERE NOT t.relispartition
UNION ALL
SELECT p.schema, p.relname, CASE WHEN c.relkind = 'p' THEN 'partitioned partition'
                                 WHEN c.relkind = 'f' THEN 'foreign partition'
                                 ELSE 'partition in another schema' END, c.oid::regclass::text
FROM tables p JOIN pg_inherits h ON h.inhparent = p.oid JOIN pg_class c ON c.oid = h.inhrelid
WHERE c.relispartition AND (c.relkind <> 'r' OR c.relnamespace <> p.relnamespace)
UNION ALL
SELECT p.schema, p.relname, 'index of one partition', x.oid::regclass::text
FROM tables p JOIN pg_inherits h ON h.inhparent = p.oid JOIN pg_class c ON c.oid = h.inhrelid AND c.relispartition
JOIN pg_index i ON i.indrelid = c.oid JOIN pg_class x ON x.oid = i.indexrelid
WHERE NOT EXISTS (SELECT FROM pg_inherits u WHERE u.inhrelid = i.indexrelid)
UNION ALL
SELECT p.schema, p.relname, 'constraint of one partition', c.relname || ': ' || k.conname
FROM tables p JOIN pg_inherits h ON h.inhparent = p.oid JOIN pg_class c ON c.oid = h.inhrelid AND c.relispartition
JOIN pg_constraint k ON k.conrelid = c.oid
WHERE k.contype IN ('c', 'f') AND k.conislocal AND k.conparentid = 0 AND k.coninhcount = 0
ORDER BY 1, 2, 3, 4
"""
