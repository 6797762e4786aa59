# SPDX-License-Identifier: BSD-3-Clause
#
# Pools under a mix of everything, with workers that are killed at random; and a head that is killed in the middle of it.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 8
LIMIT=200
seconds=10
[ -z "${DRAGON_LONG:-}" ] || seconds=100
for nodes in 1 2; do
    check "$nodes nodes" passes --test-hosts $nodes pool_storm $seconds
    grep '^# the' "$out"
done

storm=$DRAGON_BUILDDIR/tests/api/pool_storm
# The head is in the midst of it when it says so.
for nodes in 1 2; do
    dragon-run --test-hosts $nodes "$storm" 100 >killed.out 2>killed.err </dev/null &
    runner=$!
    wait_until 60 grep -q 'rages$' killed.out
    is "$nodes nodes: the storm is there" $? 0
    kill -9 "$(sed -n 's/^# process \([0-9]*\) rages$/\1/p' killed.out)"
    code=0
    wait $runner || code=$?
    is "$nodes nodes: the runtime ends with a killed head" $code 137
    no_leftovers "$nodes nodes: nothing is left"
done
finish
