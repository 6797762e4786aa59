# SPDX-License-Identifier: BSD-3-Clause
#
# Managers that are killed while processes of both nodes are in the middle of something with them; dictionaries with many managers, and
# many of them one after the other; makers that are killed.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/dict_lost.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 22
LIMIT=240
# It takes some 10 ms when the machine has nothing else to do.
SOON_MS=1000

# kill_manager RANK: of the dictionary of $descriptor
kill_manager()
{
    local pid
    for pid in $(pgrep -f "^dragon-dict-manager $descriptor "); do
        if grep -qzx "DRAGON_RANK=$1" "/proc/$pid/environ"; then
            killed=$(date +%s%6N)
            kill -KILL "$pid"
            return
        fi
    done
    return 1
}

start_nodes || skip_all "no runtime on two nodes"
check "a dictionary with three managers" make_dict first 3
check "processes of both nodes are in the middle of something" hold_all first 1 key view cursor room busy
check "a manager of node 1 is killed" kill_manager 1
told "all are told at once who it was, and the others go on" $SOON_MS "lost manager 1 of node 1" \
    "manager 0 goes on" "manager 2 goes on"
check "who comes later is told, too" on 0 "$lost" use first 1
check "  on both nodes" on 1 "$lost" use first 1
check "others wait for a manager of node 0" hold_all first 0 key room
check "it is killed as well" kill_manager 0
told "all are told at once" $SOON_MS "lost manager 0 of node 0" "manager 2 goes on"
check "both are gone" on 1 "$lost" use first 0 1
check "it is destroyed" on 1 "$lost" destroy first
check "another one can be made" make_dict first 3
check "  and used" on 1 "$lost" use first
check "  and destroyed" on 0 "$lost" destroy first
end_nodes

# The agent is killed, which tells nobody anything; the runtime ends with it.
kill_agent()
{
    local agent
    # shellcheck disable=SC2016
    agent=$(on 0 dragon-pg -n 1 -H 1 sh -c 'echo $PPID') || return
    killed=$(date +%s%6N)
    kill -KILL "$agent"
}
rm -f go node.? held.*
start_nodes
check "in another runtime a dictionary" make_dict first 2
check "processes of both nodes use a manager of node 1" hold_all first 1 key view cursor room busy
check "the agent of node 1 is killed" kill_agent
told "all are told" 5000
wait "$runtime"

count=180 moments=60
[ -z "${DRAGON_LONG:-}" ] || count=400 moments=600
check "sixteen managers" passes --test-hosts 2 dict_lost many 16
check "made and destroyed again and again" passes --test-hosts 2 dict_lost cycles $count
grep '^#' "$out"
check "makers that are killed" passes --test-hosts 2 dict_lost orphans $moments
grep '^#' "$out"
no_leftovers "nothing is left"
finish
