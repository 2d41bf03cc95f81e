# The part of ops/run that starts, watches, restarts and stops. Sourced by it after the others.
# shellcheck shell=bash disable=SC2034,SC2154

readonly restart_ms_min=250 restart_ms_max=10000 steady_ms=30000
readonly log_bytes_max=67108864

readonly early_deaths_max=5

early_deaths=0
stopping='' hurried='' ready='' explained=''
declare -A pid_of=() started_ms=() wait_ms=() restart_at_ms=()

# --- Starting -----------------------------------------------------------------------------------

start_all() {
    postgres_prepare
    redis_prepare
    daemons_configure
    start postgres
    start redis
    await 120 postgres postgres_answers
    postgres_furnish
    await 120 redis redis_answers
    daemons_furnish
    for name in allocator-1 allocator-2 allocator-3 gateway courier; do
        start "$name"
    done
    await 60 gateway gateway_answers
    ready=yes
    first_words
    printf '%s\n' "$usher_url" >"$run_dir/ready" # last: ops/up shows what was said until then
}

start() {
    log_bound "$log_dir/$1.log"
    now_ms
    started_ms[$1]=$ms
    case $1 in
    allocator-*) allocator_start "$1" ;;
    *) "$1_start" ;;
    esac
    pid_of[$1]=$spawned
    restart_at_ms[$1]=
}

# await SECONDS NAME TEST: until the test is true; meanwhile whoever dies is tended.
await() {
    local end=$((SECONDS + $1))
    until "$3"; do
        ((SECONDS < end)) || give_up "$2" "did not answer within $1 s"
        pause 0.1
        tend_all
    done
}

give_up() {
    say "$1 $2; the end of $log_dir/$1.log:"
    show_tail "$log_dir/$1.log"
    explained=yes
    exit 1
}

show_tail() {
    tail -n 20 "$1" 2>/dev/null | sed 's/^/    /' || true
}

# --- Keeping ------------------------------------------------------------------------------------

# From here on nothing but a signal ends the run: a command that fails in one turn (a full disk, no
# more processes) may do better in the next.
keep_running() {
    local turn
    set +e
    for ((turn = 1; ; turn++)); do
        pause 0.3
        tend_all
        ((turn % 200 != 0)) || log_bound_all
    done
}

tend_all() {
    local name
    for name in "${!pid_of[@]}"; do
        if [[ -n ${restart_at_ms[$name]} ]]; then
            now_ms
            ((ms < restart_at_ms[$name])) || start "$name"
        elif ! is_mine "$name"; then
            take_note_of_death "$name"
        fi
    done
}

# A child that is gone or only waits to be buried. Its pid cannot be a stranger's before `wait`.
is_mine() {
    local moment
    process_moment "${pid_of[$1]}"
}

take_note_of_death() {
    local name=$1 status=0
    wait "${pid_of[$name]}" || status=$?
    if [[ -z $ready ]] && ((++early_deaths > early_deaths_max)); then
        give_up "$name" "ended again and again, at last with $(ending_in_words "$status")"
    fi
    now_ms
    if ((ms - started_ms[$name] > steady_ms)) || [[ -z ${wait_ms[$name]:-} ]]; then
        wait_ms[$name]=$restart_ms_min
    else
        wait_ms[$name]=$((wait_ms[$name] * 2))
        ((wait_ms[$name] <= restart_ms_max)) || wait_ms[$name]=$restart_ms_max
    fi
    restart_at_ms[$name]=$((ms + wait_ms[$name]))
    say "$(date +%H:%M:%S) $name (process ${pid_of[$name]}) ended with $(ending_in_words "$status");" \
        "starting it again in ${wait_ms[$name]} ms"
}

ending_in_words() {
    if (($1 > 128)); then
        printf 'signal %s' "$(kill -l "$1" 2>/dev/null || echo $(($1 - 128)))"
    else
        printf 'status %d' "$1"
    fi
}

# A log keeps its last part in NAME.log.1; the daemons go on writing to the same file.
log_bound_all() {
    local file
    for file in "$log_dir"/*.log; do
        log_bound "$file"
    done
}

log_bound() {
    local bytes
    [[ -e $1 ]] || return 0
    bytes=$(stat -c %s "$1")
    if ((bytes > log_bytes_max)); then
        cp -f "$1" "$1.1" || true
        : >"$1"
    fi
}

# --- Stopping -----------------------------------------------------------------------------------

# The shell says "Killed" of each child that was; take_note_of_death says it better.
shell_noise_aside() {
    exec {loud}>&2 2>"$log_dir/shell.log"
}

ask_to_stop() {
    if [[ -n $stopping ]]; then
        hurried=yes
        return
    fi
    exit 0
}

# The trap of EXIT: whatever ended this script, what it started ends too.
stop_all() {
    local status=$?
    stopping=yes
    trap ask_to_stop INT TERM HUP
    rm -f "$run_dir/ready"
    ((status == 0)) || [[ -n $explained ]] || show_tail "$log_dir/shell.log"
    say 'stopping'
    stop_services || status=1
    rm -f "$pid_dir/supervisor"
    say "stopped; the data stays in $run_dir"
    exit "$status"
}

# A run that was killed leaves its children. They are known by their records.
stop_leftovers() {
    local name left=
    for name in "${services[@]}"; do
        if process_find "$name"; then
            left+=" $name"
        fi
    done
    [[ -z $left ]] || say "an earlier run was killed; stopping what it left:$left"
    stop_services || die 'cannot go on before they have ended'
}
