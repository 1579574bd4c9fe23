#!/bin/bash
# The operator's command, and a clean stop: first the fence closes, then the peer is told.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a switchover and a clean stop cost next to nothing and leave nothing behind"

switch_over() {
	lab_roles
	lab_tell load begin switchover
	lab_tell observer begin switchover
	sleep 0.3
	lab_hapair "$LAB_ACTIVE" switchover >"$LAB/said" 2>&1 || { cat "$LAB/said"; return 1; }
	sleep 0.5
	WINDOW=$(lab_ask load) || return 1
	FIGURE=$(field "$WINDOW" .streams.http.gap_ms)
	overlaps=$((overlaps + $(field "$(lab_ask observer)" '.overlaps + .both_in_one_turn')))
	lab_until 5 lab_settled && [ "$(lab_active)" = "$LAB_PASSIVE" ]
}

lab_pair_start
lab_load_start "http:$LAB_VIP:80@1000"
lab_observer_start
overlaps=0
if rounds 5 20 switch_over; then
	within "median gap of:$FIGURES" "$(median $FIGURES)" 20
else
	not_ok "five switchovers"
fi
equal "never two answerers" $overlaps 0

lab_roles
lab_hapair "$LAB_PASSIVE" switchover >"$LAB/said" 2>&1
equal "a passive node refuses to hand over what it has not" $? 1

# A clean stop.
lab_tell load begin stop
sleep 0.3
supervisor=$(cat "$LAB/$LAB_ACTIVE/lab.pid")
lab_stop "$LAB_ACTIVE"
expect "it stops" test ! -d "/proc/$supervisor"
lab_until 5 lab_is "$LAB_PASSIVE" active || not_ok "the peer takes over"
sleep 0.5
window=$(lab_ask load)
within "the client's gap at a clean stop" "$(field "$window" .streams.http.gap_ms)" 20
equal "no process is left" "$(lab_pids "$LAB_ACTIVE" | wc -l)" 0
expect "no address is left" eval '! lab_has_vip "$LAB_ACTIVE"'
equal "no filter is left" "$(lab_in "$LAB_ACTIVE" nft list ruleset | wc -l)" 0
expect "no control socket is left" test ! -e "$LAB/$LAB_ACTIVE/run/control.sock"
lab_hapair "$LAB_ACTIVE" status >/dev/null 2>&1
equal "status says that there is no daemon" $? 4

# Exit 0, seen by a parent that waits for it.
setsid ip netns exec "$LAB_PREFIX-$LAB_ACTIVE" "$LAB_HAPAIR" -c "$LAB/hapair.conf" -n "$LAB_ACTIVE" -r "$LAB/$LAB_ACTIVE/run" \
	-s "$LAB/$LAB_ACTIVE/state" run >>"$LAB/$LAB_ACTIVE/log" 2>&1 </dev/null &
supervisor=$!
lab_until 10 lab_is "$LAB_ACTIVE" passive || not_ok "it starts again"
kill -TERM $supervisor
wait $supervisor
equal "SIGTERM ends it with exit" $? 0
story_end
