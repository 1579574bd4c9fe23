#!/bin/bash
# A hundred thousand connections are told to the other node while they come, and woken when the node is lost: no heartbeat may come late for it.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a hundred thousand connections in sync do not disturb heartbeats"

# A process may have 20,000 descriptors at most where its limits can't be raised: eight clients, each with another end of its own.
PARTS="1 2 3 4 5 6 7 8"
EACH=12500
[ -n "$STORY_SANITIZED" ] && EACH=1250
COUNT=$((8 * EACH))
lab_pair_start
# Whose connections they are is all one to the kernel's list.
for part in $PARTS; do
	lab_bg "$LAB_ACTIVE" "$LAB/serve$part" "$LAB_TOOLS/waiters" serve "$LAB_VIP:900$part" "[$LAB_VIP6]:900$part"
done
ready() { [ "$(cat "$LAB"/serve? | grep -c ready)" = 8 ]; }
lab_until 5 ready || not_ok "the other ends listen"

undisturbed() { # SINCE: neither node missed a heartbeat, no fence lapsed
	for n in "${@:2}"; do
		equal "$n saw no link go down meanwhile" "$(lab_events "$n" "$1" '.type == "link" and .to == "down" and .from == "up"' | wc -l)" 0
		equal "$n: the fence did not lapse" "$(lab_status "$n" .fence.lapses)" 0
		echo "  $n: heartbeat at most $(lab_status "$n" .fence.lateness_max_us) us late; admin uses $(awk '/VmRSS/ { print $2 }' "/proc/$(lab_pids "$n" admin)/status") KiB"
	done
}

since=$(lab_now)
for part in $PARTS; do
	lab_tool_start "part$part" client "$LAB_TOOLS/waiters" $EACH "$LAB_VIP:900$part" "[$LAB_VIP6]:900$part"
done
windows() {
	local part
	for part in $PARTS; do lab_ask "part$part"; done
}
begin() {
	local part
	for part in $PARTS; do lab_tell "part$part" begin "$1"; done
}
all_wait() { begin "" && [ "$(windows | jq -s 'map(.waiting) | add')" = $COUNT ]; }
expect "$COUNT connections are there" lab_until 60 all_wait
echo "  after $(($(lab_now) - since)) ms"
known() { [ "$(lab_status "$LAB_PASSIVE" .sync.peer_flows)" = $COUNT ]; }
expect "the passive knows them" lab_until 30 known
echo "  after $(($(lab_now) - since)) ms"
sleep 5 # the list is made again and again
undisturbed "$since" alpha beta
equal "the VIP did not move" "$(lab_events "$LAB_ACTIVE" "$since" '.type == "state"' | wc -l)" 0

# 64 a millisecond: less than two seconds for all.
begin lost
since=$(lab_now)
lab_lose "$LAB_ACTIVE"
sleep 6
windows >"$LAB/windows"
equal "all of them know that their node is lost" "$(jq -s 'map(.reset + .closed) | add' "$LAB/windows")" $COUNT
within "the last of them after" "$(jq -s 'map(.last_ms) | max' "$LAB/windows")" 3000
equal "the new holder's fence did not lapse" "$(lab_status "$LAB_PASSIVE" .fence.lapses)" 0
equal "and it holds since" "$(lab_events "$LAB_PASSIVE" "$since" '.type == "state"' | wc -l)" 1
story_end
