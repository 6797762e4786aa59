# SPDX-License-Identifier: BSD-3-Clause
#
# What the tests of dragon-dict share beside chan.sh, which is read before.

# dict N WORD...: dragon-dict as on node N
dict()
{
    local node=$1
    shift
    on "$node" dragon-dict "$@"
}

# prompt_of NODE NAME: the lines of standard input
prompt_of()
{
    on "$1" dragon-dict prompt "$2"
}

# On a $terminal, xterm if nothing is said. The words of tests/lib/terminal.py, played at a prompt of the dictionary: "expect TEXT", "type TEXT", "key C", "code N".
at_prompt()
{
    local name=$1
    shift
    # shellcheck disable=SC2154
    DRAGON_RUNTIME=$node0 timeout -k 5 "$LIMIT" python3 "$DRAGON_SRCDIR/tests/lib/terminal.py" "$@" -- \
        env TERM="${terminal:-xterm}" LC_ALL=C.UTF-8 dragon-dict prompt "$name"
}
