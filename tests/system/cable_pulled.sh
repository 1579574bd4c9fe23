#!/bin/bash
# The active loses the carrier on the clients' network while its heartbeat network is well: it knows, and says so.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a node without carrier hands over at once"

pull_the_cable() {
	lab_roles
	lab_tell load begin pulled
	sleep 0.3
	lab_cable "$LAB_ACTIVE" down net
	sleep 0.3
	lab_until 5 lab_is "$LAB_PASSIVE" active || return 1
	sleep 0.5
	WINDOW=$(lab_ask load) || return 1
	FIGURE=$(field "$WINDOW" .streams.http.gap_ms)
	lab_cable "$LAB_ACTIVE" up net
	lab_until 15 lab_settled || return 1
	[ "$(lab_active)" = "$LAB_PASSIVE" ] || came_back=1
}

lab_pair_start
lab_load_start "http:$LAB_VIP:80@1000"
came_back=0
if rounds 3 60 pull_the_cable; then
	within "median gap of:$FIGURES" "$(median $FIGURES)" 60
	equal "without preempt the VIP stays where it went" $came_back 0
else
	not_ok "three cables pulled"
fi
story_end
