# SPDX-License-Identifier: BSD-3-Clause
#
# Processes that are killed in a storm of messages. A new seed each time, which the first line tells; DRAGON_STRESS_SEED
# repeats one.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/api.sh"
plan 3
LIMIT=140
seed=${DRAGON_STRESS_SEED:-$RANDOM$RANDOM} rounds=${DRAGON_STRESS_ROUNDS:-5}
comment "seed $seed"
check "one node" passes chan_kill "$seed" "$rounds"
check "three nodes" passes --test-hosts 3 chan_kill "$seed" "$rounds"
no_leftovers "nothing is left"
finish
