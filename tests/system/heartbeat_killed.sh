#!/bin/bash
# A heartbeat that is killed is restarted and carries on within its own lease: nobody notices, nothing moves.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a heartbeat killed -9 is noticed by nobody"

# A process with sanitizers takes 110 to 170 ms to leave the machine, longer than a lease at 50 ms lasts: what is asserted stays the
# same, at an interval in which it is about us.
[ -z "$STORY_SANITIZED" ] || export LAB_INTERVAL=250ms
lab_pair_start
lab_load_start "http:$LAB_VIP:80@1000" "keep-http:$LAB_VIP:80@20" "keep-tcp:$LAB_VIP:7000@20"
lab_observer_start
sleep 0.5
active=$LAB_ACTIVE
epoch=$(lab_status "$active" .epoch)
since=$(lab_now)
lab_tell load begin killed
lab_tell observer begin killed
for round in 1 2 3 4 5; do
	lab_signal KILL "$active" heartbeat || not_ok "heartbeat of $active is there (round $round)"
	sleep 1
	lab_signal KILL "$LAB_PASSIVE" heartbeat || not_ok "heartbeat of $LAB_PASSIVE is there (round $round)"
	sleep 1.5
done
window=$(lab_ask load)
seen=$(lab_ask observer)
equal "no request failed of $(field "$window" .streams.http.requests)" "$(field "$window" .streams.http.failed)" 0
equal "no session broke" "$(field "$window" '.streams."keep-http".broken + .streams."keep-tcp".broken')" 0
equal "the VIP did not move" "$(lab_active)" "$active"
equal "no new epoch" "$(lab_status "$active" .epoch)" "$epoch"
equal "no transition" "$(for node in $LAB_NODES; do lab_events $node "$since" '.type == "state"'; done | wc -l)" 0
equal "never two answerers" "$(field "$seen" .overlaps)" 0
equal "heartbeat of $active was restarted" "$(lab_status "$active" '.processes[] | select(.role == "heartbeat") | .restarts')" 5
story_end
