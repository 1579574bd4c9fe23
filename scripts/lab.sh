# lab.sh: a small network of namespaces to try hapair in; sourced by demo, bench, scripts/lab and the system stories.
#
#             10.77.0.0/24, fd77::/64                          10.78.0.0/24
#    client .100 ---+                                   +--- watch .101
#    watch  .101 ---+                                   |
#    web .11-.13 ---+--- [bridge net]   [bridge hb] ----+
#    alpha    .1 ---+                                   +--- alpha .1
#    beta     .2 ---+                                   +--- beta  .2      VIP 10.77.0.50, fd77::50
#
# Every machine is a namespace of its own, the two bridges live in one more (the switch), so nothing of the host is
# touched. Names begin with the pid of the script that made them: several labs run side by side, and a lab whose script
# was killed is swept by the next one. "Cable" means the switch end of the link goes down, as the node would see it;
# "cut" means that the switch drops frames, which nobody sees.
#
# Use:  . scripts/lab.sh; lab_open BUILD; lab_config >"$LAB/hapair.conf"; lab_start alpha; lab_start beta; ...
# The caller's EXIT trap is taken: everything is undone on exit, also after Ctrl-C or a failure.
# Needs bash and root. All times in milliseconds.

LAB_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LAB_NET=10.77.0
LAB_VIP=$LAB_NET.50
LAB_VIP6=fd77::50
LAB_NODES="alpha beta"
LAB_MACHINES="client watch web alpha beta"

lab_die() {
	echo "lab: $*" >&2
	exit 1
}

# --- making and unmaking ---------------------------------------------------------------------------------------------

# lab_open BUILD [PREFIX]: namespaces, bridges, links, addresses, certificate, secret. Sets LAB (the directory of this lab).
lab_open() {
	local build=$1
	[ "$(id -u)" = 0 ] || lab_die "namespaces need root"
	LAB_PREFIX=${2:-hl$$}
	LAB=${TMPDIR:-/tmp}/hapair-lab.$LAB_PREFIX
	LAB_HAPAIR=$(realpath "$build")/hapair
	LAB_TOOLS=$(realpath "$build")/tests/tools
	lab_sweep
	trap lab_on_exit EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	rm -rf "$LAB"
	mkdir -m 755 -p "$LAB" || lab_die "can't make $LAB"
	LAB_OPEN=1
	lab_make_network || lab_die "can't make the network of namespaces"
	lab_make_secrets || lab_die "can't make certificate and secret"
}

# On exit the output may be gone (a closed pipe) and more signals may come: the lab is taken down all the same.
lab_on_exit() {
	local status=$?
	trap '' INT TERM HUP PIPE
	lab_close
	exit $status
}

lab_close() {
	[ -n "${LAB_OPEN:-}" ] || return 0
	LAB_OPEN=
	lab_unmake "$LAB_PREFIX"
	[ -n "${LAB_KEEP:-}" ] && cp -r "$LAB" "$LAB_KEEP"
	rm -rf "$LAB"
	return 0
}

# Kills what runs inside the namespaces of a lab, and removes them.
lab_unmake() {
	local prefix=$1 ns pids round
	for ns in $(ip netns list | awk -v p="$prefix-" 'index($1, p) == 1 { print $1 }'); do
		for round in 1 2 3; do
			pids=$(ip netns pids "$ns" 2>/dev/null) || break
			[ -n "$pids" ] || break
			kill -9 $pids 2>/dev/null
			sleep 0.02
		done
		ip netns del "$ns" 2>/dev/null
	done
	# The shell reaps them quietly now, instead of reporting each one as killed.
	wait 2>/dev/null
}

# Labs whose owner is dead: hlPID-... with no such process.
lab_sweep() {
	local prefix pid
	for prefix in $(ip netns list | sed -n 's/^\(hl[0-9]*\)-.*/\1/p' | sort -u); do
		pid=${prefix#hl}
		[ -d "/proc/$pid" ] && continue
		lab_unmake "$prefix"
		rm -rf "${TMPDIR:-/tmp}/hapair-lab.$prefix"
	done
}

lab_ns() { echo "$LAB_PREFIX-$1"; }

# lab_in MACHINE COMMAND...: runs inside (nsenter, which is several times cheaper than ip netns exec: it mounts nothing).
lab_in() {
	local machine=$1
	shift
	nsenter "--net=/run/netns/$LAB_PREFIX-$machine" "$@"
}

# lab_bg MACHINE LOG COMMAND...: runs inside, in the background and out of reach of the terminal's Ctrl-C; sets LAB_PID.
lab_bg() {
	local machine=$1 log=$2
	shift 2
	setsid ip netns exec "$LAB_PREFIX-$machine" "$@" >>"$log" 2>&1 </dev/null &
	LAB_PID=$!
	disown "$LAB_PID"
}

lab_make_network() {
	local machine sw=$LAB_PREFIX-switch batch=$LAB/batch

	ip netns add "$sw" || return 1
	for machine in $LAB_MACHINES; do
		ip netns add "$LAB_PREFIX-$machine" || return 1
		lab_in "$machine" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.accept_ra=0 || return 1
	done
	lab_in switch sysctl -qw net.ipv6.conf.default.disable_ipv6=1 || return 1

	{
		echo "link add net type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
		echo "link add hb type bridge stp_state 0 forward_delay 0 mcast_snooping 0"
		echo "link set net up"
		echo "link set hb up"
		for machine in $LAB_MACHINES; do
			echo "link add $machine type veth peer name eth0 netns $LAB_PREFIX-$machine"
			echo "link set $machine master net up"
		done
		for machine in alpha beta watch; do
			echo "link add $machine-hb type veth peer name eth1 netns $LAB_PREFIX-$machine"
			echo "link set $machine-hb master hb up"
		done
	} >"$batch"
	ip -n "$sw" -batch "$batch" || return 1

	lab_addresses client 10.77.0.100 fd77::100 || return 1
	lab_addresses watch 10.77.0.101 fd77::101 10.78.0.101 || return 1
	lab_addresses alpha 10.77.0.1 fd77::1 10.78.0.1 || return 1
	lab_addresses beta 10.77.0.2 fd77::2 10.78.0.2 || return 1
	lab_addresses web 10.77.0.11 fd77::11 || return 1
	ip -n "$LAB_PREFIX-web" addr add 10.77.0.12/24 dev eth0 || return 1
	ip -n "$LAB_PREFIX-web" addr add 10.77.0.13/24 dev eth0 || return 1

	# A client of 1,000 connections a second would run out of ports within a minute of TIME_WAIT.
	lab_in client sysctl -qw net.ipv4.ip_local_port_range="1024 65000" net.ipv4.tcp_tw_reuse=1 || return 1
	for machine in $LAB_NODES; do
		lab_in "$machine" sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 \
			net.ipv4.ip_local_port_range="1024 65000" || return 1
	done

	lab_in switch nft -f - <<-'END' || return 1
		table bridge lab {
			set cut {
				type ifname . ifname
			}
			chain forward {
				type filter hook forward priority 0
				iifname . oifname @cut drop
			}
		}
	END
}

lab_addresses() {
	local machine=$1 batch=$LAB/batch
	{
		echo "link set lo up"
		echo "addr add $2/24 dev eth0"
		echo "addr add $3/64 dev eth0 nodad"
		echo "link set eth0 up"
		if [ -n "${4:-}" ]; then
			echo "addr add $4/24 dev eth1"
			echo "link set eth1 up"
		fi
	} >"$batch"
	ip -n "$LAB_PREFIX-$machine" -batch "$batch"
}

lab_make_secrets() {
	(
		umask 077
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=shop.lab \
			-addext "subjectAltName=DNS:shop.lab,IP:$LAB_VIP,IP:$LAB_VIP6" \
			-keyout "$LAB/key.pem" -out "$LAB/cert.pem" 2>/dev/null &&
			cat "$LAB/cert.pem" "$LAB/key.pem" >"$LAB/shop.pem" &&
			echo "1 $(openssl rand -hex 32)" >"$LAB/secret.key"
	)
}

# --- the machines behind ---------------------------------------------------------------------------------------------

# lab_web_start N: nginx number N (1..3) on 10.77.0.1N:8080 with two workers: / names it, /1k and /64k are files.
lab_web_start() {
	local n=$1 dir=$LAB/web$1
	if [ ! -d "$dir" ]; then
		mkdir -m 755 -p "$dir" "$dir/tmp" "$dir/files"
		head -c 1024 /dev/zero | tr '\0' x >"$dir/files/1k"
		head -c 65536 /dev/zero | tr '\0' x >"$dir/files/64k"
		head -c 10485760 /dev/zero | tr '\0' x >"$dir/files/10m"
		chmod -R a+rX "$dir"
		cat >"$dir/nginx.conf" <<-END
			worker_processes 2;
			pid $dir/nginx.pid;
			error_log $dir/error.log;
			events { worker_connections 4096; }
			http {
				access_log off;
				sendfile on;
				keepalive_requests 1000000;
				client_body_temp_path $dir/tmp/body;
				proxy_temp_path $dir/tmp/proxy;
				fastcgi_temp_path $dir/tmp/fastcgi;
				uwsgi_temp_path $dir/tmp/uwsgi;
				scgi_temp_path $dir/tmp/scgi;
				server {
					listen $LAB_NET.1$n:8080 backlog=4096;
					root $dir/files;
					location = / { return 200 "web$n\n"; }
					location = /health { return 200 "ok\n"; }
					location = /headers {
						return 200 "host=\$host xff=\$http_x_forwarded_for proto=\$http_x_forwarded_proto conn=\$http_connection\n";
					}
				}
			}
		END
	fi
	lab_bg web "$dir/log" nginx -p "$dir" -c "$dir/nginx.conf" -g 'daemon off;'
	echo "$LAB_PID" >"$dir/lab.pid"
	lab_until 5 lab_in web curl -sf -o /dev/null "http://$LAB_NET.1$n:8080/health" || lab_die "nginx $n does not answer"
}

# Every process of one nginx at once, as when its machine's memory runs out.
lab_web_pids() {
	local pid
	pid=$(cat "$LAB/web$1/lab.pid")
	echo "$pid" $(pgrep -P "$pid")
}

lab_web_kill() { kill -9 $(lab_web_pids "$1"); }

# A TCP echo on :7000 and a WebSocket echo on :7001 of all three addresses.
lab_echo_start() {
	lab_bg web "$LAB/echo.log" "$LAB_TOOLS/echo" tcp:10.77.0.11:7000 tcp:10.77.0.12:7000 tcp:10.77.0.13:7000 \
		websocket:10.77.0.11:7001 websocket:10.77.0.12:7001
}

# An etcd on the web machine, http://10.77.0.11:2379; it goes on with its data when started again.
lab_etcd_start() {
	lab_bg web "$LAB/etcd.log" etcd --name lab --data-dir "$LAB/etcd" --log-level error \
		--listen-client-urls http://10.77.0.11:2379 --advertise-client-urls http://10.77.0.11:2379 \
		--listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
		--initial-cluster lab=http://127.0.0.1:2380
	LAB_ETCD_PID=$LAB_PID
	lab_until 10 lab_in web curl -sf -o /dev/null http://10.77.0.11:2379/health || lab_die "etcd does not answer: $(tail -3 "$LAB/etcd.log")"
}

# Who has the key of the witness; nothing when nobody has.
lab_etcd_holder() {
	lab_in web curl -sf -m 2 http://10.77.0.11:2379/v3/kv/range -d "{\"key\":\"$(printf /hapair/lab/holder | base64)\"}" |
		jq -r '.kvs[0].value // empty | @base64d'
}

lab_backends_start() {
	lab_web_start 1
	lab_web_start 2
	lab_web_start 3
	lab_echo_start
}

# --- the nodes -------------------------------------------------------------------------------------------------------

# The usual configuration, on standard output. LAB_INTERVAL, LAB_START_WAIT, LAB_DRAIN (drain_timeout), LAB_CHECK (interval), LAB_BALANCE,
# LAB_NOTIFY (lines for a notify block), LAB_WITNESS (a witness block) and LAB_MORE (further lines) change it.
lab_config() {
	cat <<-END
		cluster lab {
		  secret_file = $LAB/secret.key
		  interval    = ${LAB_INTERVAL:-50ms}
		  start_wait  = ${LAB_START_WAIT:-500ms}
		  ${LAB_DRAIN:+drain_timeout = $LAB_DRAIN}
		  ${LAB_WITNESS:-}
		}
		node alpha { link = { 10.78.0.1:7946, 10.77.0.1:7946 }  priority = 200 }
		node beta  { link = { 10.78.0.2:7946, 10.77.0.2:7946 }  priority = 100 }
		vip $LAB_VIP/24 { interface = eth0 }
		vip $LAB_VIP6/64 { interface = eth0 }
		pool web {
		  balance = ${LAB_BALANCE:-roundrobin}
		  check http { path = /health  interval = ${LAB_CHECK:-500ms}  standby_interval = ${LAB_CHECK:-500ms} }
		  server web1 { address = 10.77.0.11:8080 }
		  server web2 { address = 10.77.0.12:8080 }
		  server web3 { address = 10.77.0.13:8080 }
		}
		pool echo {
		  check tcp { interval = ${LAB_CHECK:-500ms} }
		  server echo1 { address = 10.77.0.11:7000 }
		  server echo2 { address = 10.77.0.12:7000 }
		  server echo3 { address = 10.77.0.13:7000 }
		}
		pool socket {
		  check tcp { interval = ${LAB_CHECK:-500ms} }
		  server socket1 { address = 10.77.0.11:7001 }
		  server socket2 { address = 10.77.0.12:7001 }
		}
		listen public {
		  bind = { $LAB_VIP:80, $LAB_VIP:443 tls, [$LAB_VIP6]:80, [$LAB_VIP6]:443 tls }
		  tls { certificate = $LAB/shop.pem }
		  route { path = /socket  pool = socket }
		  pool = web
		}
		listen echo { bind = { $LAB_VIP:7000, [$LAB_VIP6]:7000 }  mode = tcp  pool = echo }
		admin { bind = { 127.0.0.1:9600 } }
		${LAB_NOTIFY:+notify { $LAB_NOTIFY \}}
		${LAB_MORE:-}
	END
}

# lab_hapair NODE COMMAND...: a command of hapair beside that node's daemon (UNIX sockets know no network namespace).
lab_hapair() {
	local node=$1
	shift
	"$LAB_HAPAIR" -c "$LAB/hapair.conf" -n "$node" -r "$LAB/$node/run" -s "$LAB/$node/state" "$@"
}

# lab_start NODE: hapair run, in the background. Does not wait. LAB_WRAP, when it is a function, prints words that go before the command.
lab_start() {
	local node=$1
	mkdir -p "$LAB/$node"
	lab_bg "$node" "$LAB/$node/log" $(${LAB_WRAP:-:} "$node") "$LAB_HAPAIR" -c "$LAB/hapair.conf" -n "$node" \
		-r "$LAB/$node/run" -s "$LAB/$node/state" run
	echo "$LAB_PID" >"$LAB/$node/lab.pid"
}

# lab_stop NODE: SIGTERM, and the exit is waited for. Returns 1 when it did not end within 10 s.
lab_stop() {
	local pid
	pid=$(cat "$LAB/$1/lab.pid")
	kill -TERM "$pid" 2>/dev/null
	lab_until 5 lab_gone "$pid" && return
	# It waits for a connection to end, for drain_timeout at most: a client whose last word was lost never ends it.
	echo "  $1 still serves $(lab_status "$1" .drain.left) connections; a second signal ends that"
	lab_in "$1" ss -tnoi | grep -A1 "$LAB_VIP" | head -20
	kill -TERM "$pid" 2>/dev/null
	lab_until 10 lab_gone "$pid"
}

lab_gone() { [ ! -d "/proc/$1" ] || grep -q '^State:.[ZX]' "/proc/$1/status" 2>/dev/null; }

# lab_pids NODE [ROLE]: every process of the node, or the one of a role (heartbeat, proxy, admin, runner, supervisor).
# A role is found without starting a process: this runs in moments that are being measured.
lab_pids() {
	local supervisor pid word
	if [ -z "${2:-}" ]; then
		ip netns pids "$LAB_PREFIX-$1"
		return
	fi
	supervisor=$(<"$LAB/$1/lab.pid")
	[ "$2" = supervisor ] && echo "$supervisor" && return
	for pid in $(<"/proc/$supervisor/task/$supervisor/children"); do
		local -a title=()
		mapfile -d "" -t title <"/proc/$pid/cmdline" 2>/dev/null
		for word in ${title[*]}; do
			[ "$word" = "$2" ] && echo "$pid"
		done
	done
}

# lab_signal SIGNAL NODE [ROLE]
lab_signal() {
	local pids
	pids=$(lab_pids "$2" "${3:-}")
	[ -n "$pids" ] || return 1
	kill "-$1" $pids 2>/dev/null
}

# lab_cable NODE up|down [net|hb]: both cables, or one. The heartbeat network first: a node that sees its clients' cable go
# says so to its peer within a millisecond, and a machine that is lost must not.
lab_cable() {
	local batch=$LAB/batch.$1
	: >"$batch"
	[ "${3:-hb}" = hb ] && echo "link set $1-hb $2" >>"$batch"
	[ "${3:-net}" = net ] && echo "link set $1 $2" >>"$batch"
	ip -n "$LAB_PREFIX-switch" -batch "$batch"
}

# lab_lose NODE [PIDS]: a machine that is no more: cables out, then every process killed at once.
lab_lose() {
	local pids
	pids=${2:-$(lab_pids "$1")}
	lab_cable "$1" down
	kill -9 $pids 2>/dev/null
	return 0
}

# lab_return NODE: it starts on a machine that was booted.
lab_return() { lab_boot "$1" && lab_start "$1"; }

# lab_boot NODE: what it left behind is as a reboot leaves it (no address, no filter), its ports forward since long.
# (The kernel acts up to a second late on a cable that came, and asks only once a second for a neighbour that was silent:
# a node that starts meanwhile is cut off from everything, and takes the VIP.)
lab_boot() {
	local node
	lab_wipe "$1"
	lab_cable "$1" up
	lab_until 3 lab_cables_work "$1" || return 1
	for node in $LAB_NODES; do lab_in "$node" ip neigh flush all; done
}

lab_cables_work() { [ "$(lab_in "$1" ip -o link show up | grep -c 'state UP')" = 2 ]; }

lab_wipe() {
	lab_in "$1" ip addr flush to "$LAB_VIP" 2>/dev/null
	lab_in "$1" ip -6 addr flush to "$LAB_VIP6" 2>/dev/null
	lab_in "$1" nft flush ruleset
}

# lab_cut FROM TO: the switch drops what goes from one port to another, on both networks. lab_heal: undoes all cuts.
lab_cut() {
	lab_in switch nft "add element bridge lab cut { \"$1\" . \"$2\", \"$1-hb\" . \"$2-hb\" }"
}

lab_cut_net() { lab_in switch nft "add element bridge lab cut { \"$1\" . \"$2\" }"; }
lab_cut_hb() { lab_in switch nft "add element bridge lab cut { \"$1-hb\" . \"$2-hb\" }"; }
lab_heal() { lab_in switch nft flush set bridge lab cut; }

# --- asking them -----------------------------------------------------------------------------------------------------

# Since boot, as mono_ms of the events; in steps of 10.
lab_now() {
	local seconds rest
	read -r seconds rest </proc/uptime
	echo "$((${seconds%.*} * 1000 + 10#${seconds#*.} * 10))"
}

# lab_until SECONDS COMMAND...: until it succeeds; 1 when it did not in time. Asking costs processor time that the nodes may need:
# not too often, and not in the first moments of what is being measured.
lab_until() {
	local end=$(($(lab_now) + $1 * 1000))
	shift
	until "$@"; do
		[ "$(lab_now)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# lab_status NODE [FILTER]: status as JSON through jq -r.
lab_status() {
	lab_hapair "$1" status --json 2>/dev/null | jq -r "${2:-.}" 2>/dev/null
}

lab_state() { lab_status "$1" .state; }
lab_is() { [ "$(lab_state "$1")" = "$2" ]; }

# lab_both FILTER: the status of both nodes, one array, through jq -r; a node without a daemon is missing in it.
lab_both() {
	local node
	for node in $LAB_NODES; do
		lab_hapair "$node" status --json 2>/dev/null
	done | jq -rs "$1" 2>/dev/null
}

# lab_active: the node that says it holds the VIP; nothing when none or both do.
lab_active() { lab_both '[.[] | select(.state == "active") | .node] | if length == 1 then .[0] else empty end'; }

lab_other() { if [ "$1" = alpha ]; then echo beta; else echo alpha; fi; }

# A settled pair: one active, one passive, each sees the other, every server has its verdict.
lab_settled() {
	[ "$(lab_both "([.[].state] | sort) as \$states | any([\"active\", \"passive\"], [\"active\", \"${1:-passive}\"]; . == \$states) and
		all(.[]; .peer.alive and all(.pools[].servers[]; .state != \"unknown\"))")" = true ]
}

lab_wait_settled() { lab_until "${1:-15}" lab_settled || lab_die "the pair did not settle; see $LAB (LAB_KEEP=DIR keeps it)"; }

# The pair up and running, everything behind it too; LAB_ACTIVE and LAB_PASSIVE are set.
lab_pair_start() {
	lab_backends_start
	lab_config >"$LAB/hapair.conf"
	lab_start alpha
	lab_start beta
	lab_wait_settled
	lab_roles
}

lab_roles() {
	LAB_ACTIVE=$(lab_active)
	LAB_PASSIVE=$(lab_other "$LAB_ACTIVE")
}

# lab_events NODE SINCE [FILTER]: events with mono_ms at or after SINCE, one JSON a line.
lab_events() {
	lab_hapair "$1" events --json 2>/dev/null | jq -c "select(.mono_ms >= $2) | select(${3:-true})"
}

# Does the node's interface carry a VIP?
lab_has_vip() {
	ip -n "$LAB_PREFIX-$1" -o addr show | grep -qE " ($LAB_VIP|$LAB_VIP6)/"
}

# lab_footprint NODE: what a node may touch on its machine and must put back, without lifetimes, handles and counters.
lab_footprint() {
	lab_in "$1" nft -s list ruleset
	lab_in "$1" ip -o addr show | sed 's/ valid_lft.*//; s/ dynamic//' | sort
	lab_in "$1" ip rule
	lab_in "$1" ip -6 rule
	lab_in "$1" ip route show table all | sed 's/ expires [0-9]*sec//' | sort
	lab_in "$1" ip -6 route show table all | sed 's/ expires [0-9]*sec//' | sort
	lab_in "$1" sysctl -a -r '^net[./](ipv4|ipv6|core)[./]' 2>/dev/null |
		grep -vE '\.(stable_secret|flush|cookie_key|bpf_jit.*|netdev_rss_key|nf_conntrack_count|tcp_fastopen_key) ='
}

lab_mac() { ip -n "$LAB_PREFIX-$1" -j link show eth0 | jq -r '.[0].address'; }

# --- instruments: they read commands (begin LABEL, end, quit) and answer each "end" with one line of JSON -------------

# lab_tool_start NAME MACHINE COMMAND...: then lab_tell NAME begin x; lab_ask NAME prints the window as JSON.
declare -A LAB_TOOL_IN LAB_TOOL_OUT
lab_tool_start() {
	local name=$1 machine=$2 in out
	shift 2
	rm -f "$LAB/$name.in" "$LAB/$name.out"
	mkfifo "$LAB/$name.in" "$LAB/$name.out"
	exec {in}<>"$LAB/$name.in" {out}<>"$LAB/$name.out"
	LAB_TOOL_IN[$name]=$in
	LAB_TOOL_OUT[$name]=$out
	setsid ip netns exec "$LAB_PREFIX-$machine" "$@" <"$LAB/$name.in" >"$LAB/$name.out" 2>>"$LAB/$name.log" &
	disown $!
}

lab_tell() { echo "$2${3:+ $3}" >&"${LAB_TOOL_IN[$1]}"; }

lab_ask() {
	local line
	lab_tell "$1" end
	read -r -t 20 -u "${LAB_TOOL_OUT[$1]}" line || lab_die "$1 does not answer: $(tail -3 "$LAB/$1.log" 2>/dev/null)"
	echo "$line"
}

lab_tool_stop() {
	lab_tell "$1" quit
	eval "exec ${LAB_TOOL_IN[$1]}>&- ${LAB_TOOL_OUT[$1]}<&-"
}

# lab_load_start STREAM...: see tests/tools/load.c. lab_observer_start: who answers for the VIP, asked every 2 ms.
# Sanitizers make client and proxies five to ten times as slow: then a fifth of the new connections a second, so that a failure is
# one of the product and not of a machine that cannot keep up.
lab_load_start() {
	local stream streams=()
	for stream in "$@"; do
		if grep -q __asan_init "$LAB_HAPAIR" && [[ $stream != keep-* && $stream =~ ^(.*)@([0-9]+)$ ]]; then
			stream=${BASH_REMATCH[1]}@$(((BASH_REMATCH[2] + 4) / 5))
		fi
		streams+=("$stream")
	done
	lab_tool_start load client "$LAB_TOOLS/load" "${streams[@]}"
}
lab_observer_start() {
	lab_tool_start observer watch "$LAB_TOOLS/observer" eth0 "$LAB_VIP" "$LAB_VIP6" \
		"alpha=$(lab_mac alpha)" "beta=$(lab_mac beta)"
}
