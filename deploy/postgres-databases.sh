#!/bin/sh
# Runs once, when the PostgreSQL container makes its cluster: three databases, each owned by a role without superuser
# rights. The warehouse's role may make roles, because the roles of contracts live in the database.
set -eu
for name in airflow groundwork warehouse; do
  # A backquote of psql runs in a shell of its own, which sees the variable; so no password is on a command line.
  name=$name psql --set ON_ERROR_STOP=1 --username postgres --dbname postgres --set name="$name" <<'SQL'
\set password `cat /run/secrets/postgres-"$name"`
CREATE ROLE :"name" LOGIN NOSUPERUSER NOCREATEDB PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
psql --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
ALTER ROLE warehouse CREATEROLE;
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
SQL
