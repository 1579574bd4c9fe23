#!/bin/bash
# Much to hold in common must not disturb what keeps the pair together.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "thousands of servers are brought to the other node without a heartbeat coming late"

COUNT=3900
LAB_MORE="pool many { check tcp { interval = 60s standby_interval = 60s timeout = 200ms } server first { address = 10.77.0.11:9 } }"
lab_pair_start
in_sync() { [ "$(lab_status "$1" '.sync.connected and .sync.matches and .sync.servers')" = "$2" ]; }
held() { [ "$(lab_status "$1" '.pools[] | select(.name == "many") | .servers | length')" = "$2" ]; }
lab_until 10 eval '[ "$(lab_status alpha .sync.connected)" = true ]' || not_ok "connected"

# As if an operator had added them on alpha while beta was away.
lab_stop alpha
lab_stop beta
awk -v n=$COUNT 'BEGIN {
	printf "{\"serial\":1000,\"records\":["
	for (i = 0; i < n; i++)
		printf "%s{\"pool\":\"many\",\"server\":\"s%d\",\"existence\":[\"added\",%d,\"alpha\",\"10.77.1.%d:%d\",1]}",
			i ? "," : "", i, 1000 + i, i % 250 + 1, 1000 + int(i / 250)
	print "]}"
}' >"$LAB/alpha/state/servers.0"
lab_start alpha
lab_start beta
since=$(lab_now)
lab_wait_settled 30
expect "alpha has them" lab_until 20 held alpha $((COUNT + 1))
expect "beta has them" lab_until 20 held beta $((COUNT + 1))
expect "and both agree" lab_until 20 eval '[ "$(lab_status alpha .sync.matches)" = true ] && [ "$(lab_status beta .sync.matches)" = true ]'
echo "  $(($(lab_now) - since)) ms after the start"
for n in alpha beta; do
	equal "$n saw no link go down meanwhile" "$(lab_events $n "$since" '.type == "link" and .to == "down" and .from == "up"' | wc -l)" 0
	equal "$n: the fence did not lapse" "$(lab_status $n '.fence.lapses')" 0
done

# All of it once more, while it serves: a node that lost its memory.
lab_roles
lab_load_start "http:$LAB_VIP:80@300"
lab_tell load begin again
since=$(lab_now)
lab_stop "$LAB_PASSIVE"
rm -f "$LAB/$LAB_PASSIVE/state"/servers.*
lab_start "$LAB_PASSIVE"
lab_wait_settled 30
expect "the passive without its files has them again" lab_until 20 held "$LAB_PASSIVE" $((COUNT + 1))
lab_hapair "$LAB_ACTIVE" server drain many/s7 >/dev/null
is_drained() { [ "$(lab_status "$LAB_PASSIVE" '.pools[] | select(.name == "many") | .servers[] | select(.name == "s7") | .state')" = drain ]; }
expect "and hears what is said" lab_until 5 is_drained
lab_hapair "$LAB_ACTIVE" server add many/new 10.77.0.12:9 >"$LAB/said" 2>&1 || not_ok "one more: $(cat "$LAB/said")"
expect "one more" lab_until 5 held "$LAB_PASSIVE" $((COUNT + 2))
window=$(lab_ask load)
equal "no request failed of $(field "$window" .streams.http.requests)" "$(field "$window" .streams.http.failed)" 0
equal "the VIP did not move" "$(lab_events "$LAB_ACTIVE" "$since" '.type == "state"' | wc -l)" 0
for n in alpha beta; do
	echo "  $n: heartbeat at most $(lab_status $n '.fence.lateness_max_us') us late; admin uses $(awk '/VmRSS/ { print $2 }' "/proc/$(lab_pids $n admin)/status") KiB"
done
story_end
