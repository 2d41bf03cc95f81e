# The private Postgres cluster of a run: where it lives, how it is made, started and furnished.
# Sourced after common.sh.
# shellcheck shell=bash disable=SC2034,SC2154

readonly pg_version_min=15
readonly pg_elsewhere=/var/lib/usher

# Postgres refuses root: called by root, the cluster belongs to the user of Debian's package.
as_postgres() {
    if ((EUID == 0)); then
        (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@")
    else
        "$@"
    fi
}

# postgres_prepare: find or make the cluster, choose its port, write its settings. Sets pg_port,
# pg_sockets, pg_bin, pg_data.
postgres_prepare() {
    ((EUID != 0)) || id -u postgres >/dev/null 2>&1 ||
        die "there is no user postgres to run the cluster as; is Debian's postgresql installed?"
    cluster_find
    pg_data=$cluster/data
    postgres_find_programs
    cluster_release
    if [[ ! -s $pg_data/PG_VERSION ]]; then
        cluster_make
    fi
    port_remembered postgres
    pg_port=$port
    socket_dir postgres "$cluster/socket"
    pg_sockets=$sockets
    ((EUID != 0)) || chown postgres:postgres "$pg_sockets"
    postgres_settings | postgres_write "$pg_data/usher.conf"
}

# The cluster is RUN_DIR/postgres. Where its user cannot enter (a checkout under /root), that is a
# link to a folder of the same shape in /var/lib/usher, which remembers whose it is.
cluster_find() {
    local here=$run_dir/postgres
    if [[ -L $here && ! -e $here ]]; then
        say "the cluster that $here points to is gone; making a new one"
        rm -f "$here"
    fi
    if [[ -L $here ]]; then
        cluster=$(readlink -f "$here")
        cluster_claim
    elif as_postgres test -x "$run_dir"; then
        cluster=$here
        folder 755 "$cluster"
    else
        cluster_place_elsewhere "$here"
    fi
}

cluster_place_elsewhere() {
    cluster=$pg_elsewhere/run-$run_id
    folder 755 "$pg_elsewhere"
    if [[ -e $cluster ]]; then
        # RUN_DIR was removed and begins anew. Its former data is not ours to delete.
        mv "$cluster" "$cluster.$(date +%Y%m%d%H%M%S)"
        say "the former cluster of $run_dir is kept in $(printf '%s\n' "$cluster".* | tail -n 1)"
    fi
    if [[ -d $1 ]]; then
        mv "$1" "$cluster"
    else
        mkdir -m 755 "$cluster"
    fi
    printf '%s\n' "$run_dir" >"$cluster/run_dir"
    ln -s "$cluster" "$1"
}

# A checkout copied with its RUN_DIR must not work on the original's cluster; one that moved may.
cluster_claim() {
    local of=
    { read -r of <"$cluster/run_dir"; } 2>/dev/null || true
    [[ $of != "$run_dir" ]] || return 0
    if [[ -n $of && $(readlink -f "$of/postgres") == "$cluster" ]]; then
        die "the cluster $cluster belongs to $of; remove $run_dir to begin anew"
    fi
    printf '%s\n' "$run_dir" >"$cluster/run_dir"
}

# The programs of the version that made the data, else the newest.
postgres_find_programs() {
    local version
    if [[ -s $pg_data/PG_VERSION ]]; then
        read -r version <"$pg_data/PG_VERSION"
    else
        version=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres |
            sed -n 's|.*/\([0-9]\{1,\}\)/bin/postgres$|\1|p' | sort -n | tail -n 1)
    fi
    pg_bin=/usr/lib/postgresql/$version/bin
    [[ -n $version && -x $pg_bin/postgres ]] ||
        die "no programs of Postgres ${version:-"$pg_version_min or newer"} in /usr/lib/postgresql"
    ((version >= pg_version_min)) || die "Postgres $version is too old: $pg_version_min is needed"
}

# Made beside its place and moved there whole: a run killed meanwhile leaves nothing half made.
cluster_make() {
    local new=$cluster/data.new
    say 'making a Postgres cluster'
    rm -rf "$new"
    ((EUID != 0)) || chown postgres:postgres "$cluster"
    secret_of postgres
    (umask 077 && printf '%s\n' "$secret" | as_postgres tee "$cluster/password" >/dev/null)
    as_postgres chmod 600 "$cluster/password"
    as_postgres "$pg_bin/initdb" -D "$new" -U postgres --pwfile="$cluster/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-instructions \
        >"$log_dir/initdb.log" 2>&1 || {
        tail -n 20 "$log_dir/initdb.log" >&2
        die 'initdb failed'
    }
    rm -f "$cluster/password"
    printf "\ninclude_if_exists 'usher.conf'\n" | as_postgres tee -a "$new/postgresql.conf" >/dev/null
    mv "$new" "$pg_data"
}

postgres_write() {
    as_postgres tee "$1.new" >/dev/null
    mv -f "$1.new" "$1"
}

# Durability is not for sale: what is committed has reached the disk. The rest is size.
postgres_settings() {
    cat <<CONF
# Written at each start by ops/postgres.sh.
listen_addresses = '127.0.0.1'
port = $pg_port
unix_socket_directories = '$pg_sockets'
password_encryption = 'scram-sha-256'
cluster_name = 'usher'
max_connections = 100

fsync = on
synchronous_commit = on
full_page_writes = on

shared_buffers = 256MB
effective_cache_size = 1GB
maintenance_work_mem = 128MB
wal_buffers = 16MB
wal_compression = on
min_wal_size = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
random_page_cost = 1.1
jit = off

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
log_checkpoints = off
log_lock_waits = on
CONF
}

# A postmaster of an earlier run may still be there: it is stopped. Its file may also name a
# stranger who got the pid since, and then Postgres would not start: only with nobody left who
# works in the data does that file go. In every other case Postgres itself knows best.
cluster_release() {
    local pid='' file=$pg_data/postmaster.pid end=$((SECONDS + 60))
    [[ -e $file ]] || return 0
    read -r pid <"$file" || true
    [[ $pid =~ ^[0-9]+$ && -d /proc/$pid ]] || return 0
    if works_in_data "$pid"; then
        say "stopping the Postgres that an earlier run left (process $pid)"
        kill -s INT "$pid" 2>/dev/null || true
    fi
    while works_in_data '*'; do
        ((SECONDS < end)) || die "the Postgres of an earlier run (process $pid) does not stop"
        pause 0.1
    done
    rm -f "$file"
}

works_in_data() { # works_in_data PID or '*': a process of Postgres has the data for its folder
    local link
    for link in /proc/$1/cwd; do
        [[ $(readlink "$link" 2>/dev/null) != "$pg_data" ]] || return 0
    done
    return 1
}

postgres_start() {
    cluster_release
    if ((EUID == 0)); then
        spawn postgres setpriv --reuid=postgres --regid=postgres --init-groups -- \
            "$pg_bin/postgres" -D "$pg_data"
    else
        spawn postgres "$pg_bin/postgres" -D "$pg_data"
    fi
}

postgres_answers() {
    "$pg_bin/pg_isready" -q -h "$pg_sockets" -p "$pg_port" -d postgres
}

# As the superuser of the private cluster; statements on standard input.
postgres_admin() {
    secret_of postgres
    PGPASSWORD=$secret "$pg_bin/psql" -h "$pg_sockets" -p "$pg_port" -U postgres \
        -X -q -A -t -v ON_ERROR_STOP=1 "$@" >/dev/null
}

# The owner makes the tables and the groups (sql/0003_roles.sql, sql/0005_payments.sql), and is no superuser. The login
# roles have what their groups have.
postgres_furnish() {
    local role
    for role in usher allocator gateway courier; do
        secret_of "$role"
        printf "SELECT 'CREATE ROLE %s LOGIN' WHERE to_regrole('%s') IS NULL \\\\gexec\n" \
            "$role" "$role"
        printf "ALTER ROLE %s PASSWORD '%s';\n" "$role" "$secret"
    done | postgres_admin -d postgres
    postgres_admin -d postgres <<'SQL'
ALTER ROLE usher CREATEROLE;
SELECT 'CREATE DATABASE usher OWNER usher'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'usher') \gexec
REVOKE ALL ON DATABASE usher FROM PUBLIC;
GRANT CONNECT ON DATABASE usher TO allocator, gateway, courier;
SQL
}

postgres_grant() {
    postgres_admin -d usher <<'SQL'
GRANT usher_allocator TO allocator;
GRANT usher_gateway TO gateway;
GRANT usher_courier TO courier;
SQL
}

# The URL of a role, through the socket for the daemons and through the port for people.
postgres_url() { # postgres_url ROLE socket|port: sets $url
    secret_of "$1"
    if [[ $2 == socket ]]; then
        url="postgresql://$1:$secret@/usher?host=$pg_sockets&port=$pg_port"
    else
        url="postgresql://$1:$secret@127.0.0.1:$pg_port/usher"
    fi
}
