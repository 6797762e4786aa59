# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# Completion of bash: what it offers for some beginnings of a line.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 43

# offers WORD...: what is offered for the last word of the line, in one line, in alphabetical order.
offers_for()
{
    local handler
    handler=$(complete -p "$1" 2>/dev/null | sed 's/.* -F \([^ ]*\).*/\1/')
    [ -n "$handler" ] || { echo "no completion for $1"; return; }
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMP_LINE=$*
    COMP_POINT=${#COMP_LINE}
    COMPREPLY=()
    "$handler" "$1" "${*: -1}" "${*: -2:1}"
    printf '%s\n' "${COMPREPLY[@]}" | sort -u | tr '\n' ' ' | sed 's/^ *//; s/ $//'
}

has_offer()
{
    local text=$1 wanted=$2
    shift 2
    like "$text" "(^| )$wanted( |\$)" "$(offers_for "$@")"
}

file=$DRAGON_BUILDDIR/doc/dragon-completion.bash
check "the file is there" test -s "$file"
check "bash finds no fault with it" bash -n "$file"
is "reading it prints nothing" "$(bash -c '. "$1"' bash "$file" 2>&1)" ""
# shellcheck disable=SC1090
. "$file"

for command in dragon-run dragon-pg dragon-info dragon-bench dragon-chan dragon-dict dragon-pool; do
    has_offer "$command --he" --help "$command" --he
    is "$command --no-such" "$(offers_for "$command" --no-such)" ""
done

is "dragon-pg --bi" "$(offers_for dragon-pg --bi)" "--bind"
is "dragon-pg --bind n" "$(offers_for dragon-pg --bind n)" "none numa"
is "dragon-pg --bind=n, which bash takes for three words" "$(offers_for dragon-pg --bind = n)" "none numa"
is "options of other commands are not offered" "$(offers_for dragon-pg --test-h)" ""
is "but where they belong" "$(offers_for dragon-run --test-h)" "--test-hosts"
has_offer "in the place of the program commands are offered" uname dragon-pg -n 4 una
echo >file-of-ours
has_offer "and files" file-of-ours dragon-run file-of
is "behind the program its own words are meant" "$(offers_for dragon-pg uname --bi)" ""
has_offer "files among them" file-of-ours dragon-pg uname file-of
is "dragon-info no" "$(offers_for dragon-info no)" "nodes"
is "dragon-info --json ru" "$(offers_for dragon-info --json ru)" "runtimes"
is "dragon-chan s" "$(offers_for dragon-chan s)" "send stat"
is "dragon-chan recv jobs --l" "$(offers_for dragon-chan recv jobs --l)" "--lines"
is "dragon-dict c" "$(offers_for dragon-dict c)" "clear contains create"
is "dragon-dict get results step --w" "$(offers_for dragon-dict get results step --w)" "--wait"
is "dragon-bench c" "$(offers_for dragon-bench c)" "channel"
is "options behind the word too" "$(offers_for dragon-info nodes --js)" "--json"
is "an option whose value may be left out" "$(offers_for dragon-pool --progress = pl)" "plain"
has_offer "without one a command follows" uname dragon-pool --progress una
is "a command's words are its own" "$(offers_for dragon-pool --progress uname --jo)" ""
mkdir directory-of-ours
echo >'file with blanks'
is "a name with blanks is one" "$(offers_for dragon-pg --spec 'file w')" "file with blanks"
is "as a program's argument too" "$(offers_for dragon-pg cat 'file w')" "file with blanks"
is "and as a program" "$(offers_for dragon-pg 'file w')" "file with blanks"
is "of several words the last is completed" "$(offers_for dragon-pg --display map,b)" "map,bind"
is "or all are offered" "$(offers_for dragon-pg --display map,)" "map,bind map,map"
is "directories for an option that takes one" "$(offers_for dragon-info --runtime directory)" "directory-of-ours"
finish
