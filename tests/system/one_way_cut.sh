#!/bin/bash
# One direction between the nodes is cut, on both networks, unseen by either's hardware; clients reach both nodes.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a one-way cut, in either direction, never makes two answerers"

# link_told NODE FILTER: an event of each link since the cut. (There may be more: after it the kernel asks once a second for a neighbour, and one
# link works before the other.)
link_told() { [ "$(lab_events "$1" "$cut_at" ".type == \"link\" and $2" | jq -r .subject | sort -u | wc -l)" = 2 ]; }

lab_pair_start
lab_observer_start
lab_load_start "http:$LAB_VIP:80@1000"
sleep 0.3
told=0 healed=0
for which in "active can't be heard" "passive can't be heard"; do
	for round in 1 2 3; do
		lab_roles
		from=$LAB_ACTIVE to=$LAB_PASSIVE
		[ "$which" = "passive can't be heard" ] && from=$LAB_PASSIVE to=$LAB_ACTIVE
		lab_tell observer begin cut
		lab_tell load begin cut
		cut_at=$(lab_now)
		lab_cut "$from" "$to"
		sleep 1.5
		during=$(lab_active)
		lab_heal
		lab_until 5 lab_settled || not_ok "the pair settles after the cut"
		lab_until 2 link_told "$from" '.from == "one-way"' && healed=$((healed + 1))
		link_told "$from" '.to == "one-way"' && told=$((told + 1))
		seen=$(lab_ask observer)
		window=$(lab_ask load)
		equal "$which: never two answerers (longest silence $(field "$seen" .silence_ms) ms, client's gap $(field "$window" .streams.http.gap_ms) ms, $LAB_ACTIVE -> ${during:-?})" \
			"$(field "$seen" '.overlaps + .both_in_one_turn')" 0
		within "$which: the client's gap" "$(field "$window" .streams.http.gap_ms)" 200
	done
done
equal "who is not heard says so of both links, of 6 cuts" $told 6
equal "and when it is heard again" $healed 6
story_end
