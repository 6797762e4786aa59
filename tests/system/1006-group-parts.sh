# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# Several programs in one group, joined by ":", and what each has for itself.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 15

mkdir a b
check "two programs" dragon-run dragon-pg -l -n 1 echo one : -n 2 echo two
is "ranks are numbered through" "$(sort "$out" | tr '\n' '|')" "0: one|1: two|2: two|"
check "three, of which one has no options" dragon-run dragon-pg -l echo a : echo b : -n 2 echo c
is "in their order" "$(sort "$out" | tr '\n' '|')" "0: a|1: b|2: c|3: c|"
is "each its directory and its variables" "$(
    dragon-run dragon-pg --cwd a --env WHO=first sh -c 'echo "$WHO ${PWD##*/}"' : \
        --cwd b sh -c 'echo "${WHO-nobody} ${PWD##*/}"' | sort | tr '\n' '|'
)" "first a|nobody b|"
export REMOVE_ME=1 REMOVE_IT=2 KEEP_ME=3
is "variables are removed by pattern, for one alone" "$(
    dragon-run dragon-pg --env-remove 'REMOVE_*' sh -c 'echo ${REMOVE_ME-no} ${REMOVE_IT-no} $KEEP_ME' : \
        sh -c 'echo $REMOVE_ME $REMOVE_IT $KEEP_ME' | sort | tr '\n' '|'
)" "1 2 3|no no 3|"
is "each its nodes" "$(
    dragon-run --test-hosts 2 dragon-pg -n 2 -H 1 sh -c 'echo a$DRAGON_NODE' : -H 0 sh -c 'echo b$DRAGON_NODE' |
        sort | tr '\n' ' '
)" "a1 a1 b0 "
is "one size for all" "$(
    dragon-run dragon-pg -n 2 sh -c 'echo $DRAGON_SIZE' : sh -c 'echo $DRAGON_SIZE' | sort | uniq -c | tr -d ' \n'
)" 33
check_status 4 "the code is that of the first that failed" dragon-run dragon-pg true : sh -c 'exit 4' : true
check_status 127 "one program is not there" dragon-run dragon-pg touch ran : no-such-program
is "then none was started" "$(ls ran 2>/dev/null)" ""
is "a : within a word is none" "$(dragon-run dragon-pg echo a:b :: :c)" "a:b :: :c"
check_failure 'for the whole group' "what is for the group is said first" dragon-run dragon-pg true : --pmi true
check_failure 'after ":"' "nothing after a :" dragon-run dragon-pg true :
no_leftovers "nothing is left"
finish
