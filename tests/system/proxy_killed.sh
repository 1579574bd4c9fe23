#!/bin/bash
# A dead proxy is known by its closed socket: the node lets go and says so, the peer claims at once.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a proxy killed -9 costs 20 ms at most"

kill_the_proxy() {
	lab_roles
	lab_tell load begin killed
	sleep 0.3
	lab_signal KILL "$LAB_ACTIVE" proxy || return 1
	sleep 0.3
	lab_until 5 lab_is "$LAB_PASSIVE" active || return 1
	sleep 0.5
	WINDOW=$(lab_ask load) || return 1
	FIGURE=$(field "$WINDOW" .streams.http.gap_ms)
	lab_until 15 lab_settled
}

lab_pair_start
lab_load_start "http:$LAB_VIP:80@1000"
if rounds 5 20 kill_the_proxy; then
	within "median gap of:$FIGURES" "$(median $FIGURES)" 20
else
	not_ok "five proxies killed"
fi
story_end
