#!/bin/bash
# The supervisor is killed -9, and with it goes all of the node: the last words are heartbeat's.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a supervisor killed -9 costs 20 ms at most, and takes its roles along"

nobody_left() { [ -z "$(lab_pids "$LAB_ACTIVE")" ]; }

kill_the_supervisor() {
	lab_roles
	lab_tell load begin killed
	lab_tell observer begin killed
	sleep 0.3
	lab_signal KILL "$LAB_ACTIVE" supervisor || return 1
	sleep 0.3
	lab_until 5 lab_is "$LAB_PASSIVE" active || return 1
	lab_until 2 nobody_left || left=$((left + 1))
	sleep 0.5
	WINDOW=$(lab_ask load) || return 1
	overlaps=$((overlaps + $(field "$(lab_ask observer)" '.overlaps + .both_in_one_turn')))
	FIGURE=$(field "$WINDOW" .streams.http.gap_ms)
	[ -z "$(lab_in "$LAB_ACTIVE" nft list tables)" ] && ! lab_has_vip "$LAB_ACTIVE" || dirty=$((dirty + 1))
	lab_start "$LAB_ACTIVE"
	lab_until 15 lab_settled
}

lab_pair_start
lab_load_start "http:$LAB_VIP:80@1000"
lab_observer_start
left=0 overlaps=0 dirty=0
if rounds 3 20 kill_the_supervisor; then
	within "median gap of:$FIGURES" "$(median $FIGURES)" 20
else
	not_ok "three supervisors killed"
fi
equal "processes live on" $left 0
equal "addresses or filters are left" $dirty 0
equal "never two answerers" $overlaps 0
story_end
