# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-pool: arguments from words, files and input, and what the command becomes with them; as GNU parallel has it, which is
# asked too where it is installed.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 35
export SHELL=/bin/bash
unset PARALLEL_SHELL

# prints TEXT EXPECTED WORD...: with -k, here and by GNU parallel
prints()
{
    local text=$1 expected=$2
    shift 2
    run dragon-pool -k "$@" <input
    is "$text" "$(cat "$out")" "$expected"
    command -v parallel >/dev/null && parallel --version 2>/dev/null | grep -q '^GNU' || return 0
    [ "$(parallel --will-cite -k "$@" <input 2>/dev/null)" = "$expected" ] || comment "GNU parallel does not"
}

lines_of()
{
    printf '%s\n' "$@"
}

: >input
prints "words" "$(lines_of a b)" echo ::: a b
prints "every combination, the last changes fastest" "$(lines_of a-1 a-2 b-1 b-2)" echo '{1}-{2}' ::: a b ::: 1 2
prints "without a replacement all come last" "$(lines_of 'a 1' 'b 1')" echo ::: a b ::: 1
prints "along with another" "$(lines_of a1 b2)" echo '{1}{2}' ::: a b c :::+ 1 2
prints "parts of a name" '/a/b.c/d.e d.e.f /a/b.c d.e' echo '{.}' '{/}' '{//}' '{/.}' ::: /a/b.c/d.e.f
prints "parts of names without some" "$(lines_of 'a.b/c a.b' ' .' '/x /')" echo '{.}' '{//}' ::: a.b/c .x /x
prints "parts of one of several" 'y x.tar y' echo '{2.}' '{1/}' '{-1.}' ::: d/x.tar ::: y.gz
prints "one that is not there is nothing" 'ax' echo 'a{3}x' ::: 1
prints "numbers" "$(lines_of '1' '2')" echo '{#}' ::: a b
prints "what is for a shell is not" "\$HOME 'it' a  b;*" echo ::: "\$HOME 'it' a  b;*"
prints "words of the command are" "one two" ': {}; for i in one two; do printf "%s " $i; done | sed "s/ $//"' ::: ''
prints "a pipe" "B" 'echo {} | tr b B' ::: b
prints "a builtin of the shell" "x" eval echo ::: x
lines_of 'one two' '' three >input
prints "lines of the input, empty ones too" "$(lines_of 'xone twox' xx xthreex)" echo x{}x
prints "but not with -r" "$(lines_of xone xthree)" -r echo x{.} ::: one '' three
printf 'no newline' >input
prints "a last line that is none" 'no newline' echo
printf 'a b\0c\nd\0' >input
prints "zero bytes between them" "$(printf '[a b]\n[c\nd]')" -0 printf '[%s]\\n'
printf 'x,1\ny,2\n' >input
prints "columns" "$(lines_of 1:x 2:y)" --colsep , echo '{2}:{1}'
prints "another separator" "$(lines_of x '1
y' 2)" -d , echo
printf 'x\t1\n' >input
prints "tabs" '1 x' --colsep '\t' echo '{2} {1}'
seq 5 >input
prints "several for each" "$(lines_of '1 2 _ 1' '3 4 _ 3' '5 _ 5')" -n2 echo '{}' _ '{1}'
prints "another replacement" "$(lines_of 'X1 {}' 'X2 {}')" -I @ echo 'X@ {}' ::: 1 2
prints "several in a word" "x1 2y" -n2 echo 'x{}y' ::: 1 2
printf 'echo a\necho b | tr b c\n' >input
prints "lines that are commands" "$(lines_of a c)"
seq 2 >input
seq 3 4 >more
prints "files" "$(lines_of 1-3 1-4 2-3 2-4)" echo '{1}-{2}' :::: input more
prints "a file and words" "$(lines_of 3-a 4-a)" -a more echo '{1}-{2}' ::: a
prints "standard input and words" "$(lines_of 1-a 2-a)" echo '{1}-{2}' :::: - ::: a
check_output '^echo .a b. \$HOME$' "a dry run" dragon-pool --dry-run echo '{}' '$HOME' ::: 'a b'
check_output '^\$HOME x$' "quoted words are for no shell" dragon-pool -q echo '$HOME' ::: x
check "no words, no tasks" dragon-pool false :::
check "no lines neither" dragon-pool false </dev/null
# shellcheck disable=SC2016
is "the environment" "$(NAME=value dragon-pool 'echo $NAME $PARALLEL_SEQ' ::: x </dev/null)" "value 1 x"
is "and the directory" "$(dragon-pool -q sh -c pwd ::: x)" "$PWD"
our_function() { echo "ours $1"; }
export -f our_function
is "a function of bash" "$(dragon-pool our_function ::: x)" "ours x"
no_leftovers "nothing is left"
finish
