#!/bin/bash
# Every process of the active killed or frozen, its cables in: nothing is there to take the VIP away, so the kernel does.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a killed or frozen node answers no longer than its lease"

lab_pair_start
lab_observer_start
sleep 0.3

# What both stories share: SIGNAL to all of the active, then what the observer saw of it.
stop_answering() {
	local signal=$1 what=$2 seen last
	lab_roles
	local pids
	pids=$(lab_pids "$LAB_ACTIVE")
	lab_tell observer begin "$what"
	kill "-$signal" $pids
	sleep 0.5
	lab_until 5 lab_is "$LAB_PASSIVE" active || not_ok "the peer takes over from a $what node"
	sleep 2
	seen=$(lab_ask observer)
	last=$(field "$seen" ".nodes.$LAB_ACTIVE.last_ms // 0")
	within "the last answer of a $what node, any kind" "$last" 152
	equal "never two answerers when it is $what" "$(field "$seen" '.overlaps + .both_in_one_turn')" 0
	within "nobody answered for so long when it is $what" "$(field "$seen" .silence_ms)" 200
	if lab_has_vip "$LAB_ACTIVE"; then
		not_ok "no address left on a $what node 2 s later"
	else
		ok "no address left on a $what node 2 s later"
	fi
}

stop_answering KILL killed
lab_start "$LAB_ACTIVE"
lab_wait_settled
equal "what was started again stays passive" "$(lab_active)" "$LAB_PASSIVE"

stop_answering STOP frozen
lab_tell observer begin thawed
lab_signal CONT "$LAB_ACTIVE"
sleep 2
seen=$(lab_ask observer)
equal "a thawed node answers nothing" "$(field "$seen" ".nodes.$LAB_ACTIVE.answers")" 0
equal "never two answerers after the thaw" "$(field "$seen" '.overlaps + .both_in_one_turn')" 0
lab_until 10 lab_settled || not_ok "the pair settles after the thaw"
equal "the peer still has the VIP" "$(lab_active)" "$LAB_PASSIVE"
story_end
