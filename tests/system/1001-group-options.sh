# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# What ranks get: environment, directory, time, arguments. And dragon-pg without a runtime.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 29

export OUTER=outer EMPTY= ODD="a b=c'd"
check_output '^outer$' "the environment reaches the ranks" dragon-run dragon-pg sh -c 'echo $OUTER'
is "on every node" \
    "$(dragon-run --test-hosts 3 dragon-pg --ppn 1 sh -c 'echo "$OUTER.$EMPTY.$ODD"' | uniq -c |
        sed 's/^ *//')" "3 outer..a b=c'd"
check_output '^set in the head$' "as it is where dragon-pg was called" \
    dragon-run sh -c 'OUTER="set in the head" dragon-pg sh -c "echo \$OUTER"'
check_output '^new$' "--env NAME=VALUE" dragon-run dragon-pg --env NEW=new sh -c 'echo $NEW'
check_output '^x=y z$' "--env NAME=VALUE with = and blanks" \
    dragon-run dragon-pg --env NEW="x=y z" sh -c 'echo "$NEW"'
check_output '^two one$' "--env twice, and one that was there" \
    dragon-run dragon-pg --env OUTER=two --env NEW=one sh -c 'echo $OUTER $NEW'
check_output '^outer$' "--env NAME passes on what is set" dragon-run dragon-pg --env OUTER sh -c 'echo $OUTER'
check_output '^\[\]$' "--env NAME= is empty, and set" \
    dragon-run dragon-pg --env OUTER= sh -c 'echo "[${OUTER-unset}]"'
check_status 125 "--env NAME that is not set is wrong use" dragon-run dragon-pg --env NOT_SET_HERE true
check_status 125 "--env =x is wrong use" dragon-run dragon-pg --env =x true

mkdir -p sub/deep
check_output "^$PWD\$" "ranks run in the caller's directory" dragon-run dragon-pg pwd
check_output "^$PWD/sub\$" "which is dragon-pg's own" dragon-run sh -c 'cd sub && dragon-pg pwd'
check_output '^/$' "--cwd /" dragon-run dragon-pg --cwd / pwd
check_output "^$PWD/sub/deep\$" "--cwd relative" dragon-run dragon-pg --cwd sub/deep pwd
is "--cwd on every node" \
    "$(dragon-run --test-hosts 3 dragon-pg --ppn 1 --cwd sub pwd | sort -u)" "$PWD/sub"
check_status 125 "--cwd that is not there" dragon-run dragon-pg --cwd no/such/folder true
like "is named, with the host" "^dragon-pg: error: $(hostname) has no directory $PWD/no/such/folder" "$(cat "$err")"
printf '#!/bin/sh\necho "from $0"\n' >sub/prog
chmod +x sub/prog
check_output '^from ' "a relative program is looked for in --cwd" dragon-run dragon-pg --cwd sub ./prog

check_status 124 "--timeout" dragon-run dragon-pg --timeout 200ms -n 2 sleep 600
like "says so, once" '^1$' "$(grep -c '^dragon-pg: .*time limit' "$err")"
check "--timeout that is not reached" dragon-run dragon-pg --timeout 1h true
check_output '^\[a b\]\[\]\[\*\]\[--x\]$' "arguments come as they are" \
    dragon-run dragon-pg sh -c 'printf "[%s]" "$@"; echo' sh 'a b' '' '*' --x
long=$(head -c 120000 /dev/zero | tr '\0' x)
check_output '^120000$' "also a long one" dragon-run dragon-pg sh -c 'echo ${#1}' sh "$long"

check_output '^0: outer$' "without a runtime dragon-pg starts one" dragon-pg -l sh -c 'echo $OUTER'
check_status 7 "and returns the rank's code" dragon-pg sh -c 'exit 7'
check_output '^typed$' "and passes its input" sh -c 'echo typed | dragon-pg cat'
check_status 127 "and 127" dragon-pg no-such-program
check_output 'usage: dragon-pg' "--help needs no runtime" dragon-pg --help
no_leftovers "nothing is left"
finish
