# SPDX-License-Identifier: BSD-3-Clause
#
# dragon-dict prompt with lines from a pipe: words, quoting, options, errors that do not end it, and its exit code.
. "$DRAGON_SRCDIR/tests/lib/system.sh"
. "$DRAGON_SRCDIR/tests/lib/chan.sh"
. "$DRAGON_SRCDIR/tests/lib/dict.sh"
plan 49
start_nodes || { comment "no runtime"; exit 1; }
check "a dictionary" dict 0 create d

# lines TEXT...: what they print at a prompt, its errors in $err; the exit code is in $status
lines_of()
{
    status=0
    printf '%s\n' "$@" | prompt_of 1 d 2>"$err" || status=$?
}

# says CODE ERROR LINE: it ends with the code, having said that
says_error()
{
    local code=$1 regex=$2
    lines_of "$3" 'put after "it goes on"' >/dev/null
    is "$3: code $code" "$status" "$code"
    like "  is told of" "^dragon-dict: error: .*$regex" "$(cat "$err")"
    [ "$(dict 0 pop d after)" = "it goes on" ] || not_ok "  and it goes on"
}

is "what was put is got" "$(lines_of 'put a b' 'get a')" b
is "words in quotes" "$(lines_of 'put "a key" '\''a "value"  \n'\' "get 'a key'" 'get a\ key' 'get a" "key')" \
    "$(for i in 1 2 3; do echo 'a "value"  \n'; done)"
is "escapes" "$(lines_of 'put "\x00\n" "\ttab\\"' 'get \x00\n')" "$(printf '\ttab\\')"
is "are bytes" "$(dict 0 get -e d '\x00\n' | od -An -c | tr -d ' ')" '\ttab\'
is "empty words" "$(lines_of 'put "" empty' 'get ""' "get ''")" "$(printf 'empty\nempty')"
is "a value of any bytes is a line" "$(lines_of 'put bin "\xff\x00"' 'get bin' | od -An -tx1)" " ff 00 0a"
is "comments and empty lines" "$(lines_of '# get a' '' '   ' ' # x' 'get a'; echo "$status")" "$(printf 'b\n0')"
is "the last line needs no end" "$(printf 'get a' | prompt_of 0 d)" b
is "nothing at all" "$(prompt_of 0 d </dev/null; echo $?)" 0
is "blanks around" "$(printf ' \t get \t a \r\n' | prompt_of 0 d)" b
is "quit is the end" "$(lines_of 'get a' quit 'get a'; echo "$status")" "$(printf 'b\n0')"
is "exit too" "$(lines_of exit 'get a')" ""
is "words that begin with a -" "$(lines_of 'put -- -k -v' 'get "-k"' 'get \-k')" "$(printf -- '-v\n-v')"
is "numbers" "$(lines_of 'add n' 'add n -3' 'add n 0')" "$(printf '0\n1\n-2')"
is "questions" "$(lines_of 'exists a' 'contains a nix'; echo "$status")" "$(printf 'yes\nno\n0')"
lines_of 'put p:1 x' 'put p:2 yy' >/dev/null
is "keys" "$(lines_of 'keys p:' | sort | tr '\n' ' ')" "p:1 p:2 "
like "  with sizes" '^ +2 +[01]  p:2$' "$(lines_of 'keys p: --long')"
is "  without lines" "$(lines_of 'keys -0 p:1' | tr '\0' 0)" p:10
is "length" "$(lines_of 'erase p:1 p:2' length)" "$(dict 0 length d)"
is "append, swap and pop" "$(lines_of 'append log one' 'append log " two"' 'swap log "one two" three' 'pop log'; echo "$status")" \
    "$(printf 'three\n0')"
like "stat" '^d +1 +1 ' "$(lines_of stat)"
like "  as JSON" '"schema": "dragon-dict-stat"' "$(lines_of 'stat --json')"
like "help" '^  append KEY VALUE +puts it' "$(lines_of help)"
like "  on a word" '^    --wait: wait' "$(lines_of 'help get')"
lines_of 'get late --wait --timeout 50s' >late &
waiting=$!
lines_of 'put late now' >/dev/null
ends_with 0 "waiting" "$waiting"
is "  for a key" "$(cat late)" now

says_error 1 'there is no "nix" in "d"' 'get nix'
says_error 125 'there is no word "gte"; did you mean get' 'gte a'
says_error 125 'put what\? give KEY and VALUE' 'put a'
says_error 125 'too many words: "c d"' 'put a b "c d"'
says_error 125 'a " is not closed' 'put a "b'
says_error 125 '"\\q" is no escape' 'put a \q'
says_error 125 'no option --now' 'get a --now'
says_error 125 'destroy has no place at a prompt; it is of the command: dragon-dict destroy NAME' destroy
says_error 124 'did not get the key in time' 'get nix --wait --timeout 100ms'

lines_of 'get nix' 'get nix --wait -t 0' 'get a' >/dev/null
is "the code is that of the worst" "$status" 124
like "lines are named" 'that was line 2: get nix --wait' "$(cat "$err")"
check_failure 'cannot read standard input' "closed input" sh -c "DRAGON_RUNTIME=$node0 dragon-dict prompt d <&-"

end_nodes
no_leftovers "nothing is left"
finish
