#!/bin/sh
# A streaming replica from the official image: at its first start it copies the primary, afterwards
# it carries on from its slot.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # Copied beside and moved at the end: a copy that was cut short is never taken for a data directory.
  rm -rf "$PGDATA.new" "$PGDATA"
  mkdir -p "$(dirname "$PGDATA")"
  until pg_isready --quiet --host="$PRIMARY_HOST" --port="${PRIMARY_PORT:-5432}"; do sleep 1; done
  PGPASSWORD="$REPLICATION_PASSWORD" pg_basebackup \
    --host="$PRIMARY_HOST" --port="${PRIMARY_PORT:-5432}" --username=replicator \
    --pgdata="$PGDATA.new" --checkpoint=fast --wal-method=stream \
    --slot="$SLOT" --write-recovery-conf
  chmod 700 "$PGDATA.new"
  mv "$PGDATA.new" "$PGDATA"
fi

exec docker-entrypoint.sh postgres "$@"
