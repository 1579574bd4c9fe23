#!/bin/bash
# The passive's heartbeat stands still for a second, and its proxy dies and comes back meanwhile: news that waits for it when it wakes up.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a passive that stood still takes its own standstill for nobody's death"

lab_pair_start
lab_observer_start
lab_load_start "http:$LAB_VIP:80@500"
sleep 0.3
lab_tell observer begin standstill
lab_tell load begin standstill
began=$(lab_now)
for round in 1 2 3 4 5; do
	heartbeat=$(lab_pids "$LAB_PASSIVE" heartbeat)
	kill -STOP "$heartbeat"
	kill -9 "$(lab_pids "$LAB_PASSIVE" proxy)"
	sleep 0.9
	kill -CONT "$heartbeat"
	sleep 0.6
done
lab_until 5 lab_settled || not_ok "the pair is settled"
seen=$(lab_ask observer)
window=$(lab_ask load)
equal "the VIP did not move" "$(lab_active)" "$LAB_ACTIVE"
for node in $LAB_NODES; do
	equal "no transition of $node" "$(lab_events $node "$began" '.type == "state"' | wc -l)" 0
done
equal "the passive told no link and no peer lost" \
	"$(lab_events "$LAB_PASSIVE" "$began" '(.type == "link" or .type == "peer") and (.to == "down" or .to == "lost" or .to == "one-way")' | wc -l)" 0
equal "never two answerers (longest silence $(field "$seen" .silence_ms) ms)" "$(field "$seen" '.overlaps + .both_in_one_turn')" 0
equal "no request failed of $(field "$window" .streams.http.requests)" "$(field "$window" .streams.http.failed)" 0
story_end
