#!/bin/bash
# Cut from each other on both networks, while clients reach both: without a witness both must go on. What counts is
# how it ends: one of them yields at once, and the other tells the network where the VIP is.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a healed split has one holder within two intervals, and it announces again"

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }

split_and_heal() {
	lab_cut alpha beta
	lab_cut beta alpha
	lab_until 5 eval 'lab_is alpha active && lab_is beta active' || return 1
	sleep 0.3
	local before after winner loser last
	before=$(now_us)
	lab_tell observer begin healed
	lab_heal
	after=$(now_us)
	sleep 1.2
	WINDOW=$(lab_ask observer) || return 1
	lab_until 5 lab_settled || return 1
	winner=$(lab_active)
	loser=$(lab_other "$winner")
	last=$(field "$WINDOW" ".nodes.$loser.last_ms // 0")
	# The window began when the command that heals was started; the wire was whole when it ended.
	FIGURE=$(awk -v l="$last" -v t="$((after - before))" 'BEGIN { d = l - t / 1000; print (d > 0 ? d : 0) }')
	# What it announces after the other has yielded is what moves the clients; 5 ms for the observer's own pace.
	[ "$(field "$WINDOW" ".nodes.$winner.announced_last_ms > (.nodes.$loser.last_ms // 0)")" = true ] && announced=$((announced + 1))
	[ "$(field "$WINDOW" "(.nodes.$loser.announced_last_ms // 0) <= (.nodes.$loser.last_ms // 0) + 5")" = true ] && quiet=$((quiet + 1))
	tries=$((tries + 1))
}

lab_pair_start
lab_observer_start
announced=0 quiet=0 tries=0
if rounds 10 100 split_and_heal; then
	within "the loser's last answer after the heal, the worst of:$FIGURES" "$(printf '%s\n' $FIGURES | sort -g | tail -1)" 100
	equal "the winner announced again, each time" $announced $tries
	equal "the loser announced nothing after that" $quiet $tries
else
	not_ok "ten splits healed"
fi
story_end
