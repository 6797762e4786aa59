# SPDX-License-Identifier: BSD-3-Clause
#
# More output than anybody reads: writers are made to wait, memory stays flat, and a reader that goes
# away ends the group.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 15

# peak NAME: the most memory, in MB, that processes of that name of this test have had.
peak()
{
    local pid most=0 now
    for pid in $(runtime_processes | awk -v name="$1" '$3 == name { print $2 }'); do
        now=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$pid/status" 2>/dev/null)
        [ "${now:-0}" -le "$most" ] || most=$now
    done
    echo "$most"
}

gone_reader()
{
    dragon-run dragon-pg -n 4 yes 2>head.err | head -n 1 >head.out
    [ "${PIPESTATUS[0]}" = 141 ]
}
check "| head -n 1 ends the group, with 141" gone_reader
is "the line came" "$(cat head.out)" y
check_status 0 "without a word about a crash" sh -c '! grep -i "signal\|crash\|lost" head.err'
private_reader()
{
    dragon-pg -n 2 yes 2>/dev/null | head -n 1 >/dev/null
    [ "${PIPESTATUS[0]}" = 141 ]
}
check "the same in a private runtime" private_reader
far_reader()
{
    dragon-run --test-hosts 3 dragon-pg -n 3 --map-by node yes 2>/dev/null | head -n 1 >/dev/null
    [ "${PIPESTATUS[0]}" = 141 ]
}
check "and over three nodes" far_reader

# A reader that reads nothing until it is told to. Each rank counts what it got rid of.
mkfifo pipe
dragon-run --test-hosts 2 dragon-pg -n 4 --map-by node sh -c \
    'i=0; while [ $i -lt 250 ]; do head -c 1048575 /dev/zero | tr "\0" x; echo
     i=$((i + 1)); echo $i >count.$DRAGON_RANK; done' >pipe &
group=$!
exec 8<pipe
# Each is stuck when nothing has been written for a while; they may take long to get there.
before=none
stuck()
{
    local now
    now=$(cat count.* 2>/dev/null | tr '\n' ' ')
    sleep 0.3
    [ "$now" = "$before" ] && [ -n "$(pgrep -x dragon-pg)" ] && return 0
    before=$now
    return 1
}
wait_until "$LIMIT" stuck
total=$(cat count.* 2>/dev/null | awk '{ n += $1 } END { print n + 0 }')
check "writers are made to wait for a reader (after $total MB)" test "$total" -le 64
check "the agents are small meanwhile ($(peak dragon-agent) MB)" test "$(peak dragon-agent)" -le 64
check "and dragon-pg ($(peak dragon-pg) MB)" test "$(peak dragon-pg)" -le 64
# Now a gigabyte goes through, and memory is looked at when most of it has passed.
head -c 900000000 <&8 | md5sum >sum
agent=$(peak dragon-agent)
pg=$(peak dragon-pg)
cat <&8 | wc -c >rest
exec 8<&-
wait "$group"
is "the group ends well" "$?" 0
is "and everything came" "$(cat rest)" $((4 * 250 * 1048576 - 900000000))
check "after a gigabyte the agents are still small ($agent MB)" test "$agent" -le 64
check "and dragon-pg ($pg MB)" test "$pg" -le 64

# A reader that is stuck must not keep a group from being stopped.
mkfifo pipe2
sh -c 'exec 8<pipe2; until [ -e release ]; do sleep 0.05; done; cat <&8 >/dev/null' &
reader=$!
dragon-run dragon-pg -n 2 --timeout 500ms --grace 500ms yes >pipe2 2>limit.err &
group=$!
limited()
{
    ! runtime_processes | grep -q ' yes$'
}
check "a time limit ends the ranks though nobody reads" wait_until 20 limited
: >release
wait "$group"
is "the group's code is that of the time limit" "$?" 124
wait "$reader"
no_leftovers "nothing is left"
finish
