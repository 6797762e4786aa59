# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-dict in a job script inside dragon-run: steps that run side by side on two nodes, as in its manual.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 6

cat >job.sh <<'END'
set -e
dragon-dict create fields --bytes 64M
dragon-pg -n 4 --ppn 2 sh -c 'seq 1 $((DRAGON_RANK * 10000)) | dragon-dict put fields part$DRAGON_RANK' &
for i in 0 1 2 3; do
    dragon-dict get fields part$i --wait --timeout 1m | wc -l
    dragon-dict erase fields part$i
done >sizes
wait
dragon-dict length fields >length

# each piece of work is done once
dragon-pg -n 4 sh -c 'while i=$(dragon-dict add fields next); [ $i -lt 60 ]; do dragon-dict put fields done$i $DRAGON_RANK; done'
dragon-dict keys fields done | sed s/done// | sort -n >done

dragon-dict prompt fields >script <<'SCRIPT'
put "first key" 'some text'
get "first key"
clear
length
SCRIPT
dragon-dict destroy fields
END
check "a job with steps that share a dictionary" dragon-run --test-hosts 2 bash ./job.sh
is "values that were waited for" "$(tr '\n' ' ' <sizes)" "0 10000 20000 30000 "
is "are erased" "$(cat length)" 0
is "every piece of work was done once" "$(tr '\n' ' ' <done)" "$(seq 0 59 | tr '\n' ' ')"
is "a script" "$(tr '\n' ' ' <script)" "some text 0 "
no_leftovers "nothing is left"
finish
