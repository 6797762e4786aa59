# SPDX-License-Identifier: BSD-3-Clause
#
# What the tests of channels between nodes share: traffic (tests/api/chan_traffic) whose receiver knows what has to come.
# Read after chan.sh.
traffic=$DRAGON_BUILDDIR/tests/api/chan_traffic

# new_channel NAME OPTION...: on node 0
new_channel()
{
    DRAGON_RUNTIME=$node0 dragon-chan create "$@" >/dev/null
}

# sends NODE NAME ID MS, receives NODE NAME SENDERS [late]: in the background; the process is in $!
sends()
{
    local socket=node$1
    DRAGON_RUNTIME=${!socket} "$traffic" send "$2" "$3" "$4" >>"said.$2.$3" 2>&1 &
}

receives()
{
    local socket=node$1
    DRAGON_RUNTIME=${!socket} "$traffic" receive "$2" "$3" ${4:+"$4"} >>"said.$2.r" 2>&1 &
}

# all_well TEXT NAME PID...: they end in good order
all_well()
{
    local text=$1 name=$2 pid bad=''
    shift 2
    for pid in "$@"; do
        if ! wait_until "$LIMIT" is_over "$pid"; then
            bad="$bad $pid does not end;"
            kill -KILL "$pid"
        fi
        wait "$pid" || bad="$bad $pid ended with $?;"
    done
    if [ -z "$bad" ]; then
        ok "$text"
    else
        not_ok "$text"
        comment "$bad"
    fi
    sed 's/^/# /' said."$name".*
}

# The transport of a node; empty when there is none.
transport_of()
{
    local socket=node$1
    pgrep -f "^dragon-transport ${!socket}\$"
}

# kill_transports N: those of node 0, at moments that nobody chose
kill_transports()
{
    local pid
    for _ in $(seq "$1"); do
        sleep "0.$((RANDOM % 6))$((RANDOM % 10))"
        pid=$(transport_of 0) && kill -KILL "$pid"
    done
}

# kill_again N PIDS CMD NAME...: `CMD NAME` puts something in the background, for each name; all are killed, again and again. Those that
# stay in the end are in the associative array PIDS.
kill_again()
{
    local count=$1 command=$3 name
    local -n pids_of=$2
    shift 3
    for _ in $(seq "$count"); do
        for name in "$@"; do
            "$command" "$name"
            pids_of[$name]=$!
        done
        sleep 0.1
        for name in "$@"; do
            sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
            kill -KILL "${pids_of[$name]}"
            wait "${pids_of[$name]}" 2>/dev/null
        done
    done
    for name in "$@"; do
        "$command" "$name"
        pids_of[$name]=$!
    done
}
