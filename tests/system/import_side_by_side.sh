#!/bin/bash
# The pairs of files in tests/import: HAProxy runs theirs, hapair what `hapair import` makes of them, at the same time, each in a
# world of its own:
#
#    [ world .100, every server of the file ] --- eth0 --- [ node .1, the VIPs ]        10.0.0.0/24, fd00::/64
#
# Each request of NAME.requests is asked of both, twelve times, and must come to the same servers. A server is an nginx that
# answers with its own address. (Which server of its pool a hashing balance takes is each program's own affair: "one" in a
# request's line asks for one server, and for the same backend.)
set -u
. "$(dirname "$0")/../../scripts/story.sh"
echo "# hapair sends what HAProxy was asked to the same servers, configured by hapair import"
[ "$(id -u)" = 0 ] || lab_die "namespaces need root"
LAB_PREFIX=hl$$
LAB_HAPAIR=$(realpath "$LAB_BUILD")/hapair
dir=$(mktemp -d) || exit 1
chmod 755 "$dir"
finish() {
	trap '' INT TERM HUP PIPE
	lab_unmake "$LAB_PREFIX"
	rm -rf "$dir"
}
lab_sweep
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for name in good other; do
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -days 2 \
		-keyout "$dir/key" -out "$dir/crt" 2>/dev/null
	cat "$dir/crt" "$dir/key" >"$dir/$name.pem"
done
printf '#!/bin/sh\n' >"$dir/hook" && chmod 755 "$dir/hook"
"$LAB_HAPAIR" keygen "$dir/secret.key" || lab_die "no secret"

# Every ADDRESS:PORT at which the file's servers are used or checked.
servers_of() {
	awk '$1 == "server" && $3 ~ /^[0-9.]+:[0-9]+$/ { print $3
		for (i = 4; i < NF; i++) if ($i == "port") { split($3, a, ":"); print a[1] ":" $(i + 1) } }' "$1" | sort -u
}
# The section of HAProxy's file that has this server.
backend_of() { awk -v s="$2" '$1 ~ /^(backend|listen)$/ { name = $2 } $1 == "server" && $3 == s { print name; exit }' "$1"; }

make_world() { # SIDE SERVERS
	local node=$LAB_PREFIX-$1-node world=$LAB_PREFIX-$1-world address
	ip netns add "$node" && ip netns add "$world" &&
		ip link add eth0 netns "$node" type veth peer name eth0 netns "$world" || return 1
	for ns in "$node" "$world"; do
		ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
		ip -n "$ns" link set lo up
		ip -n "$ns" link set eth0 up || return 1
	done
	ip -n "$node" addr add 10.0.0.1/24 dev eth0 && ip -n "$node" addr add fd00::1/64 dev eth0 nodad &&
		ip -n "$world" addr add 10.0.0.100/24 dev eth0 || return 1
	for address in $(cut -d: -f1 <<<"$2" | sort -u); do
		ip -n "$world" addr add "$address/24" dev eth0 || return 1
	done
	{
		echo "worker_processes 1; pid $dir/nginx.$1.pid; error_log $dir/nginx.$1.log;"
		echo "events { worker_connections 1024; } http { access_log off;"
		echo "client_body_temp_path $dir/t; proxy_temp_path $dir/t; fastcgi_temp_path $dir/t; uwsgi_temp_path $dir/t; scgi_temp_path $dir/t;"
		for address in $2; do echo "server { listen $address; location / { return 200 \"$address\n\"; } }"; done
		echo "}"
	} >"$dir/nginx.$1.conf"
	lab_bg "$1-world" "$dir/nginx.$1.out" nginx -p "$dir" -c "$dir/nginx.$1.conf" -g 'daemon off;'
}

# ask SIDE PORT HOST PATH: the servers that answered, once each.
ask() {
	local to=$2 scheme=http
	case $to in *:*) ;; *) to=10.0.0.50:$to ;; esac
	case $to in *:443 | *:8443) scheme=https ;; esac
	lab_in "$1-world" curl -skg -m 5 -H "Host: $3" -H 'Connection: close' "$scheme://$to$4?n=1" >"$dir/asked.$1"
	lab_in "$1-world" curl -sk -m 5 -H "Host: $3" -H 'Connection: close' "$scheme://$to$4?n=[2-12]" >>"$dir/asked.$1"
	sort -u "$dir/asked.$1" | tr '\n' ' '
}

same_answer() { # NAME PORT HOST PATH [one]
	local theirs ours a b
	theirs=$(ask haproxy "$2" "$3" "$4")
	ours=$(ask hapair "$2" "$3" "$4")
	if [ "${5:-}" = one ]; then
		a=$(wc -w <<<"$theirs") b=$(wc -w <<<"$ours")
		theirs="$a of $(backend_of "$dir/haproxy.conf" "${theirs%% *}")"
		ours="$b of $(backend_of "$dir/haproxy.conf" "${ours%% *}")"
		[ "$a" = 1 ] || theirs="$a servers"
	fi
	[ -n "${theirs// /}" ] || theirs="an answer"
	[ "$ours" = "$theirs" ] || DIFFERENT="$DIFFERENT
    :$2 $3$4: HAProxy ${theirs:-nobody}, hapair ${ours:-nobody}"
}

is_active() { [ "$("$LAB_HAPAIR" -r "$dir/run" status --json 2>/dev/null | jq -r .state)" = active ]; }
haproxy_answers() { lab_in haproxy-world bash -c "exec 3<>/dev/tcp/10.0.0.50/$1" 2>/dev/null; }

# --- one pair of files ---
compare() {
	local name=$1 pair=$LAB_TOP/tests/import/$1 servers node port rows=0 row
	for kind in keepalived haproxy; do
		sed "s,@DIR@,$dir,g; s,/run/haproxy/,$dir/,; s,/var/lib/haproxy,$dir," "$pair.$kind.conf" >"$dir/$kind.conf"
	done
	servers=$(servers_of "$dir/haproxy.conf")
	for side in haproxy hapair; do make_world $side "$servers" || lab_die "can't make the world of $side"; done

	"$LAB_HAPAIR" import --keepalived "$dir/keepalived.conf" --haproxy "$dir/haproxy.conf" |
		sed "s,/etc/hapair/secret.key,$dir/secret.key," >"$dir/hapair.conf"
	node=$(sed -n 's/^node \([^ ]*\).*/\1/p' "$dir/hapair.conf" | head -1)
	expect "$name: hapair check accepts it, on the node itself ($(grep -cE '# (keepalived|haproxy)\.conf:[0-9]' "$dir/hapair.conf") comments)" \
		lab_in hapair-node "$LAB_HAPAIR" -c "$dir/hapair.conf" -n "$node" check

	for vip in $(sed -n 's/^vip \([0-9.]*\)\/.*/\1/p' "$dir/hapair.conf"); do
		ip -n "$LAB_PREFIX-haproxy-node" addr add "$vip/32" dev eth0
	done
	lab_bg haproxy-node "$dir/haproxy.log" haproxy -db -f "$dir/haproxy.conf"
	lab_bg hapair-node "$dir/hapair.log" "$LAB_HAPAIR" -c "$dir/hapair.conf" -n "$node" -r "$dir/run" -s "$dir/state" run
	port=$(grep -v '^#' "$pair.requests" | head -1 | awk '{ sub(/^.*:/, "", $1); print $1 }')
	lab_until 10 haproxy_answers "$port" || not_ok "$name: HAProxy runs: $(tail -3 "$dir/haproxy.log")"
	lab_until 15 is_active || not_ok "$name: hapair holds the VIP: $(tail -3 "$dir/hapair.log")"
	sleep 1 # the first checks

	DIFFERENT=
	while read -r row; do
		# shellcheck disable=SC2086
		same_answer "$name" $row
		rows=$((rows + 1))
	done < <(grep -v '^#' "$pair.requests")
	if [ -z "$DIFFERENT" ] && [ $rows -gt 0 ]; then
		ok "$name: all of $rows kinds of request come to the same servers"
	else
		not_ok "$name: requests that come to others, of $rows:$DIFFERENT"
	fi
	lab_unmake "$LAB_PREFIX"
	rm -rf "$dir/run" "$dir/state"
}

for file in "$LAB_TOP"/tests/import/*.requests; do
	compare "$(basename "$file" .requests)"
done
exit $STORY_FAILED
