#!/bin/bash
# A planned switchover is noticed by nobody: connections that are there are served to their end by the node that has them, new
# ones begin at the other node. Back and forth, during drains, and with everything going wrong in the middle of it.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a planned switchover breaks nothing and leaves nothing behind"

quiet() { lab_settled && ! lab_in alpha nft list tables | grep -q _drain && ! lab_in beta nft list tables | grep -q _drain; }
same_as_before() { # TEXT
	local node
	lab_until 15 quiet || not_ok "$1: the drain ends"
	sleep 1.3
	for node in $LAB_NODES; do
		lab_footprint "$node" >"$LAB/after.$node"
		expect "$1: rules, addresses, routes and settings of $node are as before" \
			diff "$LAB/before.$node" "$LAB/after.$node"
	done
}
remember() { for node in $LAB_NODES; do lab_footprint "$node" >"$LAB/before.$node"; done; }

lab_pair_start
for n in 1 2 3; do truncate -s 60M "$LAB/web$n/files/60m"; chmod a+r "$LAB/web$n/files/60m"; done
lab_load_start "http:$LAB_VIP:80@250" "http6=http:[$LAB_VIP6]:80@50" "https:$LAB_VIP:443@100" "keep-http:$LAB_VIP:80@25" \
	"keep-https:$LAB_VIP:443@25" "keep-tcp:$LAB_VIP:7000@20" "keep-tcp6=keep-tcp:[$LAB_VIP6]:7000@10" \
	"keep-websocket:$LAB_VIP:80@20"
lab_observer_start
sleep 1
remember

# For how long the proxies' threads could have run and had no processor, ms, added up (proc(5), schedstat).
starved_ms() {
	local node
	for node in $LAB_NODES; do cat /proc/"$(lab_pids "$node" proxy)"/task/*/schedstat; done | awk '{ ns += $2 } END { printf "%d", ns / 1e6 }'
}

# --- back and forth -------------------------------------------------------------------------------------------------

downloads=
for n in 1 2 3 4 5; do
	host=$LAB_VIP
	[ $n = 5 ] && host="[$LAB_VIP6]"
	lab_in client curl -sS --limit-rate 6M -o "$LAB/download.$n" "http://$host/60m" 2>>"$LAB/curl.log" &
	downloads="$downloads $!"
done
failed=0 broken=0 overlaps=0 gaps= times=0 voids=0
for round in $(seq "${LAB_ROUNDS:-6}"); do
	lab_roles
	starved=$(starved_ms)
	lab_tell load begin round
	lab_tell observer begin round
	sleep 0.3
	lab_hapair "$LAB_ACTIVE" switchover >"$LAB/said" 2>&1 || { cat "$LAB/said"; not_ok "switchover $round"; break; }
	grep -q "served here to their end" "$LAB/said" || { cat "$LAB/said"; not_ok "switchover $round breaks nothing"; }
	[ "$round" = 1 ] && at_most "status tells how many are left" "$(lab_status "$LAB_ACTIVE" .drain.left)" 200
	sleep 1.2
	lab_is "$LAB_PASSIVE" active || not_ok "after switchover $round the peer is active"
	# From the second round on both nodes have sessions that stay.
	[ "$round" = 1 ] && lab_tool_start late client "$LAB_TOOLS/load" "keep-tcp:$LAB_VIP:7000@10" "keep-websocket:[$LAB_VIP6]:80@5"
	[ "$round" -gt 1 ] && { lab_is "$LAB_ACTIVE" draining || not_ok "after switchover $round the other serves its sessions"; }
	window=$(lab_ask load)
	late=$(lab_ask late)
	up=$(field "$late" '[.streams[].up] | add')
	bad=$(($(field "$window" '[.streams[] | (.failed // 0) + (.broken // 0)] | add') + $(field "$late" '[.streams[].broken // 0] | add')))
	starved=$(($(starved_ms) - starved))
	# Where ordinary processes wait so long for a processor, requests fail with or without a switchover.
	if [ "$(field "$window" ".stall_ms > $STORY_VOID_MS or .wait_ms > 3 * $STORY_VOID_MS or $starved > 2 * .ms")" = true ]; then
		voids=$((voids + 1))
		echo "  void: the machine itself was busy for $(field "$window" .stall_ms) and $(field "$window" .wait_ms) ms, the proxies waited $starved of $(field "$window" .ms) ms ($bad failed or broken)"
		[ "$bad" = 0 ] || echo "# $window"
	else
		failed=$((failed + $(field "$window" '[.streams[].failed // 0] | add')))
		broken=$((broken + $(field "$window" '[.streams[].broken // 0] | add') + $(field "$late" '[.streams[].broken // 0] | add')))
		[ "$bad" = 0 ] || echo "# $window"
		gaps="$gaps $(field "$window" .streams.http.gap_ms)"
	fi
	overlaps=$((overlaps + $(field "$(lab_ask observer)" '.overlaps + .both_in_one_turn')))
	times=$((times + 1))
done
equal "failed requests in $times switchovers" $failed 0
equal "broken connections" $broken 0
equal "sessions that began at the second node are up at the end" "$up" 15
at_most "rounds in which the machine was too busy" $voids $((times / 2)) "of $times"
equal "two that answer for the VIP" $overlaps 0
within "longest gap; all:$gaps" "$(printf '%s\n' $gaps | sort -g | tail -1)" 50
lost=0
for pid in $downloads; do wait "$pid" || lost=$((lost + 1)); done
equal "downloads that broke" $lost 0
equal "bytes of them" "$(cat "$LAB"/download.* | wc -c)" $((5 * 62914560))
rm -f "$LAB"/download.*
[ $((times % 2)) = 0 ] || { lab_roles; lab_hapair "$LAB_ACTIVE" switchover >/dev/null; }
lab_tool_stop load
lab_tool_stop late
same_as_before "after the last connection"

# --- a switchover that is the beginning of a stop -------------------------------------------------------------------------

lab_load_start "http:$LAB_VIP:80@200" "keep-tcp:$LAB_VIP:7000@20" "keep-websocket:$LAB_VIP:80@10"
sleep 1
lab_roles
lab_tell load begin stop
sleep 0.3
supervisor=$(cat "$LAB/$LAB_ACTIVE/lab.pid")
kill -TERM "$supervisor"
expect "a node that stops hands over first" lab_until 5 lab_is "$LAB_PASSIVE" active
sleep 1
expect "and serves what it has" test -d "/proc/$supervisor"
equal "its state meanwhile is" "$(lab_state "$LAB_ACTIVE")" draining
window=$(lab_ask load)
equal "failed and broken at the stop" "$(field "$window" '[.streams[] | (.failed // 0) + (.broken // 0)] | add')" 0
kill -TERM "$supervisor"
expect "a second signal ends that" lab_until 8 lab_gone "$supervisor"
equal "no filter is left" "$(lab_in "$LAB_ACTIVE" nft list ruleset | wc -l)" 0
expect "no address is left" eval '! lab_has_vip "$LAB_ACTIVE"'
equal "no setting is left" "$(lab_in "$LAB_ACTIVE" sysctl -n net.ipv4.conf.eth0.arp_announce net.ipv4.conf.eth0.arp_ignore | tr '\n' ' ')" "0 0 "
lab_start "$LAB_ACTIVE"
lab_wait_settled

# --- death in the middle -------------------------------------------------------------------------------------------------

lab_roles
sleep 1
lab_hapair "$LAB_ACTIVE" switchover >/dev/null || not_ok "a switchover before a death"
lab_tell load begin death
lab_lose "$LAB_PASSIVE"
expect "the new holder dies: who drains takes it back" lab_until 5 lab_is "$LAB_ACTIVE" active
sleep 1
window=$(lab_ask load)
at_most "its own sessions live on; broken are those of the dead" "$(field "$window" '.streams["keep-tcp"].broken')" 2
lab_return "$LAB_PASSIVE"
lab_wait_settled

lab_roles
lab_hapair "$LAB_ACTIVE" switchover >/dev/null || not_ok "a switchover before a crash"
lab_signal KILL "$LAB_ACTIVE" heartbeat
lab_tool_stop load
expect "heartbeat killed during the drain: the pair settles" lab_until 15 quiet
equal "settings are put back" "$(lab_in "$LAB_ACTIVE" sysctl -n net.ipv4.conf.eth0.arp_announce net.ipv4.conf.eth0.arp_ignore | tr '\n' ' ')" "0 0 "
expect "addresses are put back" eval '! lab_has_vip "$LAB_ACTIVE"'

# --- where it cannot be ---------------------------------------------------------------------------------------------------

sed -i 's/start_wait .*/&\n  drain_timeout = 0s/' "$LAB/hapair.conf"
lab_hapair alpha reload >/dev/null && lab_hapair beta reload >/dev/null || not_ok "reload with drain_timeout = 0s"
sleep 0.3
lab_roles
lab_hapair "$LAB_ACTIVE" switchover >"$LAB/said" 2>&1
equal "without time to drain it is a plain switchover, with exit" $? 0
expect "and says so" grep -q "drain_timeout is 0" "$LAB/said"
lab_until 5 quiet || not_ok "the pair settles"
story_end
