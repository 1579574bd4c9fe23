#!/bin/bash
# The switch drops what goes between a node and the machines behind it; clients and the other node are reached as before. One pool is
# checked by the passive every 300 ms, the others every 15 s: it has to look again before it may say that it sees a server.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a node that lost its backend network hands over; where both lost it nobody moves"

ROUNDS=${LAB_ROUNDS:-3}
LAB_CHECK=300ms

lose() { lab_in switch nft "add element bridge lab cut { \"$1\" . \"web\", \"web\" . \"$1\" }"; }
fetches() { lab_in client curl -sf -m 2 -o /dev/null "http://$LAB_VIP/"; }
count_moves() { lab_both '[.[].epoch] | max'; }

lab_pair_start
lab_observer_start
lab_load_start "http:$LAB_VIP:80@200"
sleep 0.3

moved=0 gap=0
for ((round = 0; round < ROUNDS; round++)); do
	lab_roles
	before=$(count_moves) since=$(lab_now)
	lab_tell load begin lost
	lose "$LAB_ACTIVE"
	lab_until 4 lab_is "$LAB_PASSIVE" active || not_ok "the other one takes over"
	sleep 2
	window=$(lab_ask load)
	[ "$(lab_active) $(count_moves)" = "$LAB_PASSIVE $((before + 1))" ] && moved=$((moved + 1))
	gap=$(printf '%s\n' "$gap" "$(field "$window" .streams.http.gap_ms)" | sort -g | tail -1)
	why=$(lab_events "$LAB_ACTIVE" "$since" '.type == "state" and .to == "passive"' | jq -r .reason | tail -1)
	lab_heal
	lab_until 20 lab_settled || not_ok "the pair settles"
	sleep 0.5
	[ "$(lab_active)" = "$LAB_PASSIVE" ] || not_ok "it stays where it went"
done
equal "one move for each loss, and it stays there" "$moved" "$ROUNDS"
equal "the old holder says why" "$why" "this node reaches no server, and the peer does"
within "the client's longest gap: a check's interval, its time-out, one more" "$gap" 1800

# A check that takes longer to fail than the question is repeated.
LAB_CHECK=1500ms
lab_config >"$LAB/hapair.conf.new"
mv "$LAB/hapair.conf.new" "$LAB/hapair.conf"
lab_hapair alpha reload >/dev/null && lab_hapair beta reload >/dev/null || not_ok "reload"
lab_roles
lose "$LAB_ACTIVE"
expect "with checks of 1.5 s it moves too" lab_until 8 lab_is "$LAB_PASSIVE" active
lab_heal
LAB_CHECK=300ms
lab_config >"$LAB/hapair.conf.new"
mv "$LAB/hapair.conf.new" "$LAB/hapair.conf"
lab_hapair alpha reload >/dev/null && lab_hapair beta reload >/dev/null || not_ok "reload"
lab_until 20 lab_settled || not_ok "the pair settles"
sleep 2

# Both at once, then one after the other.
lab_roles
before=$(count_moves)
lose alpha
lose beta
sleep 4
equal "both lost it: nobody moves" "$(lab_active) $(count_moves)" "$LAB_ACTIVE $before"
lab_heal
expect "and it is served again where it was" lab_until 5 fetches
equal "without a move" "$(lab_active) $(count_moves)" "$LAB_ACTIVE $before"
sleep 1
lose "$LAB_PASSIVE"
sleep 1
lose "$LAB_ACTIVE"
sleep 4
equal "the passive first, and it may not know yet: nobody moves" "$(lab_active) $(count_moves)" "$LAB_ACTIVE $before"
lab_heal
expect "and it is served again" lab_until 5 fetches
lab_until 20 lab_settled || not_ok "the pair settles"

# Servers that are dead for everybody are nobody's network.
for n in 1 2 3; do lab_web_kill $n; done
sleep 3
equal "every web server dead: nobody moves" "$(lab_active) $(count_moves)" "$LAB_ACTIVE $before"
story_end
