#!/bin/bash
# The client's machine is the gateway too; it answers no ping, so what counts is ARP. A switch that drops frames is unseen by the
# nodes' hardware: only the missing answers tell the node that is cut off from the one that is not.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "with a gateway as witness the node that is cut off lets go, and the other one holds"

ROUNDS=${LAB_ROUNDS:-5}
LAB_WITNESS="witness gateway { targets = { 10.77.0.100 } }"
lab_in client sysctl -qw net.ipv4.icmp_echo_ignore_all=1 || lab_die "sysctl"

# isolate NODE: from its peer and from the gateway, both ways; the observer still sees both nodes.
isolate() {
	lab_in switch nft "add element bridge lab cut { \"$1\" . \"$2\", \"$2\" . \"$1\", \"$1-hb\" . \"$2-hb\", \"$2-hb\" . \"$1-hb\", \"$1\" . \"client\", \"client\" . \"$1\" }"
}

holds() { [ "$(lab_status "$1" '.fence.left_ms > 0')" = true ]; }

lab_pair_start
lab_observer_start
equal "both hear the gateway's yes" "$(lab_both '[.[].witness | .kind, .answer] | join(" ")')" "gateway yes gateway yes"

# The active is cut off.
moved=0 worst=0 overlaps=0
for ((round = 0; round < ROUNDS; round++)); do
	lab_roles
	lab_tell observer begin cut
	isolate "$LAB_ACTIVE" "$LAB_PASSIVE"
	sleep 1
	seen=$(lab_ask observer)
	lab_is "$LAB_PASSIVE" active && ! holds "$LAB_ACTIVE" && moved=$((moved + 1))
	overlaps=$((overlaps + $(field "$seen" '.overlaps + .both_in_one_turn')))
	worst=$(printf '%s\n' "$worst" "$(field "$seen" .silence_ms)" | sort -g | tail -1)
	lab_heal
	lab_until 5 lab_settled || not_ok "the pair settles after the cut"
	lab_is "$LAB_PASSIVE" active || not_ok "it stays where it went"
done
equal "the one that is cut off let go, the other took over, each time" "$moved" "$ROUNDS"
equal "never two answerers" "$overlaps" 0
within "nobody answered for at most" "$worst" 300

# The passive is cut off.
kept=0 worst=0
for ((round = 0; round < ROUNDS; round++)); do
	lab_roles
	since=$(lab_now)
	lab_tell observer begin cut
	isolate "$LAB_PASSIVE" "$LAB_ACTIVE"
	sleep 1
	seen=$(lab_ask observer)
	lab_is "$LAB_PASSIVE" passive && holds "$LAB_ACTIVE" && kept=$((kept + 1))
	overlaps=$((overlaps + $(field "$seen" '.overlaps + .both_in_one_turn')))
	worst=$(printf '%s\n' "$worst" "$(field "$seen" .silence_ms)" | sort -g | tail -1)
	lab_heal
	lab_until 5 lab_settled || not_ok "the pair settles after the cut"
done
equal "a passive that is cut off claims nothing" "$kept" "$ROUNDS"
within "the holder answered on, longest silence" "$worst" 40
equal "never two answerers" "$overlaps" 0
expect "and says why" [ -n "$(lab_events "$LAB_PASSIVE" "$since" '.to == "withheld"')" ]

# The gateway alone is lost, by the active alone.
lab_roles
since=$(lab_now)
lab_in switch nft "add element bridge lab cut { \"$LAB_ACTIVE\" . \"client\", \"client\" . \"$LAB_ACTIVE\" }"
expect "the active lost the gateway, the peer did not: it hands over" lab_until 4 lab_is "$LAB_PASSIVE" active
equal "and says why" "$(lab_events "$LAB_ACTIVE" "$since" '.type == "state" and .to == "passive"' | jq -r .reason)" "this node lost the gateway, and the peer did not"
lab_heal
lab_until 5 lab_settled || not_ok "the pair settles"
sleep 1.5
equal "it stays where it went" "$(lab_active)" "$LAB_PASSIVE"

# A gateway that is lost moves nothing; only with the peer gone too is there nobody to trust.
lab_roles
lapses=$(lab_status "$LAB_ACTIVE" .fence.lapses)
lab_in switch nft 'add element bridge lab cut { "alpha" . "client", "beta" . "client" }'
sleep 1
equal "the gateway lost: the holder stays" "$(lab_active) $(lab_status "$LAB_ACTIVE" .fence.lapses)" "$LAB_ACTIVE $lapses"
equal "and no yes is shown" "$(lab_status "$LAB_ACTIVE" .witness.answer)" unknown
lab_hapair "$LAB_ACTIVE" switchover >/dev/null || not_ok "a switchover without the gateway"
lab_until 5 lab_settled || not_ok "the pair settles after the switchover"
equal "a switchover asks no gateway" "$(lab_active)" "$LAB_PASSIVE"
lab_heal

# Machines that are lost.
lab_roles
lab_tell observer begin lost
lab_lose "$LAB_ACTIVE"
sleep 0.8
within "a takeover is as fast as without a witness" "$(field "$(lab_ask observer)" .silence_ms)" 300
equal "by the other" "$(lab_state "$LAB_PASSIVE")" active
lab_return "$LAB_ACTIVE"
lab_until 8 lab_settled || not_ok "the pair settles after the return"
lab_tell observer begin lost
lab_lose "$LAB_ACTIVE"
sleep 1.5
within "the death of a passive is not noticed, longest silence" "$(field "$(lab_ask observer)" .silence_ms)" 40
story_end
