#!/bin/bash
# One proxy alone, byte by byte: what it does with requests, bodies and servers that are right, odd or wrong. Needs no pair: the role
# runs by itself (tests/tools/proxy_alone) in a network namespace of its own.
set -u
if [ -z "${PROXY_JOURNEY_INSIDE:-}" ]; then
	PROXY_JOURNEY_INSIDE=1 exec unshare -n -- bash "$0" "$@"
fi
. "$(dirname "$0")/../../scripts/story.sh"
echo "# a proxy alone passes on what is right and stops what is wrong"
STORY_SANITIZED=
grep -q __asan_init "$LAB_BUILD/tests/tools/proxy_alone" && STORY_SANITIZED=yes
tools=$LAB_BUILD/tests/tools
dir=$(mktemp -d)
pids=
finish() {
	exec 7>&-
	[ $STORY_FAILED = 0 ] || { echo "  log:"; tail -60 "$dir/log" | sed 's/^/    /'; }
	# shellcheck disable=SC2086
	kill $pids 2>/dev/null
	# shellcheck disable=SC2086
	kill -CONT $pids 2>/dev/null
	wait 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
cd "$dir" || exit 1
chmod 755 "$dir"
ip link set lo up

(umask 077; echo "1 $(openssl rand -hex 32)" >key)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out c.pem -days 3 -subj /CN=localhost 2>/dev/null
cat c.pem k.pem >cert.pem
config() {
	cat <<-END
	cluster lab { secret_file = $dir/key  drain_timeout = 1s }
	node one { link = { 127.0.0.1:7946 } }
	vip 127.0.0.99/8 { interface = lo }
	pool web {
	  response_timeout = 800ms  connect_timeout = 500ms
	  check http { interval = 1s  standby_interval = 1s  timeout = 1s }
	  server s1 { address = 127.0.0.1:7001 }
	  server s2 { address = 127.0.0.1:7002 }
	  server s3 { address = 127.0.0.1:7003 }
	}
	pool solo { response_timeout = 800ms  server s1 { address = 127.0.0.1:7001 } }
	pool half { check http { interval = 20s  timeout = 20s }  server up { address = 127.0.0.1:7001 }  server silent { address = 127.0.0.1:7004 } }
	pool nobody { check tcp { interval = 1s timeout = 1s }  server n1 { address = 127.0.0.1:9 } }
	listen public {
	  bind = { 127.0.0.1:8000, 127.0.0.99:8000, 127.0.0.1:8443 tls }
	  tls { certificate = { $dir/cert.pem } }
	  header_timeout = 700ms  idle_timeout = 900ms  tunnel_timeout = 10s
	  route { path = /nobody pool = nobody }
	  route { host = web.test pool = web }
	  route { host = solo.test pool = solo }
	}
	listen raw { bind = { 127.0.0.1:8001, 127.0.0.99:8001 }  mode = tcp  pool = solo }
	listen refused { bind = { 127.0.0.1:8002 }  mode = tcp  pool = nobody }
	$*
	proxy { workers = 2  access_log = $dir/access.log  user = root }
	END
}
config >conf

odd_start() {
	"$tools/odd_server" "700$1" "s$1" >>served 2>/dev/null &
	eval "odd$1=$!"
	pids="$pids $!"
}
odd_start 1
odd_start 2
odd_start 3
odd_start 4
until (exec 3<>/dev/tcp/127.0.0.1/7004) 2>/dev/null; do sleep 0.02; done
kill -STOP "$odd4"
mkfifo commands
"$tools/proxy_alone" conf one <commands >>heard 2>log &
proxy=$!
pids="$pids $proxy"
exec 7>commands
alive() { kill -0 $proxy 2>/dev/null || { not_ok "the proxy is still there"; exit 1; }; }
until_true() { alive; for _ in $(seq 100); do "$@" && return 0; sleep 0.05; done; return 1; }
until_true grep -q '^fitness 2' heard || { not_ok "the proxy is fit"; cat log heard; exit 1; }
ok "fit once servers were checked, without waiting for one that is silent"

say() { "$tools/say" "$@"; }
crlf() { tr -d '\r'; }
ask() { curl -s -m 5 -H Expect: "$@"; }
code() { ask -o /dev/null -w '%{http_code}' "$@"; }
W='Host: web.test\r\n'
S='Host: solo.test\r\n'
solo=http://127.0.0.1:8000
served() { grep -c " $1 [0-9]*\$" served; }
shown() {
	: >heard
	echo show >&7
	until_true grep -q '^shown' heard
	grep "^$1" heard
}

# --- messages ---
equal "three requests in one packet are answered in order" \
	"$(say 8000 "GET /large/1 HTTP/1.1\r\n${W}\r\nGET /large/2 HTTP/1.1\r\n${W}\r\nGET /large/3 HTTP/1.1\r\n${W}Connection: close\r\n\r\n" | crlf | grep -c '^L*HTTP/1.1 200')" 3
equal "a body with Content-Length" "$(ask -H 'Host: solo.test' -d hello $solo/echo)" hello
equal "a body in chunks" "$(ask -H 'Host: solo.test' -H 'Transfer-Encoding: chunked' -d hello $solo/echo)" hello
head -c 3000000 /dev/urandom >big
equal "3 MB up in chunks and down" "$(ask -H 'Host: solo.test' -H 'Transfer-Encoding: chunked' --data-binary @big $solo/echo | md5sum)" "$(md5sum <big)"
equal "3 MB up with Content-Length, over TLS" "$(ask -k -H 'Host: solo.test' --data-binary @big https://127.0.0.1:8443/echo | md5sum)" "$(md5sum <big)"
equal "30 MB down" "$(ask -H 'Host: solo.test' $solo/large/30000000 | wc -c)" 30000000
equal "bodies of any length into a small window" "$(for n in 80000 131072 200001 300000; do
	SAY_RECEIVE_BUFFER=4096 say 8000 "GET /large/$n HTTP/1.0\r\n${S}\r\n" %30 | tail -c +100 | tr -cd L | wc -c; done | tr '\n' ' ')" "$(for n in 80000 131072 200001 300000; do
	say 8000 "GET /large/$n HTTP/1.0\r\n${S}\r\n" | tail -c +100 | tr -cd L | wc -c; done | tr '\n' ' ')"
equal "30 MB down over TLS" "$(ask -k -H 'Host: solo.test' https://127.0.0.1:8443/large/30000000 | wc -c)" 30000000
equal "a chunk split over packets, with an extension and a trailer" \
	"$(say 8000 "POST /echo HTTP/1.1\r\n${S}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5;x=" @50 "y\r\nhel" @50 "lo\r\n0\r\nT: 1\r" @50 "\n\r\n" | tail -c 5)" hello
equal "100 (Continue) comes through before the body is sent" \
	"$(say 8000 "POST /continue HTTP/1.1\r\n${S}Expect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n" "=100 Continue" hello | crlf | grep -E '^HTTP|hello' | tr '\n' ' ')" \
	"HTTP/1.1 100 Continue HTTP/1.1 200 OK hello "
equal "103 (Early Hints) comes through" "$(say 8000 "GET /hints HTTP/1.1\r\n${S}Connection: close\r\n\r\n" | crlf | grep -c '^HTTP/1.1 103\|^HTTP/1.1 200')" 2
equal "but not to HTTP/1.0" "$(say 8000 "GET /hints HTTP/1.0\r\n${S}\r\n" | crlf | grep -c '^HTTP/1.1 103')" 0
equal "HEAD has no body and the connection goes on" \
	"$(say 8000 "HEAD /ok HTTP/1.1\r\n${S}\r\nGET /nobody-but-web HTTP/1.1\r\n${S}Connection: close\r\n\r\n" | crlf | grep -c '^HTTP/1.1 200')" 2
equal "204 has no body and the connection goes on" \
	"$(say 8000 "GET /empty HTTP/1.1\r\n${S}\r\nGET /ok HTTP/1.1\r\n${S}Connection: close\r\n\r\n" | crlf | grep '^HTTP' | cut -d' ' -f2 | tr '\n' ' ')" "204 200 "
equal "a response in chunks" "$(ask -H 'Host: solo.test' $solo/chunked)" "hello world"
equal "... without them to HTTP/1.0" "$(say 8000 "GET /chunked HTTP/1.0\r\n${S}\r\n" | tail -c 11)" "hello world"
equal "a response that ends with its connection" "$(ask -H 'Host: solo.test' $solo/eof)" "until the end"
equal "a client that has finished sending still gets its answer" "$(say 8000 "GET /slow/200 HTTP/1.1\r\n${S}\r\n" '|' | crlf | head -1)" "HTTP/1.1 200 OK"
equal "an answer that comes before the body has ended" \
	"$(say 8000 "POST /early HTTP/1.1\r\n${S}Content-Length: 100000000\r\n\r\n" '*300000=x' '=413' | crlf | head -1)" "HTTP/1.1 413 Content Too Large"
equal "HTTP/1.0 with keep-alive" "$(say 8000 "GET /ok HTTP/1.0\r\n${S}Connection: keep-alive\r\n\r\n" '=s1' "GET /ok HTTP/1.0\r\n${S}\r\n" | crlf | grep -c '^HTTP')" 2
head=$(ask -H 'Host: solo.test' -H 'X-Forwarded-For: 6.6.6.6' -H 'Connection: X-Secret' -H 'X-Secret: 1' -H 'Proxy: evil' $solo/head | crlf)
equal "the server learns who asks" "$(grep -i '^x-forwarded' <<<"$head" | tr '\n' ' ')" "X-Forwarded-For: 127.0.0.1 X-Forwarded-Proto: http "
equal "hop-by-hop fields stay here" "$(grep -ciE '^(connection|x-secret|proxy)' <<<"$head")" 0
equal "the server's name stays behind" "$(ask -i -H 'Host: solo.test' $solo/ok | grep -ci '^server:')" 0
equal "WebSocket: bytes both ways, half-close kept" \
	"$(say 8000 "GET /ws HTTP/1.1\r\n${S}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n" '=hello' 'ping' '=ping' '|' | tail -c 12)" "hellopingbye"
equal "mode = tcp: half-close kept" "$(say 8001 'GET /slow/200 HTTP/1.0\r\n\r\n' '|' | crlf | head -1)" "HTTP/1.1 200 OK"
say 8002 @100 >/dev/null
equal "mode = tcp without a server: reset" $? 3

alive

# --- the log ---
say 8000 "GET /ok?log=1 HTTP/1.1\r\n${S}\r\nGET /ok?log=2 HTTP/1.1\r\n${S}Connection: close\r\n\r\n" >/dev/null
say 8000 "GET /ok?log=3 HTTP/1.0\r\n\r\n" >/dev/null
say 8000 'BAD\r\n\r\n' >/dev/null
# Each worker writes its lines in its own time.
all_logged() { [ "$(grep -cE 'log=|"-" 400 ' access.log)" -ge 4 ]; }
until_true all_logged
equal "each request is one line, a malformed one too" "$(grep -E 'log=|"-" 400 ' access.log | sed 's/^[^"]*"\([^"]*\)" \([0-9]*\).*/\1 \2/' | sort | tr '\n' ' ')" \
	"- 400 GET /ok?log=1 HTTP/1.1 200 GET /ok?log=2 HTTP/1.1 200 GET /ok?log=3 HTTP/1.0 404 "
equal "and nothing else is" "$(grep -c '"-" [1235]' access.log)" 0
equal "with the time at which it came" "$(grep -vc "/$(date -u +%Y):" access.log)" 0

# --- refused ---
slow=
for c in $(printf 'GET /ok HTTP/1.1%s%sConnection: close%s%s' '\r\n' "${S// /}" '\r\n' '\r\n' | sed 's/ /\\x20/g; s/\(\\x..\|\\.\|.\)/\1 /g'); do slow="$slow $c @5"; done
# shellcheck disable=SC2086
equal "a head that comes byte by byte" "$(say 8000 $slow | crlf | head -1)" "HTTP/1.1 200 OK"
equal "no route" "$(code $solo/)" 404
equal "nobody behind" "$(code $solo/nobody)" 503
equal "two Hosts" "$(say 8000 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n' | crlf | head -1)" "HTTP/1.1 400 Bad Request"
equal "length and coding" "$(say 8000 "POST / HTTP/1.1\r\n${S}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" | crlf | head -1)" "HTTP/1.1 400 Bad Request"
equal "a malformed chunk" "$(say 8000 "POST /echo HTTP/1.1\r\n${S}Transfer-Encoding: chunked\r\n\r\n" @100 '+5\r\nhello\r\n0\r\n\r\n' | crlf | head -1)" "HTTP/1.1 400 Bad Request"
equal "a target that is too long" "$(code "$solo/$(head -c 9000 /dev/zero | tr '\0' a)")" 414
equal "a head that is too long" "$(code -H "X: $(head -c 8000 /dev/zero | tr '\0' a)" -H "Y: $(head -c 8000 /dev/zero | tr '\0' a)" -H "Z: $(head -c 800 /dev/zero | tr '\0' a)" $solo/)" 431
equal "a head that takes too long" "$(say 8000 'GET / HT' @1500 | crlf | head -1)" "HTTP/1.1 408 Request Timeout"
equal "a body that takes too long" "$(say 8000 "POST /echo HTTP/1.1\r\n${S}Content-Length: 10\r\n\r\nabc" @1500 | crlf | head -1)" "HTTP/1.1 408 Request Timeout"
equal "a connection without a request is closed" "$(say 8000 @1500; echo $?)" 0

alive

# --- servers that misbehave ---
curl -s -m 20 -H 'Host: solo.test' --limit-rate 10M -o slow $solo/large/30000000 &
slow=$!
equal "silent" "$(code -H 'Host: solo.test' $solo/slow/2000)" 504
for path in half garbage smuggle bighead; do equal "$path" "$(code -H 'Host: solo.test' $solo/$path)" 502; done
for path in short badchunk stall; do
	ask -o /dev/null -H 'Host: solo.test' $solo/$path
	status=$?
	expect "$path: the client sees that it is not whole (curl exit $status)" test $status = 18 -o $status = 56
done
equal "bytes behind a response are nobody's" "$(ask -H 'Host: solo.test' $solo/extra; sleep 0.2; ask -H 'Host: solo.test' $solo/ok)" "s1
s1"
: >served
equal "GET that is never answered: another server is tried" "$(code -H 'Host: web.test' $solo/die)" 502
equal "... and then the third" "$(grep ' GET /die ' served | cut -d' ' -f1 | sort -u | tr '\n' ' ')" "s1 s2 s3 "
: >served
equal "POST that is never answered" "$(code -H 'Host: web.test' -d x $solo/die)" 502
equal "... is sent once" "$(served 'POST /die')" 1
equal "GET that is answered by the second server" "$(code -H 'Host: web.test' $solo/die-once)" 200
: >served
equal "an idle connection that closes as the request comes costs nothing" "$(ask -w '%{http_code} ' -o /dev/null -H 'Host: solo.test' $solo/ok -o /dev/null $solo/die-if-reused)" "200 200 "
equal "... it was sent twice" "$(served 'GET /die-if-reused')" 2
: >served
equal "POST over it is not sent again" \
	"$(say 8000 "GET /ok HTTP/1.1\r\n${S}\r\nPOST /die-if-reused HTTP/1.1\r\n${S}Content-Length: 1\r\nConnection: close\r\n\r\nx" | crlf | grep -o '^HTTP.*' | cut -d' ' -f2 | tr '\n' ' ')" "200 502 "
equal "... it was sent once" "$(served 'POST /die-if-reused')" 1
equal "an idle connection that was closed meanwhile is not used" "$(code -H 'Host: solo.test' $solo/close-after; sleep 0.1; code -d x -H 'Host: solo.test' $solo/echo)" 200200
silent=$(grep -c ' 504: ' log)
say 8000 "GET /slow/700 HTTP/1.1\r\n${S}\r\n" @100 '!' >/dev/null
until_true eval '[ "$(shown "server solo/s1" | cut -d" " -f4)" = 0 ]'
equal "a client that goes away ends its request, before the server is late" "$(grep -c ' 504: ' log)" "$silent"
wait $slow
equal "a client that reads slowly gets it all" "$(wc -c <slow)" 30000000

# --- a server that dies ---
: >heard
: >served
kill -9 "$odd2"
wait "$odd2" 2>/dev/null
equal "a server killed: 30 requests, none fails" "$(for _ in $(seq 30); do code -H 'Host: web.test' $solo/ok; echo; done | sort | uniq -c | tr -s ' ')" " 30 200"
until_true grep -q '^hook server_down' heard
equal "one event" "$(grep -c '^event server web/s2 up down' heard)" 1
equal "one notification" "$(grep -c '^hook server_down web/s2' heard)" 1
odd_start 2
until_true grep -q '^hook server_up web/s2' heard
equal "and one when it is back" "$(grep -c '^event server web/s2 down up' heard) $(grep -c '^hook server_up web/s2' heard)" "1 1"

# --- the operator ---
: >heard
echo 'drain web/s1' >&7
until_true grep -q '^reply' heard
equal "drain is done" "$(grep ^reply heard)" "reply 0 "
equal "and the server gets nothing new" "$(for _ in $(seq 20); do ask -H 'Host: web.test' $solo/ok; done | sort -u | tr '\n' ' ')" "s2 s3 "
: >heard
echo 'ready web/s1' >&7
until_true grep -q '^reply' heard
equal "ready again" "$(for _ in $(seq 20); do ask -H 'Host: web.test' $solo/ok; done | sort -u | tr '\n' ' ')" "s1 s2 s3 "
: >heard
echo 'maint web/nothing' >&7
until_true grep -q '^reply' heard
equal "a server that is not there" "$(grep ^reply heard)" "reply -2 web/nothing: no such server"

# --- reload ---
say 8000 "GET /ok HTTP/1.1\r\n${S}\r\n" '=s1' '=never' "GET /ok HTTP/1.1\r\n${S}Connection: close\r\n\r\n" >kept &
kept=$!
say 8001 "GET /ws HTTP/1.1\r\n\r\n" '=hello' '@1500' 'after reload' '=after reload' '|' >tunnel &
tunnel=$!
sleep 0.3
config 'listen more { bind = { 127.0.0.1:8010 } pool = web }' | sed 's/listen refused .*//; s/route { host = web.test pool = web }/route { host = web2.test pool = web }/; s/idle_timeout = 900ms/idle_timeout = 9s/' >conf
mv access.log access.log.1
: >heard
kill -HUP $proxy
until_true grep -q '^reloaded' heard
sleep 0.2
equal "a new listener serves" "$(code http://127.0.0.1:8010/ok)" 200
equal "a listener that is gone refuses" "$(code http://127.0.0.1:8002/ok)" 000
equal "a new route" "$(code -H 'Host: web2.test' $solo/ok) $(code -H 'Host: web.test' $solo/ok)" "200 404"
wait $tunnel
equal "a tunnel lives on" "$(tail -c 15 tunnel)" "after reloadbye"
sleep 0.6
expect "the log goes on in a new file" grep -q '"GET /ok HTTP/1.1" 200' access.log
expect "with server and listener" grep -q ' more web/s[123] ' access.log
kill $kept 2>/dev/null
wait $kept 2>/dev/null

# --- the VIP goes away ---
"$tools/say" 8001 "GET /ws HTTP/1.1\r\n\r\n" '=hello' '@2500' >/dev/null &
own=$!
"$tools/say" 127.0.0.99:8001 "GET /ws HTTP/1.1\r\n\r\n" '=hello' '@4000' >/dev/null &
vip=$!
sleep 0.3
start=$(date +%s%N)
echo passive >&7
wait $vip
took=$((($(date +%s%N) - start) / 1000000))
expect "connections to a VIP that is elsewhere end after drain_timeout ($took ms)" test $took -ge 900 -a $took -le 2500
expect "others live on" kill -0 $own
kill $own 2>/dev/null
wait $own 2>/dev/null

# --- the end ---
kill -TERM $proxy
wait $proxy
equal "stops when told" $? 0
expect "nothing unexpected in the log" eval '! grep -qE "fatal|error:|Sanitizer" log'
exit $STORY_FAILED
