# SPDX-License-Identifier: BSD-3-Clause
#
# What the system tests share. A test is a bash script that runs under tests/lib/run-system:
#
#     . "$DRAGON_SRCDIR/tests/lib/system.sh"
#     plan 3
#     check "true works" dragon-run true
#     check_status 3 "the exit code comes back" dragon-run sh -c 'exit 3'
#     no_leftovers "nothing is left"
#     finish
#
# Every command gets LIMIT seconds, then TERM, then KILL. A command may be a function of the test.
# What it printed is in the files $out and $err, its code in $status, until the next one.
# Functions of a test have names of two words or more, so that they hide no command.
set -u
LIMIT=${LIMIT:-60}
out=$DRAGON_TEST_DIR/out err=$DRAGON_TEST_DIR/err status=0
planned='' counted=0 failed=0
netns_set=''
shm_before=$(ls /dev/shm)
ipc_before=$(ipcs -m -s -q 2>/dev/null | awk '$2 ~ /^[0-9]+$/ { print $1, $2 }')

plan()
{
    planned=$1
    echo "1..$1"
}

# The whole test makes no sense here.
skip_all()
{
    echo "1..0 # SKIP $*"
    exit 0
}

comment()
{
    sed 's/^/# /' <<<"$*"
}

ok()
{
    counted=$((counted + 1))
    echo "ok $counted - $*"
}

not_ok()
{
    counted=$((counted + 1))
    failed=$((failed + 1))
    echo "not ok $counted - $*"
}

skip()
{
    ok "$1 # SKIP $2"
}

# run CMD...: fills $out, $err and $status.
run()
{
    status=0
    if [ "$(type -t "$1")" = function ]; then
        "$@" >"$out" 2>"$err" || status=$?
    else
        timeout -k 5 "$LIMIT" "$@" >"$out" 2>"$err" || status=$?
    fi
}

show_run()
{
    echo "# code $status of: $*" | cut -c1-500
    head -c 3000 "$out" | head -40 | sed 's/^/# out: /'
    head -c 3000 "$err" | head -40 | sed 's/^/# err: /'
}

# check TEXT CMD...: the command succeeds.
check()
{
    check_status 0 "$@"
}

check_status()
{
    local code=$1 text=$2
    shift 2
    run "$@"
    if [ "$status" = "$code" ]; then
        ok "$text"
    else
        not_ok "$text"
        echo "# code $code was expected"
        show_run "$@"
    fi
}

# check_output REGEX TEXT CMD...: it succeeds, and its output, errors included, has the expression.
check_output()
{
    local regex=$1 text=$2
    shift 2
    run "$@"
    if [ "$status" = 0 ] && cat "$out" "$err" | grep -Eq -- "$regex"; then
        ok "$text"
    else
        not_ok "$text"
        echo "# /$regex/ was expected"
        show_run "$@"
    fi
}

# is TEXT VALUE EXPECTED
is()
{
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1"
        comment "got      '$2'"
        comment "expected '$3'"
    fi
}

# like TEXT REGEX VALUE
like()
{
    if grep -Eq -- "$2" <<<"$3"; then
        ok "$1"
    else
        not_ok "$1"
        comment "got '${3:0:3000}'"
        comment "expected /$2/"
    fi
}

# check_failure REGEX TEXT CMD...: code 125 and exactly one line of complaint, which has the expression.
check_failure()
{
    local regex=$1 text=$2 lines
    shift 2
    run "$@"
    lines=$(grep -c '^dragon-' "$err")
    if [ "$status" = 125 ] && [ "$lines" = 1 ] && grep '^dragon-' "$err" | grep -Eq -- "$regex"; then
        ok "$text"
    else
        not_ok "$text"
        echo "# 125 and one line with /$regex/ were expected"
        show_run "$@"
    fi
}

# wait_until SECONDS CMD...: until the command succeeds; 1 if it does not in time.
wait_until()
{
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

# The processes of this test's runtimes: what carries our mark, and is named so or was told of a runtime.
runtime_processes()
{
    local pid name
    for pid in $(grep -lzsxF "DRAGON_TEST_MARK=${DRAGON_TEST_MARK:-none}" /proc/[0-9]*/environ |
        cut -d/ -f3); do
        name=$(cat "/proc/$pid/comm" 2>/dev/null) || continue
        grep -qs '^State:.Z' "/proc/$pid/status" && continue
        [[ $name == dragon-* ]] || grep -qsz '^DRAGON_RUNTIME=' "/proc/$pid/environ" || continue
        echo "process $pid $name"
    done
}

# Is somebody else's runtime there that was started when FILE was made? Tests run side by side.
is_foreign()
{
    local born pid started now
    born=$(stat -c %W "$1" 2>/dev/null) || return 0
    now=$(cut -d' ' -f1 /proc/uptime)
    for pid in $(pgrep -x dragon-run); do
        started=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)
        [ -n "$started" ] || continue
        started=$(($(date +%s) - ${now%.*} + started / $(getconf CLK_TCK)))
        [ $((born - started)) -le 5 ] && [ $((started - born)) -le 5 ] && return 0
    done
    grep -qs -- "$1" /proc/[0-9]*/maps
}

left_overs()
{
    local name
    runtime_processes
    (cd "$TMPDIR" && ls -d dragon-* 2>/dev/null) | sed "s/^/folder /"
    for name in $(ls /dev/shm); do
        case $name in dragon-* | vader* | mpich* | osc*) ;; *) continue ;; esac
        grep -qxF -- "$name" <<<"$shm_before" || is_foreign "/dev/shm/$name" ||
            echo "shared memory $name"
    done
    # Segments that somebody is attached to are somebody's.
    ipcs -m 2>/dev/null | awk '$2 ~ /^[0-9]+$/ && $6 == 0 { print $1, $2 }' | while read -r name; do
        grep -qxF -- "$name" <<<"$ipc_before" || echo "System V segment $name"
    done
    [ -z "$netns_set" ] || netns_left_overs
}

is_clean()
{
    [ -z "$(left_overs)" ]
}

# no_leftovers TEXT: within 5 seconds nothing of this test's runtimes is there, on any host.
no_leftovers()
{
    if wait_until 5 is_clean; then
        ok "$1"
    else
        not_ok "$1"
        comment "$(left_overs)"
    fi
}

# ---- hosts with a network of their own

find_netns_hosts()
{
    NETNS_HOSTS=${DRAGON_NETNS_HOSTS:-$DRAGON_SRCDIR/../shared/netns-hosts}
    [ -x "$NETNS_HOSTS" ]
}

# netns_up N: `netns ARGS...` then talks to them; otherwise $netns_why says why not. They see
# $DRAGON_TEST_DIR and the trees of the source and the build; the rest of /tmp is their own. What a
# launcher starts there has next to no environment, as under a batch system.
netns_up()
{
    local program share=()
    netns_why="netns-hosts is not there"
    find_netns_hosts || return 1
    case $DRAGON_BUILDDIR in /tmp/*) share+=(--share "$DRAGON_BUILDDIR") ;; esac
    case $DRAGON_SRCDIR in /tmp/*) share+=(--share "$DRAGON_SRCDIR") ;; esac
    netns_set=dt$$x$RANDOM
    trap netns_down EXIT
    trap 'exit 143' TERM INT HUP
    if ! env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DRAGON_TEST_MARK="${DRAGON_TEST_MARK:-}" \
        "$NETNS_HOSTS" --set "$netns_set" up "$1" --share "$DRAGON_TEST_DIR" "${share[@]}" \
        </dev/null >"$DRAGON_TEST_DIR/netns.log" 2>&1; then
        netns_why="netns-hosts cannot run here: $(tail -n 1 "$DRAGON_TEST_DIR/netns.log")"
        netns_set=''
        return 1
    fi
}

netns()
{
    # The TMPDIR of the test is not there for them, and one that they share would be no test.
    env -u TMPDIR timeout -k 5 "$LIMIT" "$NETNS_HOSTS" --set "$netns_set" "$@"
}

netns_down()
{
    [ -z "$netns_set" ] || "$NETNS_HOSTS" --set "$netns_set" down >/dev/null 2>&1
    netns_set=''
}

# Hosts are only ours, so whatever runs there or has such a name is.
netns_left_overs()
{
    netns list | awk '$4 > 0 { print "processes on " $1 ": " $4 }'
    netns run all sh -c 'ls -d /tmp/dragon-[A-Za-z0-9]* /dev/shm/dragon-* /dev/shm/vader* \
        /dev/shm/osc* /dev/shm/mpich* 2>/dev/null' | grep -v "${DRAGON_TEST_DIR##*/}" | sort -u
}

finish()
{
    if [ -n "$planned" ] && [ "$planned" != "$counted" ]; then
        echo "# planned $planned, ran $counted"
        exit 1
    fi
    [ "$failed" = 0 ]
    exit
}
