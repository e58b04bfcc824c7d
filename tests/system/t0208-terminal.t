#!/bin/bash
# At a terminal: a question is shown before its line ends, what is typed reaches the rank, Ctrl-C ends, Ctrl-Z stops every process and fg goes on,
# and a launch in the background does not take what the user types.
. "$(dirname "$0")/lib.sh"

at_terminal () { python3 "$MPL_SRC/tests/system/terminal.py" "$@"; }
none_marked_as () { [ -z "$(marked_as "$1")" ]; }
export launch

cat > ask.sh <<'END'
[ "$MPL_RANK" = 0 ] || { while [ ! -e answered ]; do sleep 0.05; done; exit; }
printf 'name? '
read -r x
echo "hello $x"
echo > answered
END
printf 'echo $$ > pid.$MPL_RANK\necho up\nexec sleep 60\n' > up.sh
printf 'cat\necho end\n' > cat.sh
printf 'test -t 0 && echo yes\n' > tty.sh
printf 'seq 20000 | sed s/^/x/\n' > many.sh
cat > again.sh <<'END'
trap 'echo again' CONT
echo $$ > pid.$MPL_RANK
echo up
while :; do sleep 0.1 & wait $!; done
END
cat > stopped.sh <<'END'
for i in $(seq 400); do
    n=0
    for p in $(cat pid.*); do grep -q '^State:.T' "/proc/$p/status" && n=$((n + 1)); done
    [ "$n" = 2 ] && echo all stopped && break
    sleep 0.05
done
END
check "a_question_is_shown_and_the_answer_arrives" at_terminal 'type $launch -q -n 2 sh ask.sh\n' 'see name\? ' 'type bob\n' 'see hello bob' 'see \$ '
rm -f answered
check "with_labels_too" at_terminal 'type $launch -q -l -n 2 sh ask.sh\n' 'see \[0\] name\? ' 'type bob\n' 'see hello bob' 'see \$ '
check "one_rank_alone_has_the_terminal_as_its_input" at_terminal 'type $launch -n 1 sh tty.sh\n' 'see yes' 'see \$ '
check "ctrl_C_ends_them_with_130" at_terminal 'type $launch -q -n 2 sh ./up.sh\n' 'see [\r\n]up' 'see [\r\n]up' 'type ^C' 'see \$ ' 'type echo code $?\n' 'see code 130'
check "and_nothing_is_left" wait_until 3 none_marked_as sleep
# bash names the job before it hands the terminal over: what is typed in between is not the job's.
check "ctrl_Z_stops_and_fg_goes_on" at_terminal 'type $launch -q -n 2 sh ./again.sh\n' 'see [\r\n]up' 'see [\r\n]up' 'type ^Z' 'see Stopped' 'see \$ ' \
    'type . ./stopped.sh\n' 'see [\r\n]all stopped' 'see \$ ' 'type fg\n' 'see again\s' 'see again\s' 'type ^C' 'see \$ ' 'type echo code $?\n' 'see code 130'
check "and_leaves_nothing_either" wait_until 3 none_marked_as sleep
check "in_the_background_it_leaves_the_terminal_alone" at_terminal 'type $launch -q -n 2 sh ./cat.sh &\n' 'see end\s' 'see end\s' 'type echo mine\n' 'see [\r\n]mine'
check "closing_the_terminal_ends_it" at_terminal 'type $launch -q -n 2 sh ./up.sh\n' 'see [\r\n]up' 'see [\r\n]up'
check "with_all_it_had" wait_until 8 none_marked_as sleep
check "a_full_terminal_loses_no_line" at_terminal 'type $launch -q -n 2 sh ./many.sh; echo done\n' 'see [\r\n]x20000' 'see [\r\n]x20000' 'see [\r\n]done'
finish
