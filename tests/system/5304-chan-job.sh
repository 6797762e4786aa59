# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-chan in a job script inside dragon-run: steps that run side by side on two nodes, as in its manual.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 6

cat >job.sh <<'END'
set -e
# a pipeline between two steps
dragon-pg -n 1 -H 1 sh -c 'seq 1 100000 | dragon-chan send --create fields' &
dragon-pg -n 1 -H 0 sh -c 'dragon-chan recv fields | sort -n | tail -n 1' >last
wait $!

# work for many; each result is one message
dragon-chan create work --capacity 10
dragon-chan create results --capacity 1000
seq 1 200 | dragon-chan send work --lines &
sender=$!
dragon-pg -n 4 --ppn 2 sh -c 'while number=$(dragon-chan recv work -n 1 2>/dev/null); do
    dragon-chan send results -m "$DRAGON_NODE $((number * 2))"; done' &
workers=$!
wait "$sender"
dragon-chan close work
wait "$workers"
dragon-chan close results
dragon-chan recv results --lines >results

# what fails is seen by the one behind it
dragon-pg -n 1 -H 1 sh -c 'head -c 3000000 /dev/zero | dragon-chan send --create broken - /proc/self/mem' 2>/dev/null &
sender=$!
codes=
dragon-chan recv broken >/dev/null 2>&1 || codes=$?
wait "$sender" || codes="$codes $?"
echo "$codes" >codes
END
check "a job with steps that talk" dragon-run --test-hosts 2 bash ./job.sh
is "a stream from one step to another" "$(cat last)" 100000
is "every piece of work was done once" "$(cut -d' ' -f2 results | sort -n | uniq | wc -l)" 200
is "  rightly" "$(cut -d' ' -f2 results | awk '{ sum += $1 } END { print sum }')" 40200
is "a step that fails is seen by the one behind it" "$(cat codes)" "1 125"
no_leftovers "nothing is left"
finish
