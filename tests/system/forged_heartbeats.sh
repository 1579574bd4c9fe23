#!/bin/bash
# Somebody on the wire records heartbeats and sends them again, as they were or changed. Everything is refused for its own
# reason and counted, and nothing moves.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "forged, replayed and damaged heartbeats are counted and change nothing"

rejected() { # NODE REASON
	curl -s --unix-socket "$LAB/$1/run/control.sock" http://localhost/metrics |
		awk -v reason="reason=\"$2\"" '/^hapair_.*rejected/ && index($0, reason) { n += $2 } END { print n + 0 }'
}

counted() { # NODE: all reasons
	curl -s --unix-socket "$LAB/$1/run/control.sock" http://localhost/metrics |
		awk '/^hapair_heartbeats_rejected_total/ { n += $NF } END { print n + 0 }'
}

# send FROM TO HOW: as if FROM had said it to TO, on the heartbeat network.
send() {
	local from=10.78.0.1 to=10.78.0.2 mac
	[ "$1" = beta ] && from=10.78.0.2 to=10.78.0.1
	mac=$(ip -n "$LAB_PREFIX-$2" -j link show eth1 | jq -r '.[0].address')
	lab_in watch "$LAB_TOOLS/forge" send eth1 "$mac" "$LAB/$2.taken" $from $to "$3" "$LAB/secret.key" lab | jq .sent
}

lab_pair_start
# The recording has everything that one may hear: the everyday, a switchover there and back, a goodbye.
for node in $LAB_NODES; do
	lab_bg $node "$LAB/capture.log" "$LAB_TOOLS/forge" capture eth1 7946 5000 "$LAB/$node.taken"
done
sleep 0.5
lab_hapair "$LAB_ACTIVE" switchover >/dev/null || not_ok "switchover"
lab_until 5 lab_settled
lab_hapair "$LAB_PASSIVE" switchover >/dev/null || not_ok "switchover back"
lab_until 5 lab_settled
lab_stop "$LAB_ACTIVE"
lab_until 5 lab_is "$LAB_PASSIVE" active || not_ok "the peer takes over"
lab_start "$LAB_ACTIVE"
sleep 3
lab_wait_settled
lab_roles

lab_observer_start
lab_load_start "http:$LAB_VIP:80@500"
sleep 0.3
since=$(lab_now)
epoch=$(lab_status "$LAB_ACTIVE" .epoch)
lab_tell observer begin forged
lab_tell load begin forged
for to in "$LAB_PASSIVE" "$LAB_ACTIVE"; do
	from=$(lab_other "$to")
	for how in replay reflect truncate flip key keyid cluster node; do
		before=$(counted "$to")
		sent=$(send "$from" "$to" $how)
		sleep 0.6
		equal "$how: $sent sent to $to, and refused" "$(($(counted "$to") - before))" "$sent"
	done
done
sleep 0.6
for node in $LAB_NODES; do
	metrics=$(curl -s --unix-socket "$LAB/$node/run/control.sock" http://localhost/metrics | grep '^hapair_.*rejected')
	echo "$metrics" | sed -n 's/.*reason="\([^"]*\)".* \([0-9.e+]*\)$/\1 \2/p' | awk '$2 > 0 { printf " %s %s", $1, $2 } END { print "" }' | sed "s/^/  $node rejected:/"
	for reason in short magic version cluster key mac node replay; do
		expect "$node refused some for '$reason'" test "$(rejected $node $reason)" -gt 0
	done
done
seen=$(lab_ask observer)
window=$(lab_ask load)
equal "no transition" "$(for node in $LAB_NODES; do lab_events $node "$since" '.type == "state"'; done | wc -l)" 0
equal "no new epoch" "$(lab_status "$LAB_ACTIVE" .epoch)" "$epoch"
equal "the VIP did not move" "$(lab_active)" "$LAB_ACTIVE"
equal "never two answerers" "$(field "$seen" '.overlaps + .both_in_one_turn')" 0
equal "no request failed" "$(field "$window" .streams.http.failed)" 0
story_end
