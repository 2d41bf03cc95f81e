# What the scripts in ops/ share: words to people, where a run lives, which process is whose,
# free ports. Sourced; the caller has set -euo pipefail.
# shellcheck shell=bash disable=SC2034,SC2154

# A shell of `su` does not have the system's own folders, where setpriv's and dpkg's helpers are.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Words that cannot be written (a full disk, a closed terminal) are lost; the work goes on.
say() {
    printf 'usher: %s\n' "$*" || true
}

# Standard error may have been put aside (ops/supervisor.sh).
die() {
    printf 'usher: %s\n' "$*" >&"${loud:-2}"
    explained=yes
    exit 1
}

# Sets the names that all of one run's files hang from. RUN_DIR may be relative to the checkout.
find_run_dir() {
    top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
    run_dir=${RUN_DIR:-run}
    [[ $run_dir == /* ]] || run_dir=$top/$run_dir
    run_dir=$(realpath -m -- "$run_dir")
    [[ $run_dir != *[[:space:]\'\"\\%]* ]] ||
        die "RUN_DIR may not contain spaces, quotes, backslashes or percent signs: $run_dir"
    build=${BUILD:-build}
    [[ $build == /* ]] || build=$top/$build
    run_id=$(printf '%s' "$run_dir" | sha256sum)
    run_id=${run_id:0:12}
    log_dir=$run_dir/log
    pid_dir=$run_dir/pid
    conf_dir=$run_dir/conf
    secret_dir=$run_dir/secret
}

# The processes of a run, in the order in which they start.
services=(postgres redis allocator-1 allocator-2 allocator-3 gateway courier)

# A process is known by its pid, the moment it started and the boot that was; a pid alone may have
# gone to a stranger. The record names the run too: a copied folder owns no processes.
# The moment comes from /proc/PID/stat, field 22; the name in field 2 may hold anything.
process_moment() { # process_moment PID: sets $moment, fails where there is no such living process
    local line
    { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    line=${line##*) }
    [[ $line != [ZX]* ]] || return 1
    # shellcheck disable=SC2086  # split into fields: state is the first
    set -- $line
    moment=${20}
}

process_record() { # process_record NAME PID
    local moment boot
    process_moment "$2"
    read -r boot </proc/sys/kernel/random/boot_id
    printf '%s %s %s %s\n' "$2" "$moment" "$boot" "$run_dir" >"$pid_dir/$1.new"
    mv -f "$pid_dir/$1.new" "$pid_dir/$1"
}

# process_find NAME: sets $found to the pid of the recorded process if it is still that one.
process_find() {
    local moment was boot here_boot of
    found=
    [[ -r $pid_dir/$1 ]] || return 1
    read -r found was boot of <"$pid_dir/$1" || true
    read -r here_boot </proc/sys/kernel/random/boot_id
    if [[ $of == "$run_dir" && $boot == "$here_boot" ]] && process_moment "$found" &&
        [[ $moment == "$was" ]]; then
        return 0
    fi
    found=
    return 1
}

# process_stop NAME SIGNAL SECONDS [SIGNAL SECONDS…]: send the first signal to the recorded process
# and give it its time, then the next; a process that was paused is woken to hear it. Fails if it
# outlives them all. Once `hurried` is set (a second Ctrl-C), nothing gets more than a second.
process_stop() {
    local name=$1 end
    shift
    process_find "$name" || return 0
    while (($# > 0)); do
        kill -s "$1" "$found" 2>/dev/null || true
        kill -s CONT "$found" 2>/dev/null || true
        end=$((SECONDS + $2))
        while process_find "$name"; do
            ((SECONDS < end)) || break
            [[ -z ${hurried:-} ]] || ((end <= SECONDS + 1)) || end=$((SECONDS + 1))
            pause 0.05
        done
        process_find "$name" || return 0
        shift 2
    done
    return 1
}

# Stop one service in its own way: the gateway answers those who wait, Redis writes its file,
# Postgres shuts down fast and, if that hangs, as after a crash.
service_stop() {
    case $1 in
    gateway) process_stop "$1" TERM 40 KILL 5 ;;
    courier) process_stop "$1" TERM 30 KILL 5 ;;
    allocator-*) process_stop "$1" TERM 15 KILL 5 ;;
    redis) process_stop "$1" TERM 60 KILL 5 ;;
    postgres) process_stop "$1" INT 60 QUIT 20 ;;
    supervisor) process_stop "$1" TERM 240 ;;
    esac || {
        say "could not stop $1 (process $found)"
        return 1
    }
    rm -f "$pid_dir/$1"
}

stop_services() {
    local name failed=0
    service_stop gateway || failed=1
    # While there are allocators: what it still hears is decided.
    service_stop courier || failed=1
    # All of them at once: none should take over what the one before has just given back.
    for name in allocator-1 allocator-2 allocator-3; do
        ! process_find "$name" || kill -s TERM "$found" 2>/dev/null || true
    done
    for name in allocator-1 allocator-2 allocator-3 redis postgres; do
        service_stop "$name" || failed=1
    done
    return "$failed"
}

# Wait without a process: a read that nobody answers. A trap runs when it ends, at the latest.
pause() {
    [[ -n ${silence:-} ]] || exec {silence}<> <(:)
    read -rt "$1" -u "$silence" || true
}

now_ms() { # sets $ms
    ms=$((${EPOCHREALTIME/[.,]/} / 1000))
}

# port_is_taken PORT: somebody listens on it, on any address. Read from the kernel's own table, as
# a listener with SO_REUSEPORT would let a second one in without a word.
port_is_taken() {
    local hex
    printf -v hex ':%04X' "$1"
    awk -v port="$hex" '
        $4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
        END { exit !found }' < <(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
}

# A free port below the range from which the kernel takes ports for outgoing connections.
port_pick() { # sets $port
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        port=$((20000 + SRANDOM % 12000))
        port_is_taken "$port" || return 0
    done
    die 'no free port between 20000 and 32000'
}

# port_remembered NAME: the port of last time if it is still free, else a new one; sets $port.
port_remembered() {
    local file=$conf_dir/$1.port
    port=
    if [[ -r $file ]]; then
        read -r port <"$file" || true
    fi
    if [[ ! $port =~ ^[0-9]+$ ]] || port_is_taken "$port"; then
        port_pick
        printf '%s\n' "$port" >"$file"
    fi
}

# secret_of NAME: made once, kept in a file that only the owner reads; sets $secret.
secret_of() {
    local file=$secret_dir/$1
    if [[ ! -s $file ]]; then
        (umask 077 && od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$file.new")
        mv -f "$file.new" "$file"
    fi
    secret=$(<"$file")
}

# private_file PATH: standard input becomes a file that only the owner reads, whole or not at all.
private_file() {
    (umask 077 && cat >"$1.new")
    mv -f "$1.new" "$1"
}

# socket_dir NAME WANTED: a folder for unix sockets whose path is short enough for one (107 bytes,
# with room for the file's name): the wanted one if it is, else one where sockets usually live.
# Sets $sockets.
socket_dir() {
    local base
    sockets=$2
    if ((${#sockets} > 80)); then
        base=$(socket_base)
        folder 755 "$base"
        [[ ! -L $base && -O $base ]] || die "$base belongs to somebody else"
        sockets=$base/$run_id-$1
    fi
    folder 700 "$sockets"
}

socket_base() {
    if ((EUID == 0)); then
        echo /run/usher
    else
        echo "${XDG_RUNTIME_DIR:-/tmp}/usher-$EUID"
    fi
}

# folder MODE PATH…: make folders that are not there; those that are keep their mode.
folder() {
    local umask_bits
    printf -v umask_bits '%03o' $((0777 & ~0$1))
    shift
    (umask "$umask_bits" && mkdir -p -- "$@")
}

# spawn NAME COMMAND…: start a service in a session of its own, so that a Ctrl-C meant for this
# script does not reach it, with the signals that a background process is born without. It writes
# its own record before it becomes the command: there is no moment in which it runs unknown.
# Sets $spawned.
spawn() {
    local name=$1
    shift
    (
        trap - INT TERM HUP
        process_record "$name" "$BASHPID"
        [[ -z ${run_lock:-} ]] || exec {run_lock}>&-
        [[ -z ${silence:-} ]] || exec {silence}>&-
        cd /
        exec setsid -- env --default-signal "$@" </dev/null >>"$log_dir/$name.log" 2>&1
    ) &
    spawned=$!
}
