#!/bin/bash
# Whatever happens to the passive, the active keeps the VIP, and no client notices.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "the loss of the passive is noticed by no client; a node without a peer is active"

lab_backends_start
lab_config >"$LAB/hapair.conf"
lab_start alpha
lab_until 5 lab_is alpha active || not_ok "a node with no peer in sight is active"
began=$(lab_events alpha 0 '.type == "state" and .to == "active"' | head -1)
[ -n "$began" ] && ok "alone, it is active: $(jq -r .reason <<<"$began")"
lab_start beta
lab_wait_settled
lab_roles
equal "who comes later stays passive" "$LAB_PASSIVE" beta
lab_observer_start
lab_load_start "http:$LAB_VIP:80@1000" "keep-http:$LAB_VIP:80@20" "keep-tcp:$LAB_VIP:7000@20"
sleep 0.5

unnoticed() {
	local window seen
	window=$(lab_ask load)
	seen=$(lab_ask observer)
	equal "$1: no request failed of $(field "$window" .streams.http.requests)" "$(field "$window" .streams.http.failed)" 0
	equal "$1: no session broke" "$(field "$window" '[.streams[].broken // 0] | add')" 0
	within "$1: the longest silence of the VIP" "$(field "$seen" .silence_ms)" 20
	equal "$1: $LAB_ACTIVE has the VIP" "$(lab_state "$LAB_ACTIVE")" active
	equal "$1: the passive never answered" "$(field "$seen" ".nodes.$LAB_PASSIVE.answers")" 0
}
watch_it() {
	lab_tell load begin "$1"
	lab_tell observer begin "$1"
}

watch_it lost
lab_lose "$LAB_PASSIVE"
sleep 1.5
unnoticed "machine lost"
lab_return "$LAB_PASSIVE"
lab_wait_settled

watch_it frozen
lab_signal STOP "$LAB_PASSIVE"
sleep 1.5
lab_signal CONT "$LAB_PASSIVE"
sleep 1
unnoticed "frozen and thawed"
lab_wait_settled

watch_it stopped
lab_stop "$LAB_PASSIVE" || not_ok "the passive stops"
sleep 1
lab_start "$LAB_PASSIVE"
lab_wait_settled
unnoticed "stopped and started"
story_end
