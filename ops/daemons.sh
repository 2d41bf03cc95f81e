# usher's own programs: their configuration, how they start, how one sees that all is ready.
# Sourced after common.sh, postgres.sh and redis.sh.
# shellcheck shell=bash disable=SC2034,SC2154

programs_check() {
    local program
    for program in usher-gateway usher-allocator usher-courier usherctl; do
        [[ -x $build/$program ]] || die "$build/$program is not built; make builds it"
    done
}

# Everything a program needs stands in a file that only its owner reads: a password on a command
# line would be everybody's.
daemons_configure() {
    usher_url=http://$([[ $host == 0.0.0.0 ]] && echo 127.0.0.1 || echo "$host"):$http_port
    postgres_url gateway socket
    ticket_keys
    admin_token
    daemon_settings gateway "listen = $host:$http_port" 'auth = open' "ticket_keys = $secret_dir/ticket_keys" \
        "admin_token_hashes = operator:$admin_hash"
    postgres_url allocator socket
    daemon_settings allocator 'partition = 0'
    postgres_url courier socket
    daemon_settings courier 'provider = simulated'
    postgres_url usher socket
    daemon_settings ctl "admin_url = $usher_url" "admin_token = $(<"$secret_dir/admin_token")"
    postgres_url usher port
    secret_of redis
    private_file "$run_dir/usher.env" <<CONF
USHER_URL=$usher_url
USHER_REDIS=redis://usher_ops:$secret@127.0.0.1:$redis_port/0
USHER_PG=$url
CONF
}

# The keys that sign waiting rooms' tickets: made once, or every ticket would be void after a restart.
ticket_keys() {
    local file=$secret_dir/ticket_keys
    [[ -s $file ]] || printf '1 %s\n' "$(random_hex)" | private_file "$file"
}

# What an operator types in at /admin; the gateway is given its hash.
admin_token() {
    local file=$secret_dir/admin_token
    [[ -s $file ]] || printf 'usher_admin_%s\n' "$(random_hex)" | private_file "$file"
    admin_hash=$(tr -d '\n' <"$file" | sha256sum | cut -d ' ' -f 1)
}

random_hex() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

daemon_settings() { # daemon_settings SECTION [LINE…]: writes conf/SECTION.conf
    local section=$1
    shift
    secret_of "redis-$section"
    {
        printf '# Written at each start by ops/daemons.sh.\n[usher]\n'
        printf 'redis = unix://usher_%s:%s@%s\n' "$section" "$secret" "$(url_path "$redis_socket")"
        printf 'postgres = %s\n\n[%s]\n' "$url" "$section"
        (($# == 0)) || printf '%s\n' "$@"
    } | private_file "$conf_dir/$section.conf"
}

url_path() { # url_path PATH: percent-encoded, byte by byte
    local LC_ALL=C path=$1 byte
    while [[ -n $path ]]; do
        byte=${path:0:1} path=${path:1}
        case $byte in
        [A-Za-z0-9/._-]) printf '%s' "$byte" ;;
        *) printf '%%%02X' "$(($(printf '%d' "'$byte") & 255))" ;;
        esac
    done
}

# The tables, the roles' rights, the demo shows; each of them does nothing where it is done.
daemons_furnish() {
    ctl migrate
    postgres_grant
    ctl show create --file "$top/ops/demo.json" --if-absent
    ctl show create --slug theatre --number 6 --name "The Theatre: one hundred numbered seats" \
        --category concert --starts-at 2035-06-08T19:30:00Z --map "$top/ops/demo-theatre.json" \
        --tier Stalls:4500 --tier Circle:3000 --if-absent
    ctl series create --file "$top/ops/demo-hotel.json" --if-absent
    ctl series create --file "$top/ops/demo-cinema.json" --if-absent
}

ctl() {
    "$build/usherctl" --config "$conf_dir/ctl.conf" "$@" >>"$log_dir/usherctl.log" 2>&1 ||
        give_up usherctl "$1 failed"
}

# Two partitions and three allocators: each takes what is free, one stands by.
allocator_start() {
    spawn "$1" "$build/usher-allocator" --config "$conf_dir/allocator.conf" --name "$1"
}

gateway_start() {
    spawn gateway "$build/usher-gateway" --config "$conf_dir/gateway.conf"
}

courier_start() {
    spawn courier "$build/usher-courier" --config "$conf_dir/courier.conf"
}

gateway_answers() {
    curl -s -f -o /dev/null --max-time 2 "$usher_url/readyz"
}

# A show of ops/demo.json, and a booking of it for the reader to try.
readonly demo_show=festival demo_body='{"user": "ann", "tier": "VIP", "quantity": 2}'

first_words() {
    cat <<TEXT

usher is ready at $usher_url, in a browser too;
/admin takes the token in $secret_dir/admin_token. So do the routes, and usherctl has it:

  curl -s $usher_url/v1/admin/shows \\
       -H "Authorization: Bearer \$(cat $secret_dir/admin_token)"
  $build/usherctl --config $conf_dir/ctl.conf show pause $demo_show

  curl -s $usher_url/v1/shows
  curl -s -X POST $usher_url/v1/shows/$demo_show/bookings \\
       -H 'Content-Type: application/json' -d '$demo_body'

Logs are in $log_dir, addresses and passwords in $run_dir/usher.env.
TEXT
}
