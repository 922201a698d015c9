#!/bin/sh
# Makes a database cluster on the first start, then becomes the server. The variables are
# those of the postgres image that people know.
set -eu

: "${PGDATA:=/var/lib/postgresql/data}" "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
export PGDATA

if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
	: "${POSTGRES_PASSWORD:?is not set: give the superuser a password}"
	password=$(mktemp)
	printf '%s\n' "$POSTGRES_PASSWORD" > "$password"
	initdb --username="$POSTGRES_USER" --pwfile="$password" --auth-local=trust \
		--auth-host=scram-sha-256 --locale=C --encoding=UTF8 --no-sync
	rm "$password"
	echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
	echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
	if [ "$POSTGRES_DB" != postgres ]; then
		echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -j -D "$PGDATA" postgres
	fi
fi
exec "$@"
