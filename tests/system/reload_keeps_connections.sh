#!/bin/bash
# A configuration is swapped inside the running process; a wrong one changes nothing.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a reload keeps every connection, and refuses a wrong file whole"

lab_pair_start
lab_load_start "http:$LAB_VIP:80@500" "keep-http:$LAB_VIP:80@30" "keep-https:$LAB_VIP:443@10" "keep-tcp:$LAB_VIP:7000@30" \
	"keep-websocket:$LAB_VIP:80@10"
sleep 1
proxy=$(lab_pids "$LAB_ACTIVE" proxy)
lab_tell load begin reload
for round in 1 2 3; do
	sed -i "/server web3/d" "$LAB/hapair.conf"
	lab_hapair "$LAB_ACTIVE" reload >"$LAB/said" 2>&1 || { not_ok "reload without web3"; sed 's/^/  /' "$LAB/said"; }
	sleep 0.7
	[ "$(lab_status "$LAB_ACTIVE" '[.pools[] | select(.name == "web") | .servers[].name] | join(" ")')" = "web1 web2" ] ||
		not_ok "web3 is gone (round $round)"
	lab_config >"$LAB/hapair.conf"
	lab_hapair "$LAB_ACTIVE" reload >"$LAB/said" 2>&1 || { not_ok "reload with web3"; sed 's/^/  /' "$LAB/said"; }
	sleep 0.7
done
[ -s "$LAB/said" ] && sed 's/^/  it said: /' "$LAB/said"
sed -i 's/pool = web$/pool = webb/' "$LAB/hapair.conf"
lab_hapair "$LAB_ACTIVE" reload >"$LAB/said" 2>&1
equal "a wrong file is refused with exit" $? 1
expect "and says where" grep -q "hapair.conf:[0-9]*: .*webb" "$LAB/said"
sleep 0.3
window=$(lab_ask load)
equal "no request failed of $(field "$window" .streams.http.requests)" "$(field "$window" .streams.http.failed)" 0
for kind in keep-http keep-https keep-tcp keep-websocket; do
	equal "no $kind session broke in $(field "$window" ".streams.\"$kind\".exchanges") exchanges" \
		"$(field "$window" ".streams.\"$kind\".broken")" 0
	equal "every $kind session is up" "$(field "$window" ".streams.\"$kind\" | .sessions - .up")" 0
done
equal "the same proxy process" "$(lab_pids "$LAB_ACTIVE" proxy)" "$proxy"
story_end
