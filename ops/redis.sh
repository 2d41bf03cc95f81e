# The private Redis of a run. Sourced after common.sh.
# shellcheck shell=bash disable=SC2034,SC2154

readonly redis_program=/usr/bin/redis-server

redis_prepare() {
    [[ -x $redis_program ]] || die "$redis_program is missing; make deps installs it"
    redis_dir=$run_dir/redis
    folder 700 "$redis_dir"
    port_remembered redis
    redis_port=$port
    socket_dir redis "$redis_dir"
    redis_socket=$sockets/redis.sock
    redis_users | private_file "$conf_dir/redis.acl"
    redis_settings | private_file "$conf_dir/redis.conf"
}

# A user for each program, with a password of its own; people have usher_ops'.
readonly redis_programs='gateway allocator courier ctl'

redis_users() {
    local name
    secret_of redis
    set -- "usher_ops=$secret_dir/redis"
    for name in $redis_programs; do
        secret_of "redis-$name"
        set -- "$@" "usher_$name=$secret_dir/redis-$name"
    done
    "$top/ops/redis-acl" "$@"
}

# The append-only file holds what is asked and not yet decided; Postgres holds the truth. Nothing
# is evicted: at the limit a write is refused, and the gateway says so. Thousands of answers expire
# at once: a thread beside frees them.
redis_settings() {
    local kib
    kib=$(awk '/^MemTotal:/ { print int($2 / 2) }' /proc/meminfo)
    cat <<CONF
# Written at each start by ops/redis.sh.
bind 127.0.0.1
port $redis_port
unixsocket $redis_socket
unixsocketperm 700
aclfile $conf_dir/redis.acl
protected-mode yes
daemonize no
dir $redis_dir
save ""
appendonly yes
appendfsync everysec
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 256mb
aof-load-truncated yes
maxmemory ${kib}kb
maxmemory-policy noeviction
lazyfree-lazy-expire yes
CONF
}

redis_start() {
    redis_put_aside_broken_file
    spawn redis "$redis_program" "$conf_dir/redis.conf"
}

# A file that Redis cannot read would keep it down for ever. Everything decided is in Postgres, so
# Redis may begin empty; the file is kept for whoever wants to look.
redis_put_aside_broken_file() {
    local log=$log_dir/redis.log file=$redis_dir/appendonlydir
    [[ -s $log && -d $file ]] || return 0
    if tail -n 5 "$log" | grep -q 'Bad file format reading the append only file'; then
        mv "$file" "$file.broken.$(date +%Y%m%d%H%M%S)"
        printf 'ops: the append-only file was put aside\n' >>"$log"
        say 'redis could not read its append-only file; it is put aside and Redis begins empty'
    fi
}

redis_answers() {
    secret_of redis
    [[ $(REDISCLI_AUTH=$secret redis-cli --user usher_ops -s "$redis_socket" ping 2>/dev/null) == PONG ]]
}
