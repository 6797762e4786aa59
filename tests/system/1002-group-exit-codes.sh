# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# The exit code of a group, and the one message that goes with it.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 32

host=$(hostname)

# message TEXT REGEX: the last command said one line, and that has the expression.
message()
{
    if [ "$(grep -c '^dragon-' "$err")" = 1 ]; then
        like "$1" "$2" "$(cat "$err")"
    else
        not_ok "$1"
        echo "# one message was expected"
        sed 's/^/# /' "$err"
    fi
}

check "all end with 0: 0" dragon-run dragon-pg -n 4 true
is "and no message" "$(cat "$err")" ""
check_status 3 "one ends with 3" dragon-run dragon-pg -n 4 sh -c '[ $DRAGON_RANK != 2 ] || exit 3'
message "named with rank, host, process and code" "^dragon-pg: error: rank 2 on $host \(pid [0-9]+\) exited with code 3$"
# Rank 1 fails as well, once rank 2 is no more.
check_status 5 "of two that fail it is the first" dragon-run dragon-pg -n 3 sh -c \
    'case $DRAGON_RANK in 0) exit 0;; 2) echo $$ >pid.new; mv pid.new pid; exit 5;; esac
     until [ -e pid ]; do sleep 0.02; done
     while kill -0 $(cat pid) 2>/dev/null; do sleep 0.02; done; exit 6'
message "and the first is named" "rank 2 on $host .* code 5"
check_status 1 "without --pmi a rank that fails does not end the others" dragon-run dragon-pg -n 3 sh -c \
    '[ $DRAGON_RANK = 0 ] && exit 1; sleep 0.3; echo >done.$DRAGON_RANK'
is "they end on their own" "$(ls done.1 done.2 | wc -l)" 2

for signal in TERM KILL SEGV ABRT; do
    number=$(kill -l $signal)
    check_status $((128 + number)) "killed by SIG$signal" \
        dragon-run dragon-pg -n 2 sh -c "ulimit -c 0; [ \$DRAGON_RANK = 0 ] || kill -$signal \$\$"
    message "the message names it" "rank 1 on $host \(pid [0-9]+\) was killed by signal $number "
done

check_status 127 "a program that is not there" dragon-run dragon-pg -n 3 no-such-program
message "is named with the host" "^dragon-pg: .*no-such-program.* $host"
check_status 127 "a path that is not there" dragon-run dragon-pg ./no/such
message "is named" "\./no/such"
echo 'no program' >data
check_status 126 "a file without permission" dragon-run dragon-pg ./data
message "is named" "\./data.*ermission"
check_status 126 "a directory" dragon-run dragon-pg /
printf '#!/no/such/interpreter\n' >script
chmod +x script
check_status 127 "a script without its interpreter" dragon-run dragon-pg ./script
printf 'echo plain script\n' >plain
chmod +x plain
check_output '^plain script$' "a script without a first line is one of the shell" dragon-run dragon-pg ./plain

# On another node than dragon-pg's.
check_status 4 "a rank on another node fails" dragon-run --test-hosts 3 dragon-pg --ppn 1 \
    sh -c '[ $DRAGON_NODE != 2 ] || exit 4'
message "its node is named" "rank 2 on $host-2 "
check_status 255 "255" dragon-run dragon-pg sh -c 'exit 255'
check_status 125 "125 of a rank is 125" dragon-run dragon-pg sh -c 'exit 125'
# dragon-run adds no word of its own.
check_status 9 "the code goes through dragon-run" dragon-run sh -c 'dragon-pg sh -c "exit 9"'
message "and the message comes once" "exited with code 9"
no_leftovers "nothing is left"
finish
