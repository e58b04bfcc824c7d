# shellcheck shell=bash
# lib.sh - TAP for the shell tests of this folder; to be sourced first.
#
# Each check is one line of TAP whose name is the promise. The test works in a directory of its own ($T), everything it
# starts carries a mark in its environment, and at the end nothing that carries it may be left: `finish` checks that.
# MPL_BUILD is the build folder (default: the current one), MPL_SRC the source folder.
# MPL_TEST_SLOW=K multiplies the time limits.
# A test of several hosts says `need_hosts N` first, and one of Slurm `need_slurm` then; tests/hosts tells what they are.

set -u
MPL_SRC=${MPL_SRC:-$(cd "$(dirname "$0")/../.." && pwd)}
MPL_BUILD=${MPL_BUILD:-$PWD}
SLOW=${MPL_TEST_SLOW:-1}
launch=$MPL_BUILD/mplaunch
cases=$MPL_BUILD/tests/system
T=$(mktemp -d /tmp/mplt-XXXXXX)
mkdir "$T/tmp" "$T/run"
export TMPDIR=$T/tmp XDG_RUNTIME_DIR=$T/run
export MPL_TEST_MARK="t$$-$RANDOM$RANDOM"
# Tests may run in a batch system's job, which is not meant for what they launch.
unset ${!SLURM_@} ${!SLURMD_@} ${!PBS_@} ${!LSB_@} PE_HOSTFILE
n_checks=0 n_failed=0
cd "$T" || exit 99

ok () { n_checks=$((n_checks + 1)); echo "ok $n_checks - $1"; }
not_ok () { n_checks=$((n_checks + 1)) n_failed=$((n_failed + 1)); echo "not ok $n_checks - $1 # ${2:-}"; }
skip () { n_checks=$((n_checks + 1)); echo "ok $n_checks - $1 # SKIP $2"; }
comment () { sed 's/^/# /' "$@" | head -40; }

# check NAME COMMAND...: ok when the command succeeds; otherwise what it said follows.
check () {
    local name=$1
    shift
    if "$@" > "$T/check.out" 2>&1; then
        ok "$name"
    else
        not_ok "$name" "$(printf '%s ' "$@" | tr '\n#' '  ' | cut -c 1-300)"
        comment "$T/check.out"
    fi
}

# run COMMAND...: its code in $code, its output in out and err, its time in $took (ms); ended after 30 s.
run () {
    local began
    began=$(date +%s%3N)
    { timeout --foreground -k 2 $((30 * SLOW)) "$@" > out 2> err < "${stdin:-/dev/null}"; } 2> /dev/null
    code=$?
    took=$(($(date +%s%3N) - began))
}

# start COMMAND...: in the background, with the signals a terminal's programs have; its number in $pid.
start () {
    env --default-signal "$@" > out 2> err < /dev/null &
    pid=$!
}

# wait_until SECONDS COMMAND...
wait_until () {
    local end=$(($(date +%s%3N) + $1 * SLOW * 1000))
    shift
    until "$@" > /dev/null 2>&1; do
        [ "$(date +%s%3N)" -lt "$end" ] || return 1
        sleep 0.02
    done
}

# end_of PID SECONDS: waits for its end and puts its code in $code; 1 when it goes on.
is_over () { local s; s=$(cut -d ' ' -f 3 "/proc/$1/stat" 2> /dev/null) || return 0; [ "$s" = Z ]; }
end_of () {
    wait_until "$2" is_over "$1" || return 1
    wait "$1"
    code=$?
}

# The processes that carry our mark. The shell itself does not: it was started before the mark was made.
marked () {
    local mark=$MPL_TEST_MARK file
    env -u MPL_TEST_MARK grep -lzE "^MPL_TEST_MARK=$mark(\..*)?$" /proc/[0-9]*/environ 2> /dev/null \
        | env -u MPL_TEST_MARK sed 's|/proc/||; s|/environ||'
}
none_marked () { [ -z "$(marked)" ]; }
n_lines () { [ "$(wc -l < "$1")" -eq "$2" ]; }

# The pids of our processes that run a program of that name.
marked_as () {
    local p
    for p in $(marked); do
        [[ "$(readlink "/proc/$p/exe")" == */*"$1"* ]] && echo "$p"
    done
    return 0
}

# Those of our agents: what is started on another host is a guard, and the agent its child.
agents () {
    local p
    for p in $(marked_as mpworker); do
        tr '\0' '\n' < "/proc/$p/cmdline" | grep -qx -e --far || echo "$p"
    done
    return 0
}

kill_marked () {
    local p
    for p in $(marked); do kill -KILL "$p" 2> /dev/null; done
    return 0
}

# need_hosts N [OPTION...]: builds N hosts, with options of `tests/hosts up`; or skips the whole test, saying why, so
# it comes before the first check. Then ${hosts[@]} are their names, ${addresses[@]} what they have, $machine_address
# is this machine's on their network; ssh is one that knows them and their keys, and `in-host NAME COMMAND...` is
# COMMAND there. Their processes have our mark and our TMPDIR. They go in `finish`, or when this shell ends in
# whatever way.
host_tool=$MPL_SRC/tests/hosts
hosts_dir=
need_hosts () {
    local n=$1 why variable set=()
    shift
    why=$("$host_tool" check) || skip_all "$why"
    for variable in MPL_TEST_MARK TMPDIR MPL_TEST_SLOW ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS; do
        [ -z "${!variable:-}" ] || set+=(--env "$variable=${!variable}")
    done
    "$host_tool" up --owner $$ "${set[@]}" "$@" "$n" "$T/hosts" > "$T/hosts.sh" ||
        bail_out "the hosts could not be built"
    . "$T/hosts.sh"
    PATH=$hosts_bin:$PATH
}

# need_slurm [--cpus N]: Slurm over these hosts, each with N processors (4); skips the whole test where it is not
# installed.
need_slurm () {
    local why
    why=$("$host_tool" check slurm) || skip_all "$why"
    "$host_tool" slurm-up "$@" "$hosts_dir" > "$T/slurm.sh" || bail_out "Slurm could not be started"
    . "$T/slurm.sh"
}

# host cut|join|halt|boot NAME, host hide NAME FOLDER: see tests/hosts.
host () {
    local verb=$1
    shift
    "$host_tool" "$verb" "$hosts_dir" "$@"
}

skip_all () { echo "1..0 # SKIP $1"; exit 0; }
bail_out () { echo "Bail out! $1"; exit 1; }

cleanup () {
    local i
    for i in 1 2 3 4 5; do
        none_marked && break
        kill_marked
        sleep 0.1
    done
    [ -z "$hosts_dir" ] || "$host_tool" down "$hosts_dir"
    rm -rf "$T"
}
trap cleanup EXIT

# The last checks of every test, the plan, and the exit code.
finish () {
    if wait_until 2 none_marked; then
        ok "no process is left"
    else
        not_ok "no process is left" "$(marked | tr '\n' ' ')"
    fi
    if [ -z "$(find "$T/tmp" "$T/run" -mindepth 1)" ]; then
        ok "no file is left"
    else
        not_ok "no file is left" "$(find "$T/tmp" "$T/run" -mindepth 1 | tr '\n' ' ')"
    fi
    [ -z "$hosts_dir" ] || check "no host is left" "$host_tool" down "$hosts_dir"
    echo "1..$n_checks"
    [ "$n_failed" -eq 0 ]
    exit
}
