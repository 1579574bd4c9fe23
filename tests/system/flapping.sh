#!/bin/bash
# The active's cable to the clients goes down and up ten times, in a pair that gives the VIP back to the preferred node: the node is held
# down after its second way back, and the VIP stays where it is served until all has been calm for a while.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a cable that goes up and down ten times moves the VIP a bounded number of times"

flap() {
	lab_cable alpha down net
	sleep 0.4
	lab_cable alpha up net
	sleep 1.6
}

# moves NODE: transitions to active and away from it, since the flapping began.
moves() { lab_events "$1" "$began" '.type == "state" and (.from == "active" or .to == "active")' | wc -l; }
metric() { curl -s --unix-socket "$LAB/alpha/run/control.sock" http://x/metrics | awk -v m="hapair_$1" 'index($1, m) == 1 { print $NF }'; }
damping() { lab_events "$1" "$began" ".type == \"damping\" and .to == \"$2\"" | wc -l; }

lab_backends_start
lab_config | sed 's/^  start_wait .*/&\n  preempt = on/' >"$LAB/hapair.conf"
lab_start alpha
lab_start beta
lab_wait_settled
lab_until 10 lab_is alpha active || not_ok "the preferred node is active"
lab_observer_start
lab_load_start "http:$LAB_VIP:80@200"
sleep 0.3
lab_tell observer begin flapping
lab_tell load begin flapping
began=$(lab_now)
for round in 1 2 3 4 5 6 7 8 9 10; do flap; done
sleep 1
expect "the VIP is where the cable is well" lab_is beta active
seen=$(lab_ask observer)
window=$(lab_ask load)
at_most "moves of alpha, of 20 that it would be" "$(moves alpha)" 5
at_most "moves of beta" "$(moves beta)" 5
equal "alpha was held down once" "$(damping alpha "held down")" 1
equal "never two answerers (longest silence $(field "$seen" .silence_ms) ms, client's gap $(field "$window" .streams.http.gap_ms) ms)" \
	"$(field "$seen" '.overlaps + .both_in_one_turn')" 0
expect "status says so" [ "$(lab_status alpha '.damping.held_down')" = true ]
equal "and the metrics" "$(metric held_down)" 1

# The role remembers, whatever becomes of its process.
kill -9 "$(lab_pids alpha heartbeat)"
sleep 0.5
expect "a killed heartbeat is still held down" [ "$(lab_status alpha '.damping.held_down')" = true ]

# Serving wins: nothing of this holds up a takeover.
lab_tell load begin taken
sleep 0.2
kill -9 $(lab_pids beta)
lab_until 5 lab_is alpha active || not_ok "a held-down node takes over"
sleep 0.3
within "a held-down node takes over from a dead peer: the client's gap" "$(field "$(lab_ask load)" .streams.http.gap_ms)" 400
story_end
