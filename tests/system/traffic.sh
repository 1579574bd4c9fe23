#!/bin/bash
# What a client gets through the VIP: HTTP, HTTPS, both address families, WebSocket, TCP, and servers taken out by hand.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "HTTP, HTTPS, WebSocket and TCP reach the servers behind, as the operator says"

LAB_MORE="pool sticky {
  balance = iphash
  check http { path = /health interval = 500ms }
  server web1 { address = 10.77.0.11:8080 }
  server web2 { address = 10.77.0.12:8080 }
  server web3 { address = 10.77.0.13:8080 }
}
pool nobody { check tcp { interval = 500ms } server n1 { address = 10.77.0.11:9 } }
listen sticky { bind = { $LAB_VIP:81 } pool = sticky route { path = /nobody pool = nobody } }"
lab_pair_start
get() { lab_in client curl -s -m 5 "$@"; }
servers() { for i in $(seq "$1"); do get "$2"; done | sort | uniq -c | awk '{ printf "%s%s=%s", (NR > 1 ? " " : ""), $2, $1 }'; }
# Each worker gives its own turns, so with two workers a server's count may be one off; never more, and the sum is exact.
fair() { # fair WHAT EXPECTED_EACH "web1=10 web2=11 ..." NAME...
	local what=$1 each=$2 got=$3 name n bad=
	shift 3
	[ "$(wc -w <<<"$got")" = $# ] || bad=yes
	for name in "$@"; do
		n=$(tr ' ' '\n' <<<"$got" | sed -n "s/^$name=//p")
		[ -n "$n" ] && [ $((n - each)) -ge -1 ] && [ $((n - each)) -le 1 ] || bad=yes
	done
	if [ -n "$bad" ]; then not_ok "$what ($got, expected $each each, at most one off)"; else ok "$what ($got)"; fi
}
server_state() { lab_status "$1" ".pools[] | select(.name == \"web\") | .servers[] | select(.name == \"$2\") | .state"; }

fair "roundrobin gives each its turn" 10 "$(servers 30 "http://$LAB_VIP/")" web1 web2 web3
equal "IPv6" "$(get -o /dev/null -w '%{http_code}' "http://[$LAB_VIP6]/")" 200
equal "HTTPS, the certificate verified" "$(get --cacert "$LAB/cert.pem" --resolve "shop.lab:443:$LAB_VIP" -o /dev/null -w '%{http_code}' https://shop.lab/)" 200
equal "HTTPS over IPv6" "$(get --cacert "$LAB/cert.pem" --resolve "shop.lab:443:$LAB_VIP6" -o /dev/null -w '%{http_code}' https://shop.lab/)" 200
equal "TLS 1.1 is refused" "$(get -k --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 -o /dev/null -w '%{http_code}' "https://$LAB_VIP/")" 000
equal "the server learns the client and the scheme" "$(get -k -H 'Host: shop.lab' "https://$LAB_VIP/headers" | sed 's/ conn=.*//')" \
	"host=shop.lab xff=10.77.0.100 proto=https"
equal "10 MiB arrive whole" "$(get "http://$LAB_VIP/10m" | wc -c)" 10485760
equal "10 MiB over TLS arrive whole" "$(get -k "https://$LAB_VIP/10m" | wc -c)" 10485760
equal "HEAD has no body" "$(get -I -o /dev/null -w '%{http_code} %{size_download}' "http://$LAB_VIP/64k")" "200 0"
equal "a wrong request is refused" "$(printf 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' | lab_in client timeout 5 bash -c "exec 3<>/dev/tcp/$LAB_VIP/80; cat >&3; head -1 <&3" | tr -d '\r' | cut -d' ' -f2)" 400
equal "no server behind a pool is 503" "$(get -o /dev/null -w '%{http_code}' "http://$LAB_VIP:81/nobody")" 503
equal "one client stays with one server under iphash" "$(servers 20 "http://$LAB_VIP:81/" | wc -w)" 1
lab_in client wrk -t1 -c256 -d2s "http://$LAB_VIP:81/" >"$LAB/wrk" 2>&1
sleep 1
share=$(lab_status "$LAB_ACTIVE" '.pools[] | select(.name == "sticky") | [.servers[].total] | (max * 100 / (add + 1)) | ceil')
expect "256 busy clients behind one address do not sink one server of three (the busiest has $share %, 42 % is the bound)" test "${share:-100}" -le 50

lab_load_start "tcp:$LAB_VIP:7000@200" "tcp6=tcp:[$LAB_VIP6]:7000@50" "https:$LAB_VIP:443@50" "keep-websocket:$LAB_VIP:80@20" "keep-tcp:$LAB_VIP:7000@20"
sleep 0.5
lab_tell load begin traffic
sleep 2
window=$(lab_ask load)
equal "TCP: none failed of $(field "$window" .streams.tcp.requests)" "$(field "$window" .streams.tcp.failed)" 0
equal "TCP over IPv6: none failed of $(field "$window" .streams.tcp6.requests)" "$(field "$window" .streams.tcp6.failed)" 0
equal "HTTPS, new connection each: none failed of $(field "$window" .streams.https.requests)" "$(field "$window" .streams.https.failed)" 0
equal "WebSocket tunnels up, of 20 ($(field "$window" '.streams."keep-websocket".exchanges') exchanges)" "$(field "$window" '.streams."keep-websocket".up')" 20
equal "and none broke" "$(field "$window" '.streams."keep-websocket".broken')" 0

lab_hapair "$LAB_ACTIVE" server drain web/web1 >/dev/null || not_ok "server drain"
sleep 0.2
# The load above takes turns too, so here only who gets nothing is certain.
equal "a drained server gets nothing new" "$(servers 20 "http://$LAB_VIP/" | tr ' ' '\n' | cut -d= -f1 | xargs)" "web2 web3"
equal "and says so" "$(server_state "$LAB_ACTIVE" web1)" drain
lab_hapair "$LAB_ACTIVE" server maint web/web2 >/dev/null || not_ok "server maint"
sleep 0.2
equal "a server in maintenance gets nothing" "$(servers 10 "http://$LAB_VIP/")" "web3=10"
lab_signal KILL "$LAB_ACTIVE" proxy
lab_until 10 lab_settled
equal "a restarted proxy remembers" "$(server_state "$LAB_ACTIVE" web2)" maint
lab_hapair "$LAB_ACTIVE" server ready web/web1 >/dev/null && lab_hapair "$LAB_ACTIVE" server ready web/web2 >/dev/null || not_ok "server ready"
lab_until 5 eval '[ "$(server_state "$LAB_ACTIVE" web1) $(server_state "$LAB_ACTIVE" web2)" = "up up" ]' || not_ok "both are back"
lab_hapair "$LAB_ACTIVE" server drain web/web9 >/dev/null 2>&1
equal "an unknown server is an error" $? 1
story_end
