#!/bin/bash
# Run once by the official image, when the primary's data directory has just been made: a role and
# a slot for each replica, and leave to connect for replication.
set -eu

psql --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
  --set=password="$REPLICATION_PASSWORD" <<'SQL'
create role replicator with replication login password :'password';
select pg_create_physical_replication_slot('replica_1', true);
select pg_create_physical_replication_slot('replica_2', true);
SQL

# "all" databases does not cover replication; only the networks this machine is in may ask.
echo 'host replication replicator samenet scram-sha-256' >>"$PGDATA/pg_hba.conf"
