#!/bin/bash
# Clients that wait for an answer have no timeout to go by: when the node that would answer is lost, somebody has to tell them.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "waiting clients of a lost node know it within a second"
WAITERS=10

all_wait() { lab_tell waiters begin "" && [ "$(field "$(lab_ask waiters)" .waiting)" = "$1" ]; }
waiters_start() {
	lab_tool_start waiters client "$LAB_TOOLS/waiters" "$@"
	lab_until 60 all_wait "$1"
}
# FIGURE: when the last of them knew; WINDOW.
all_know() {
	sleep 2
	WINDOW=$(lab_ask waiters)
	FIGURE=$(field "$WINDOW" .last_ms)
	knew="$knew $(field "$WINDOW" '.reset + .closed')"
	lab_tool_stop waiters
}
all_of() { # TEXT: each time all of them knew
	equal "$1" "$knew" "$(for ((i = 0; i < $(wc -w <<<"$knew"); i++)); do printf " %s" $WAITERS; done)"
	knew=
}

kill_the_proxy() {
	lab_roles
	waiters_start $WAITERS "$LAB_VIP:7000" "[$LAB_VIP6]:7000" || return 1
	lab_tell waiters begin killed
	lab_signal KILL "$LAB_ACTIVE" proxy || return 1
	all_know
	lab_until 15 lab_settled
}

knew=
lab_pair_start
if rounds 3 100 kill_the_proxy; then
	within "the proxy killed: the last of $WAITERS knew, median of:$FIGURES" "$(median $FIGURES)" 100
	all_of "and all of them, each time"
else
	not_ok "three proxies killed"
fi

# The machine is gone: what its clients know they know from the node that took over.
lose_the_active() {
	lab_roles
	waiters_start $WAITERS "$LAB_VIP:7000" "[$LAB_VIP6]:7000" || return 1
	lab_until 5 known_to_passive $WAITERS || return 1
	lab_tell waiters begin lost
	lab_lose "$LAB_ACTIVE"
	all_know
	lab_return "$LAB_ACTIVE"
	lab_until 15 lab_settled
}
known_to_passive() { [ "$(lab_status "$LAB_PASSIVE" .sync.peer_flows)" -ge "$1" ]; }

if rounds 3 1000 lose_the_active; then
	within "the machine lost: the last of $WAITERS knew, median of:$FIGURES" "$(median $FIGURES)" 1000
	all_of "and all of them, each time"
else
	not_ok "three lost machines"
fi

# Its own resets do not get out either.
pull_the_cable() {
	lab_roles
	waiters_start $WAITERS "$LAB_VIP:7000" "[$LAB_VIP6]:7000" || return 1
	lab_until 5 known_to_passive $WAITERS || return 1
	sleep 1.5 # a client does not believe a second announcement within a second of another (ARP's locktime)
	lab_tell waiters begin pulled
	lab_cable "$LAB_ACTIVE" down net
	all_know
	lab_cable "$LAB_ACTIVE" up net
	lab_until 3 lab_cables_work "$LAB_ACTIVE" && lab_until 15 lab_settled
}
if rounds 3 1000 pull_the_cable; then
	within "the cable pulled: the last of $WAITERS knew, median of:$FIGURES" "$(median $FIGURES)" 1000
	all_of "and all of them, each time"
else
	not_ok "three pulled cables"
fi

# Given away without a drain, the node and its proxy go on: nothing but the reset tells the clients.
give_it_plainly() {
	lab_roles
	waiters_start $WAITERS "$LAB_VIP:7000" "[$LAB_VIP6]:7000" || return 1
	lab_tell waiters begin given
	lab_hapair "$LAB_ACTIVE" switchover >/dev/null || return 1
	all_know
	lab_until 15 lab_settled
}

sed -i 's/start_wait .*/&\n  drain_timeout = 0s/' "$LAB/hapair.conf"
for node in alpha beta; do lab_hapair $node reload >/dev/null || not_ok "$node: reload"; done
if rounds 3 100 give_it_plainly; then
	within "given without a drain: the last of $WAITERS knew, median of:$FIGURES" "$(median $FIGURES)" 100
	all_of "and all of them, each time"
else
	not_ok "three plain switchovers"
fi
story_end
