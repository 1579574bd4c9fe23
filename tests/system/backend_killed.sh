#!/bin/bash
# All processes of one nginx die under 64 busy connections: the requests that it held are asked again elsewhere.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a killed backend costs no request, is told once, and comes back"

mkdir -m 777 "$LAB/hooks"
cat >"$LAB/on-server" <<-END
	#!/bin/sh
	echo "\$HAPAIR_EVENT \$HAPAIR_POOL/\$HAPAIR_SERVER on \$HAPAIR_NODE: \$HAPAIR_REASON" >>$LAB/hooks/log
END
chmod 755 "$LAB/on-server"
LAB_NOTIFY="server_down = $LAB/on-server  server_up = $LAB/on-server"
lab_pair_start
since=$(lab_now)

lab_in client wrk -t2 -c64 -d7s "http://$LAB_VIP/" >"$LAB/wrk" 2>&1 &
wrk=$!
sleep 2
pids=$(lab_web_pids 2)
killed=$(lab_now)
kill -9 $pids
lab_until 3 eval '[ "$(lab_status $LAB_ACTIVE ".pools[] | select(.name == \"web\") | .servers[] | select(.name == \"web2\") | .state")" = down ]' ||
	not_ok "it is down"
out_after=$(lab_events "$LAB_ACTIVE" "$killed" '.type == "server" and .to == "down"' | head -1 | jq ".mono_ms - $killed")
sleep 1.5
lab_web_start 2
lab_until 5 eval '[ "$(lab_status $LAB_ACTIVE ".pools[] | select(.name == \"web\") | .servers[] | select(.name == \"web2\") | .state")" = up ]' ||
	not_ok "it is up again"
wait $wrk
sleep 0.5
grep -E 'requests in|Socket errors|Non-2xx' "$LAB/wrk" | sed 's/^ */  wrk: /'
requests=$(awk '/requests in/ { print $1 }' "$LAB/wrk")
expect "wrk saw $requests requests and no error" eval '[ "${requests:-0}" -gt 1000 ] && ! grep -qE "Socket errors|Non-2xx" "$LAB/wrk"'
within "out after" "$out_after" 100
equal "one event that it is down" "$(lab_events "$LAB_ACTIVE" "$since" '.type == "server" and .to == "down"' | wc -l)" 1
equal "one event that it is up" "$(lab_events "$LAB_ACTIVE" "$since" '.type == "server" and .to == "up"' | wc -l)" 1
equal "one server_down notification" "$(grep -c '^server_down web/web2' "$LAB/hooks/log")" 1
equal "one server_up notification" "$(grep -c '^server_up web/web2' "$LAB/hooks/log")" 1
equal "no other notification" "$(wc -l <"$LAB/hooks/log")" 2
story_end
