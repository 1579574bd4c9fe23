#!/bin/bash
# The active machine is gone from one moment to the next: cables out, every process killed. A client that opens a new
# connection every millisecond measures how long nobody answered.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a lost node is replaced within 200 ms at 50 ms, within 60 ms at 10 ms"

lose_the_active() {
	lab_roles
	lab_tell load begin lost
	sleep 0.3
	lab_lose "$LAB_ACTIVE"
	sleep 0.5
	lab_until 5 lab_is "$LAB_PASSIVE" active || return 1
	sleep 0.5
	WINDOW=$(lab_ask load) || return 1
	FIGURE=$(field "$WINDOW" .streams.http.gap_ms)
	lab_return "$LAB_ACTIVE"
	lab_until 15 lab_settled
}

lab_backends_start
lab_load_start "http:$LAB_VIP:80@1000"
for interval in 50 10; do
	limit=200
	[ $interval = 10 ] && limit=60
	LAB_INTERVAL=${interval}ms lab_config >"$LAB/hapair.conf"
	lab_start alpha
	lab_start beta
	lab_wait_settled
	if rounds 5 $limit lose_the_active; then
		within "median gap at $interval ms of:$FIGURES" "$(median $FIGURES)" $limit
	else
		not_ok "five losses at $interval ms"
	fi
	lab_stop alpha && lab_stop beta || not_ok "both nodes stop"
done
story_end
