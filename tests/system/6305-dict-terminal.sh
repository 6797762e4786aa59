# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-dict prompt on a terminal: tests/lib/terminal.py types at it and reads along.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
command -v python3 >/dev/null || skip_all "there is no python3"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/dict.sh"
plan 34
start_nodes || { comment "no runtime"; exit 1; }
export XDG_STATE_HOME=$PWD/state HOME=$PWD
check "a dictionary" dict 0 create d
prompt_of 0 d <<'END'
put "step 1" one
put "step 2" two
put stop here
put käse Brot
put "e\x1b[31m\x00" "red \x1b[31m\n"
END

# Nothing is typed before the prompt is seen: what comes between two lines may be lost.
tab=$(printf '\t')

check "what is typed is done" at_prompt d "expect d> " "type get \"step 1\"" "expect one" "expect d> " "type quit" "code 0"
check "Ctrl-D ends it" at_prompt d "expect d> " "key D" "code 0"
check "an error does not" at_prompt d "expect d> " "type garbage" "expect no word" "expect d> " "type get nix" \
    "expect there is no" "expect d> " "type exit" "code 0"
check "a value troubles no terminal" at_prompt d "expect d> " "type get \"e\\x1b[31m\\x00\"" 'expect red \x1b[31m\n' \
    "expect d> " "type keys e" 'expect e\x1b[31m\x00' "expect d> " "key D" "code 0"

check "a word is completed" at_prompt d "expect d> " "type le$tab" "expect ngth" "expect 5" "expect d> " "key D" "code 0"
check "a key is" at_prompt d "expect d> " "type get sto$tab" "expect here" "expect d> " "key D" "code 0"
check "  as far as keys have it in common" at_prompt d "expect d> " "type get ste${tab}2" "expect two" "expect d> " "key D" "code 0"
check "  or all are shown" at_prompt d "expect d> " "keys get st$tab" "expect step 1" "expect step 2" "expect stop" "expect d> get st" \
    "type op" "expect here" "expect d> " "key D" "code 0"
check "  within quotes" at_prompt d "expect d> " "keys get \"step $tab" "expect step 1" "expect step 2" 'expect d> get "step ' \
    "key C" "expect ^C" "expect d> " "key D" "code 0"
check "  with bytes that nobody can type" at_prompt d "expect d> " "type get e$tab" 'expect red \x1b' "expect d> " "key D" "code 0"
check "  and letters of other languages" at_prompt d "expect d> " "type get k$tab" "expect Brot" "expect d> " "key D" "code 0"
check "an option is" at_prompt d "expect d> " "keys keys --lo$tab" "expect --local" "expect --long" "expect d> keys --lo" "key C" "expect ^C" "expect d> " "key D" "code 0"
check "nothing comes to mind" at_prompt d "expect d> " "keys get nix$tab" "key C" "expect ^C" "expect d> " "type nix$tab" "expect no word" "expect d> " "key D" "code 0"

check "Ctrl-C drops a line" at_prompt d "expect d> " "keys put half line" "expect line" "key C" "expect ^C" "expect d> " \
    "type get half" "expect there is no" "expect d> " "key D" "code 0"
check "  an empty one, too" at_prompt d "expect d> " "key C" "expect ^C" "expect d> " "key C" "expect ^C" "expect d> " "key D" "code 0"
check "Ctrl-C ends waiting" at_prompt d "expect d> " "type get nix --wait" "until dragon-dict stat --json d | grep '\"waiting\": 1'" \
    "key C" "expect interrupted" "expect d> " \
    "type get stop" "expect here" "expect d> " "key D" "code 0"
DRAGON_RUNTIME=$node0 bash -c 'sleep 1; dragon-dict put d come "at last"' &
late=$!
check "what is waited for comes" at_prompt d "expect d> " "type get come --wait" "expect at last" "expect d> " "key D" "code 0"
wait "$late"

is "what was typed is kept" "$(head -n 1 state/dragon/dict-history)" 'get "step 1"'
is "  for the user alone" "$(stat -c '%a ' state/dragon state/dragon/dict-history | tr -d '\n')" "700 600 "
up=$(printf '\020')
check "  and comes back" at_prompt d "expect d> " "type  clear_nothing" "expect no word" "type get stop" "expect here" \
    "expect d> " "key D" "code 0"
check "  at the next prompt" at_prompt d "expect d> " "keys $up" "expect get stop" "type " "expect here" "expect d> " "key D" "code 0"
check "  by what is in it" at_prompt d "expect d> " "key R" "expect bck:" "keys step" 'expect ep\ 2' "key E" "type " \
    "expect d> " "key D" "code 0"
check "a line that begins with a blank is not kept" sh -c '! grep -q clear_nothing state/dragon/dict-history'
check "nor one that was dropped" sh -c '! grep -q "half line" state/dragon/dict-history'
for i in $(seq 20000); do echo "get long-history-$i"; done >state/dragon/dict-history
chmod 644 state/dragon/dict-history
check "a history that has grown" at_prompt d "expect d> " "keys $up" "expect long-history-20000" "key C" "expect ^C" "expect d> " "key D" "code 0"
check "  is shortened" test "$(wc -c <state/dragon/dict-history)" -lt 140000
is "  to whole lines, for the user alone" "$(grep -vc '^get long-history-[0-9]*$' state/dragon/dict-history) $(stat -c %a state/dragon/dict-history)" "0 600"
rm -r state
ln -s /dev/null state
check "without a place for it nothing is kept" at_prompt d "expect d> " "type get stop" "expect here" "expect d> " "key D" "code 0"
terminal=dumb
check "on a terminal that can nothing" at_prompt d "expect d> " "type get sto$tab" "expect here" "expect d> " "key D" "code 0"
terminal=no-such-terminal
check "on one that nobody knows" at_prompt d "expect d> " "type get stop" "expect here" "expect d> " "key D" "code 0"
terminal=

check "the dictionary ends" dict 1 destroy d
check_status 1 "there is no prompt for it" dict 0 prompt d </dev/null
end_nodes
no_leftovers "nothing is left"
finish
