#!/bin/bash
# Other hands on the node: a network manager takes the VIP away, somebody flushes the packet filter, another machine uses the address,
# and what an earlier life left is in the way. The node restores, defends, tells, and never moves the VIP for it.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "other hands on the VIP are noticed and undone"

said() { lab_hapair "$1" events --json | jq -se "any(.[]; $2)" >/dev/null; }
has_address() { ip -n "$(lab_ns "$1")" -o addr show dev eth0 | grep -q " $2/"; }
table_of() { lab_in "$1" nft list tables | grep -c "hapair_$1"; }
answers() { lab_in client curl -s -o /dev/null --max-time 2 "http://$LAB_VIP/"; }

lab_pair_start
lab_load_start "http:$LAB_VIP:80@500"
transitions=$(lab_hapair "$LAB_PASSIVE" events --json | jq -s '[.[] | select(.type == "state")] | length')

# The node's own addresses do not depend on the VIP, nor it on them.
equal "IPv4 is no secondary of the node's own address" \
	"$(ip -n "$(lab_ns "$LAB_ACTIVE")" -o addr show dev eth0 secondary | grep -c "$LAB_VIP")" 0

lab_tell load begin hands
for vip in "$LAB_VIP/32" "$LAB_VIP6/64"; do
	ip -n "$(lab_ns "$LAB_ACTIVE")" addr del "$vip" dev eth0
	expect "${vip%/*} is back after a foreign hand removed it" lab_until 1 has_address "$LAB_ACTIVE" "${vip%/*}"
	expect "and an event says so" lab_until 1 said "$LAB_ACTIVE" ".node == \"$LAB_ACTIVE\" and .to == \"restored\""
done
lab_in "$LAB_ACTIVE" nft flush ruleset
sleep 0.3
equal "the fence is back after nft flush ruleset" "$(table_of "$LAB_ACTIVE")" 1
expect "and an event says so" said "$LAB_ACTIVE" '.reason | contains("table had been removed")'
sleep 0.2
WINDOW=$(lab_ask load)
within "longest gap of the client meanwhile" "$(field "$WINDOW" .streams.http.gap_ms)" 60

# Another machine says that it holds the VIP.
ip -n "$(lab_ns watch)" addr add "$LAB_VIP/32" dev eth0
own=$(lab_in "$LAB_ACTIVE" ip -o -4 addr show dev eth0 | awk '{ sub("/.*", "", $4); print $4; exit }')
ip -n "$(lab_ns watch)" neigh flush dev eth0
lab_in watch curl -s --max-time 1 --interface "$LAB_VIP" "http://$own:9/" # asks for it by ARP, as the VIP
mac=$(ip -n "$(lab_ns watch)" -j link show eth0 | jq -r '.[0].address')
expect "a foreign holder is told by its MAC" lab_until 3 said "$LAB_ACTIVE" ".to == \"foreign holder\" and (.reason | contains(\"$mac\"))"
ip -n "$(lab_ns watch)" addr del "$LAB_VIP/32" dev eth0
expect "the client still finds the holder" lab_until 3 answers

equal "the VIP did not move for any of it" "$(lab_active)" "$LAB_ACTIVE"
equal "the peer changed nothing" \
	"$(lab_hapair "$LAB_PASSIVE" events --json | jq -s '[.[] | select(.type == "state")] | length')" "$transitions"

# The passive's fence does not keep it from being a client of the VIP.
expect "the passive node reaches the VIP" lab_in "$LAB_PASSIVE" curl -s -o /dev/null --max-time 2 "http://$LAB_VIP/"

# An address that an earlier life left is gone before the node says anything. (One for good would be refused as somebody's.)
lab_stop "$LAB_PASSIVE"
ip -n "$(lab_ns "$LAB_PASSIVE")" addr add "$LAB_VIP/32" dev eth0 valid_lft 60 preferred_lft 60
ip -n "$(lab_ns "$LAB_PASSIVE")" addr add "$LAB_VIP6/64" dev eth0 nodad valid_lft 60 preferred_lft 0
lab_start "$LAB_PASSIVE"
expect "it starts" lab_until 5 lab_is "$LAB_PASSIVE" passive
equal "what an earlier life left is removed" \
	"$(ip -n "$(lab_ns "$LAB_PASSIVE")" -o addr show dev eth0 | grep -c -e " $LAB_VIP/" -e " $LAB_VIP6/")" 0
equal "the VIP is still where it was" "$(lab_active)" "$LAB_ACTIVE"
story_end
