#!/bin/bash
# Heartbeats go over both networks: the loss of one is an event, not a failover.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "losing one of two heartbeat networks moves nothing"

lab_pair_start
lab_load_start "http:$LAB_VIP:80@1000"
sleep 0.3
active=$LAB_ACTIVE since=$(lab_now)
lab_tell load begin one
lab_cable "$active" down hb
sleep 1
equal "the cut link is seen to be down" "$(lab_status "$LAB_PASSIVE" '[.peer.links[] | select(.up | not)] | length')" 1
lab_cable "$active" up hb
sleep 1
lab_cut_hb alpha beta
lab_cut_hb beta alpha
sleep 1
lab_heal
lab_cut_net alpha beta
lab_cut_net beta alpha
sleep 1
lab_heal
lab_until 5 eval '[ "$(lab_status "$LAB_PASSIVE" "[.peer.links[] | select(.up)] | length")" = 2 ]' || not_ok "both links are up again"
window=$(lab_ask load)
equal "no request failed" "$(field "$window" .streams.http.failed)" 0
equal "the VIP did not move" "$(lab_active)" "$active"
equal "no transition" "$(for node in $LAB_NODES; do lab_events $node "$since" '.type == "state"'; done | wc -l)" 0
story_end
