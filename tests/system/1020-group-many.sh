# SPDX-License-Identifier: BSD-3-Clause
#
# Many ranks, many groups.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 12
LIMIT=120

check "3000 ranks of true in one group" dragon-run dragon-pg -n 3000 true
is "each of 3000 ranks is there once" \
    "$(dragon-run --test-hosts 3 dragon-pg -n 3000 --map-by node sh -c 'echo $DRAGON_RANK' | sort -n | md5sum)" \
    "$(seq 0 2999 | md5sum)"
check_status 9 "one of 3000 fails" dragon-run dragon-pg -n 3000 sh -c '[ $DRAGON_RANK != 2345 ] || exit 9'
like "and is named" 'rank 2345 on .* code 9$' "$(cat "$err")"
ranks_at_once()
{
    # Alive together: each waits for the end of the input of rank 0, which ends when all are there.
    mkfifo gate
    dragon-run dragon-pg -n 300 sh -c 'echo here; exec cat gate' >here &
    wait_until "$LIMIT" sh -c '[ $(wc -l <here) = 300 ]' || return 1
    : >gate
    # Whoever opens it later still waits for a writer.
    while kill -0 $! 2>/dev/null; do timeout 1 sh -c ': >gate'; done
    wait $!
}
check "300 ranks alive at once" ranks_at_once

# 200 groups one after another: the agent does not grow.
one_after_another()
{
    dragon-run sh -c '
        agent=$(ps -o ppid= -p $$)
        rss() { awk "/^VmRSS/ { print \$2 }" /proc/$((agent))/status; ls /proc/$((agent))/fd | wc -l; }
        for i in 1 2 3 4 5 6 7 8 9 10; do dragon-pg -n 3 true || exit 1; done
        rss >first
        i=0; while [ $i -lt 200 ]; do dragon-pg -n 3 true || exit 1; i=$((i + 1)); done
        rss >last'
}
check "200 groups one after another" one_after_another
grown=$(($(head -n 1 last) - $(head -n 1 first)))
check "the agent has not grown ($grown KB)" test "$grown" -le 1024
is "nor its descriptors" "$(tail -n 1 last)" "$(tail -n 1 first)"

at_once()
{
    dragon-run --test-hosts 2 bash -c '
        for i in {1..20}; do
            dragon-pg -n 4 --map-by node sh -c "echo group $i \$DRAGON_RANK; exit $i" >many.$i 2>/dev/null &
            pids[i]=$!
        done
        for i in {1..20}; do wait ${pids[i]}; [ $? = $i ] || exit 1; done'
}
check "20 groups at once, each with its own code" at_once
is "and its own output" "$(cat many.* | sort | uniq | wc -l)" 80
from_one_client()
{
    dragon-run "$DRAGON_BUILDDIR/tests/api/group_life" >/dev/null
}
check "twelve groups of one client" from_one_client
no_leftovers "nothing is left"
finish
