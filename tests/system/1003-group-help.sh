# SPDX-License-Identifier: BSD-3-Clause
# quick
#
# What the table of options gives: help that fits, the manual's sections, completion, and refusals that
# say what was meant. No runtime is needed for any of it.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
plan 61

dragon-pg --help >help
like "the help fits a page" '^(3[0-9]|4[0-5])$' "$(wc -l <help)"
for command in dragon-pg dragon-run dragon-bench; do
    check "$command --help" "$command" --help
    is "$command: no line is longer than 80" "$($command --help=all | awk 'length > 80 && !/^  [a-z]/' | wc -l)" 0
    is "$command: no colour where there is no terminal" "$($command --help=all | grep -c "$(printf '\033')")" 0
    $command --help=all | grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u >names
    check "$command: there are options" grep -q . names
    missing=''
    $command --help=man | tr -d '\\' >manual.txt
    $command --help=bash >completion
    while read -r name; do
        grep -qF -- "fB$name" manual.txt || missing="$missing man:$name"
        grep -qF -- "$name" completion || missing="$missing bash:$name"
    done <names
    is "$command: the manual and the completion have them all" "$missing" ""
    check "$command: the completion is bash" bash -n completion
    if command -v groff >/dev/null; then
        { echo '.TH T 1' && $command --help=man; } | groff -man -ww -Tutf8 2>groff.err >/dev/null
        is "$command: the manual is well-formed" "$(cat groff.err)" ""
    else
        skip "$command: the manual is well-formed" "there is no groff"
    fi
done
is "examples come before the options" \
    "$(grep -nE '^  dragon-pg -n 4|^Ranks of a program' help | cut -d: -f1 | sort -nc && echo sorted)" sorted
check_output '^dragon-pg [0-9]+\.[0-9]+' "-V" dragon-pg -V

# complete WORDS: what bash would offer for the last of them.
complete_words()
{
    # shellcheck disable=SC1091
    (
        . ./completion.pg
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        _dragon_pg
        echo "${COMPREPLY[@]}"
    )
}
dragon-pg --help=bash >completion.pg
is "a name is completed" "$(complete_words dragon-pg --on-fu)" "--on-full"
is "a word of an option" "$(complete_words dragon-pg --bind n)" "none numa"
is "also after =" "$(complete_words dragon-pg --bind = so)" "socket"
mkdir -p folder_here
is "a directory" "$(complete_words dragon-pg -n 3 --cwd folder)" "folder_here"
is "a program's own options are left alone" "$(complete_words dragon-pg -n 3 true --on-fu)" ""
is "those of the next program are not" "$(complete_words dragon-pg true : --on-fu)" "--on-full"

# Wrong use: code 125, one line of complaint.
check_failure 'no program was given' "no program" dragon-pg
check_failure 'no option --bnd; did you mean --bind\?' "a name that is misspelt" dragon-pg --bnd core true
check_failure 'no option --time; did you mean --timeout\?' "a name that is cut short" dragon-pg --time 3 true
check_failure 'no option --zzzzzz$' "a name like no other" dragon-pg --zzzzzz true
check_failure 'no option -np; did you mean --np\?' "-np" dragon-pg -np 4 true
check_failure '"cor": there are none, core, .* did you mean core\?' "a word" dragon-pg --bind cor true
check_failure '"bnd".*did you mean bind\?|"map,bnd".*did you mean bind\?' "a word of several" dragon-pg --display map,bnd true
check_failure '"restrt".*did you mean restart\?' "a word with a number" dragon-pg --on-failure restrt true
check_failure '"UST1@9s".*did you mean USR1\?' "a signal" dragon-pg --signal UST1@9s -t 20s true
check_failure 'rank, node, host, group and template; did you mean rank\?' "a word of a file" \
    dragon-pg --output '{rnk}' true
check_failure 'takes no value' "a value too many" dragon-pg --label=3 true
check_failure 'needs a value: TIME' "a value too few" dragon-pg --timeout
for wrong in "-c 0" "-g -1" "--memory 4X" "--cores 1-x" "--gpu-list a" "--restart -1" "--wait 0" "--grace 3d" \
    "--stdin x" "--signal USR1" "--signal USR1@5s -t 4s" "--json" "--on-full fail --wait 3s" \
    "--restart 1 --on-failure restart" "--pmi --restart 1" "--detach --status-file x" "--help=nothing"; do
    # shellcheck disable=SC2086
    check_failure . "wrong use: $wrong" dragon-pg $wrong true
done
check_failure 'no runtime' "--detach outside a runtime" dragon-pg --detach true
no_leftovers "nothing is left"
finish
