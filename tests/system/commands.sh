#!/bin/bash
# What an operator sees and says: the commands, their exit statuses, and that what was said once survives every restart.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "the commands show, obey and explain, and what was said survives every restart"

lab_pair_start
node=$LAB_ACTIVE
other=$LAB_PASSIVE

# says TEXT STATUS WORDS COMMAND...: the command's exit status, and words in what it printed.
says() {
	local text=$1 wanted=$2 words=$3 got
	shift 3
	"$@" >"$LAB/said" 2>&1
	got=$?
	if [ $got = "$wanted" ] && grep -q -e "$words" "$LAB/said"; then
		ok "$text"
	else
		not_ok "$text (exit $got, expected $wanted; said: $(head -3 "$LAB/said" | tr '\n' '|'))"
	fi
}
server_is() { [ "$(lab_status "$1" ".pools[] | .servers[] | select(.name == \"$2\") | .state")" = "$3" ]; }
again() { # ROLE: killed, and another one is there
	local pid
	pid=$(lab_pids "$node" "$1")
	kill -9 "$pid"
	another() { local now; now=$(lab_pids "$node" "$1"); [ -n "$now" ] && [ "$now" != "$pid" ]; }
	lab_until 5 another "$1"
}
get() { lab_in "$1" curl -s -o "$LAB/page" -w '%{http_code}' "http://127.0.0.1:9600$2" "${@:3}"; }

says "status of the active" 0 "^$node is active" lab_hapair "$node" status
says "status of the passive names the holder" 0 "10.77.0.50.*no.*$node" lab_hapair "$other" status
fields_missing() {
	lab_status "$node" '[.schema, .node, .cluster, .state, .reason, .state_age_ms, .epoch, .engine,
		(.vips[0] | .address, .interface, .held), (.peer | .node, .state, .alive, .config_matches),
		(.peer.links[0] | .local, .remote, .up, .last_heard_ms, .loss_pct), (.peer.links | map(.rtt_us) | max), (.pools[0] | .name, .balance),
		(.pools[0].servers[0] | .name, .address, .state, .weight, .active, .total, .failed),
		(.pools[0].servers[0].last_check | .ok, .ms, .detail),
		(.listeners[0] | .name, .bind, .mode, .active, .total)] | map(. == null) | indices(true) | tostring'
}
fields_there() { [ "$(fields_missing)" = "[]" ]; }
lab_until 2 fields_there || echo "  null: $(fields_missing)"
expect "every field of the contract has a value" fields_there
equal "admin.bind: /active on the holder" "$(get "$node" /active)" 200
equal "admin.bind: /active on the other" "$(get "$other" /active)" 503
equal "admin.bind: /healthz" "$(get "$other" /healthz)" 200
equal "admin.bind takes no command" "$(get "$node" /v1/switchover -X POST)" 403

says "an unknown pool is guessed at" 1 'did you mean "web"' lab_hapair "$node" server list wbe
says "an unknown server is guessed at" 1 'did you mean "web1"' lab_hapair "$node" server drain web/web
says "a weight is a number" 1 'from 1 to 256' lab_hapair "$node" server weight web/web1 300
says "a wrong call shows the right one" 2 'usage: ' lab_hapair "$node" server drain
says "the passive can't give what it has not" 1 . lab_hapair "$other" switchover

# The shells' completions ask the daemon for names.
. <("$LAB_HAPAIR" help hapair.bash)
hapair() { lab_hapair "$node" "$@"; }
servers=$(lab_status "$node" '[.pools[] | .name + "/" + .servers[].name] | join(" ")')
equal "completion knows the servers" "$(echo $(_hapair_servers))" "$servers"
equal "completion knows the pools" "$(echo $(_hapair_pools))" "$(lab_status "$node" '[.pools[].name] | join(" ")')"

lab_hapair "$node" events --follow --json >"$LAB/followed" 2>/dev/null &
follower=$!
disown "$follower"
says "a server is drained" 0 'web/web1' lab_hapair "$node" server drain web/web1
says "and another one put into maintenance" 0 'web/web2' lab_hapair "$node" server maint web/web2
expect "status shows it" lab_until 2 server_is "$node" web1 drain
followed() { [ -n "$(jq 'select(.type == "server" and .subject == "web/web1" and .to == "drain")' "$LAB/followed")" ]; }
expect "a follower sees it as it happens" lab_until 2 followed
kill "$follower"
served() { for _ in 1 2 3 4 5 6; do lab_in client curl -s -m 2 "http://$LAB_VIP/"; done | sort -u; }
equal "requests go to the one that is left" "$(served | grep -c .)" 1

expect "the proxy is killed and comes back" again proxy
expect "still in drain" lab_until 3 server_is "$node" web1 drain
expect "admin is killed and comes back" again admin
expect "still in drain" lab_until 5 server_is "$node" web1 drain
before=$(lab_events "$node" 0 '.type == "state"' | head -1)
lab_stop "$node"
lab_start "$node"
lab_wait_settled
expect "the node is stopped and started: still in drain" lab_until 3 server_is "$node" web1 drain
expect "still in maintenance" server_is "$node" web2 maint
equal "the timeline goes on where it was" "$(lab_events "$node" 0 '.type == "state"' | head -1)" "$before"
says "ready ends it" 0 'web/web1' lab_hapair "$node" server ready web/web1
lab_hapair "$node" server ready web/web2 >/dev/null
expect "the server is back" lab_until 5 server_is "$node" web1 up

sed -i 's/path = \/health/pth = \/health/; s/mode = tcp/mode = tpc/' "$LAB/hapair.conf"
says "a wrong reload is refused with every mistake" 1 'hapair.conf:[0-9]*: .*did you mean "path"' lab_hapair "$node" reload
expect "both of them" grep -q 'hapair.conf:[0-9]*: .*tpc' "$LAB/said"
says "and changed nothing" 0 "$node" lab_hapair "$node" status
sed -i 's/pth = \/health/path = \/health/; s/mode = tpc/mode = tcp/; s/balance = roundrobin/balance = leastconn/' "$LAB/hapair.conf"
says "a good one shows what it changes" 0 'roundrobin -> leastconn' lab_hapair "$node" reload
equal "and nothing else" "$(grep -c . "$LAB/said")" 1

pid=$(lab_pids "$node" heartbeat)
kill -STOP "$pid"
replaced() { [ "$(lab_pids "$node" heartbeat)" != "$pid" ] && lab_hapair "$node" status >/dev/null; }
expect "a frozen heartbeat is replaced" lab_until 5 replaced

lab_stop "$node"
says "without a daemon, the exit status says so" 4 'no daemon' lab_hapair "$node" status
says "and to every command" 4 'no daemon' lab_hapair "$node" server list
story_end
