#!/bin/bash
# A role that is stopped (SIGSTOP) closes no socket, but the kernel tells its parent. A hang that nobody is told of takes longer:
# process_roles.sh.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a frozen proxy is replaced like a dead one, a frozen heartbeat within its lease"

freeze() { # ROLE
	lab_roles
	frozen=$(lab_pids "$LAB_ACTIVE" "$1")
	lab_tell load begin "$1"
	lab_tell observer begin "$1"
	sleep 0.3
	kill -STOP "$frozen"
	sleep 1
	WINDOW=$(lab_ask load) || return 1
	overlaps=$((overlaps + $(field "$(lab_ask observer)" '.overlaps + .both_in_one_turn')))
	FIGURE=$(field "$WINDOW" .streams.http.gap_ms)
	lab_gone "$frozen" || not_ok "a frozen $1 is ended"
	lab_until 15 lab_settled
}
freeze_the_proxy() {
	freeze proxy || return 1
	[ "$(lab_active)" = "$LAB_PASSIVE" ] || stayed=$((stayed + 1))
}
freeze_the_heartbeat() {
	freeze heartbeat || return 1
	[ "$(lab_active)" = "$LAB_ACTIVE" ] || moved=$((moved + 1))
	failed=$((failed + $(field "$WINDOW" .streams.http.failed)))
}

lab_pair_start
lab_load_start "http:$LAB_VIP:80@1000"
lab_observer_start
overlaps=0 stayed=0 moved=0 failed=0
if rounds 3 150 freeze_the_proxy; then
	within "median gap of a frozen proxy:$FIGURES" "$(median $FIGURES)" 150
	equal "the peer took over each time" $stayed 0
else
	not_ok "three frozen proxies"
fi
if rounds 3 20 freeze_the_heartbeat; then
	within "median gap of a frozen heartbeat:$FIGURES" "$(median $FIGURES)" 20
	# It is back some 75 ms after it froze; when that is after its lease, the VIP moves as for a dead node.
	if [ -n "${LAB_STRICT:-}" ]; then equal "the VIP stayed" $moved 0; else echo "  the VIP moved $moved times, goal 0"; fi
else
	not_ok "three frozen heartbeats"
fi
equal "never two answerers" $overlaps 0

# Both nodes as a whole: each is told to stop and to go on, one process after the other.
for node in $LAB_NODES; do
	before=$(lab_pids "$node" | sort)
	lab_signal STOP "$node"
	sleep 2
	lab_signal CONT "$node"
	sleep 1
	equal "$node frozen as a whole thaws with the same processes" "$(lab_pids "$node" | sort | xargs)" "$(xargs <<<"$before")"
	lab_until 15 lab_settled || not_ok "the pair settles"
done
story_end
