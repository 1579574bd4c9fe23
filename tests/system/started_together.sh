#!/bin/bash
# Two nodes that begin at the same instant, neither knowing of the other, twenty times.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "two nodes started at the same instant agree at once"

lab_backends_start
LAB_START_WAIT=2s lab_config >"$LAB/hapair.conf"
lab_observer_start
one=0 calm=0 overlaps=0 preferred=0
for round in $(seq 20); do
	for node in $LAB_NODES; do
		lab_wipe $node
		rm -rf "$LAB/$node/state"
	done
	lab_tell observer begin "$round"
	lab_start alpha
	lab_start beta
	if lab_until 10 lab_settled; then
		one=$((one + 1))
	else
		echo "  round $round: alpha is $(lab_state alpha), beta is $(lab_state beta)"
	fi
	lab_is alpha active && preferred=$((preferred + 1))
	moves=0
	for node in $LAB_NODES; do
		n=$(lab_events $node 0 '.type == "state"' | wc -l)
		[ "$n" -gt "$moves" ] && moves=$n
	done
	[ "$moves" -le 1 ] && calm=$((calm + 1))
	seen=$(lab_ask observer)
	overlaps=$((overlaps + $(field "$seen" '.overlaps + .both_in_one_turn')))
	for node in $LAB_NODES; do
		kill -9 $(lab_pids $node) 2>/dev/null
	done
	sleep 0.05
done
equal "one active and one passive, of 20 starts" $one 20
equal "one transition a node at most, of 20 starts" $calm 20
# Fitness comes before priority: where one proxy is ready later, the other node may rightly be first.
echo "  the one with the higher priority was active in $preferred of 20"
equal "never two answerers" $overlaps 0
story_end
