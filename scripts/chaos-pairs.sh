# chaos-pairs.sh: two pairs in one lab that suffer the same faults: hapair, and keepalived + HAProxy. Sourced by scripts/chaos.
#
# Each pair answers the same questions; PAIR is the one that is up:
#   pair_start            both nodes, and waits until they are settled
#   pair_return NODE      starts what is dead on that node, as its own service manager would; leaves the rest alone
#   pair_holder           the node that has the VIP; nothing when none or both do
#   pair_settled          one holds, the other waits, every process is there and none is frozen
#   pair_pid NODE ROLE    supervisor, heartbeat, proxy, admin, runner; 1 where the pair has no such process
#   pair_switchover NODE  that node gives the VIP to the other, waits until it has it
#   pair_stop             both nodes end in order
#
# What keeps the comparison fair: VRRPv3, which counts in hundredths of a second, at hapair's interval (0.05 s, three missed
# adverts and the skew of the priority make a death: 161 to 180 ms); no preemption; VRRP at a real-time priority with locked
# memory; health checks of the servers at hapair's pace; HAProxy bound beforehand on both nodes (ip_nonlocal_bind), checked
# by keepalived once a second (its shortest interval), by a request, and started again 100 ms after its death as its
# Debian unit does. Neither keepalived (no Restart in its unit) nor hapair's supervisor (2 s) is started again before the fault ends.

pair_start() { "${PAIR}_start"; }
pair_return() { "${PAIR}_return" "$@"; }
pair_holder() { "${PAIR}_holder"; }
pair_settled() { "${PAIR}_settled"; }
pair_pid() { "${PAIR}_pid" "$@"; }
pair_switchover() { "${PAIR}_switchover" "$@"; }
pair_stop() { "${PAIR}_stop"; }

# --- a box around each node ------------------------------------------------------------------------------------------

# box_make NODE: a mount namespace kept by a process of the switch, which nobody kills: the node's state on a file system of
# its own, small enough to fill, and an /etc of its own, where clock_shift.so is loaded before everything. And a memory cgroup.
box_make() {
	local node=$1 state=$LAB/$1/state
	mkdir -p "$state" "$LAB/$node/etc"
	cp "$LAB_TOOLS/clock_shift.so" "$LAB/clock_shift.so"
	lab_bg switch "$LAB/$node/box.log" unshare -m --propagation private sh -ec "
		mount -t tmpfs -o size=1m,mode=755 none $state
		mount -t tmpfs -o size=64m,mode=755 none $LAB/$node/etc
		cp -a /etc/. $LAB/$node/etc
		head -c 8 /dev/zero >$LAB/$node/etc/clock_shift
		echo $LAB/clock_shift.so >$LAB/$node/etc/ld.so.preload
		mount --bind $LAB/$node/etc /etc
		echo ready
		exec sleep infinity"
	lab_until 5 grep -qs ready "$LAB/$node/box.log" || lab_die "no box for $node: $(cat "$LAB/$node/box.log")"
	echo "$LAB_PID" >"$LAB/$node/box.pid"
	BOX_CGROUP=
	if [ -d /sys/fs/cgroup/memory ]; then
		BOX_CGROUP=/sys/fs/cgroup/memory/$LAB_PREFIX BOX_LIMIT=memory.limit_in_bytes BOX_USAGE=memory.usage_in_bytes
	elif grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
		BOX_CGROUP=/sys/fs/cgroup/$LAB_PREFIX BOX_LIMIT=memory.max BOX_USAGE=memory.current
	fi
	[ -z "$BOX_CGROUP" ] || mkdir -p "$BOX_CGROUP-$node"
}

# The words that put a command into its node's box. (A network namespace has a /sys of its own, without cgroups: hence /proc/PID/root.)
box_wrap() {
	echo "nsenter --mount=/proc/$(<"$LAB/$1/box.pid")/ns/mnt"
	[ -z "$BOX_CGROUP" ] || echo "sh $LAB_TOP/scripts/chaos-join /proc/$$/root$BOX_CGROUP-$1"
}

box_unmake() {
	local node
	[ -n "${BOX_CGROUP:-}" ] || return 0
	for node in $LAB_NODES; do rmdir "$BOX_CGROUP-$node" 2>/dev/null; done
}

box_path() { echo "/proc/$(<"$LAB/$1/box.pid")/root$2"; }

# box_clock NODE SECONDS: the wall clock of every process of the node, from this instant on.
box_clock() { perl -e 'print pack("q", $ARGV[0])' -- "$2" 1<>"$(box_path "$1" /etc/clock_shift)"; }

# --- hapair ----------------------------------------------------------------------------------------------------------

hapair_start() {
	local node
	for node in $LAB_NODES; do lab_start "$node"; done
	lab_wait_settled
}

hapair_return() { lab_gone "$(<"$LAB/$1/lab.pid")" && lab_start "$1"; }
hapair_holder() { lab_active; }
hapair_settled() { lab_settled; }
hapair_pid() {
	local pid
	pid=$(lab_pids "$1" "$2")
	[ -n "$pid" ] && echo "$pid"
}
hapair_switchover() { lab_hapair "$1" switchover >"$LAB/said" 2>&1 && lab_until 5 lab_is "$(lab_other "$1")" active; }
hapair_stop() {
	local node
	for node in $LAB_NODES; do lab_stop "$node" || echo "  $node did not end in time"; done
}

# --- keepalived + HAProxy --------------------------------------------------------------------------------------------

keepalived_configure() {
	local node=$1 priority=$2 dir=$LAB/$1
	lab_in "$node" sysctl -qw net.ipv4.ip_nonlocal_bind=1 net.ipv6.ip_nonlocal_bind=1
	cat >"$dir/haproxy.cfg" <<-END
		global
		  maxconn 8192
		  ssl-default-bind-options ssl-min-ver TLSv1.2
		defaults
		  mode http
		  option redispatch
		  retries 3
		  timeout connect 2s
		  timeout client 60s
		  timeout server 60s
		frontend public
		  bind $LAB_VIP:80
		  bind $LAB_VIP:443 ssl crt $LAB/shop.pem
		  bind [$LAB_VIP6]:80
		  bind [$LAB_VIP6]:443 ssl crt $LAB/shop.pem
		  default_backend web
		frontend echo
		  mode tcp
		  bind $LAB_VIP:7000
		  bind [$LAB_VIP6]:7000
		  default_backend echo
		frontend alive
		  bind 127.0.0.1:8404
		  monitor-uri /alive
		  acl nobody nbsrv(web) eq 0
		  monitor fail if nobody
		backend web
		  option httpchk GET /health
		  default-server check inter 500ms fall 1 rise 2
		  server web1 10.77.0.11:8080
		  server web2 10.77.0.12:8080
		  server web3 10.77.0.13:8080
		backend echo
		  mode tcp
		  default-server check inter 500ms fall 1 rise 2
		  server echo1 10.77.0.11:7000
		  server echo2 10.77.0.12:7000
		  server echo3 10.77.0.13:7000
	END
	cat >"$dir/keepalived.conf" <<-END
		global_defs {
		  router_id $node
		  vrrp_version 3
		  vrrp_rt_priority 50
		  vrrp_no_swap
		  script_user root
		  enable_script_security
		}
		vrrp_script haproxy {
		  script "/usr/bin/curl -sf -m 0.8 -o /dev/null http://127.0.0.1:8404/alive"
		  interval 1
		  timeout 1
		  fall 1
		  rise 2
		}
		vrrp_instance lab {
		  state BACKUP
		  nopreempt
		  interface eth0
		  virtual_router_id 51
		  priority $priority
		  advert_int 0.05
		  virtual_ipaddress { $LAB_VIP/32 dev eth0 }
		  virtual_ipaddress_excluded { $LAB_VIP6/64 dev eth0 }
		  track_script { haproxy }
		}
	END
	cat >"$dir/haproxy.sh" <<-END
		while :; do
		  haproxy -db -f $dir/haproxy.cfg &
		  echo \$! >$dir/haproxy.pid
		  wait
		  sleep 0.1
		done
	END
}

keepalived_start() {
	local node
	keepalived_configure alpha 200
	keepalived_configure beta 100
	for node in $LAB_NODES; do keepalived_return "$node"; done
	lab_until 20 keepalived_settled || lab_die "keepalived did not settle: $(tail -5 "$LAB"/*/keepalived.log)"
}

keepalived_lives() { [ -s "$1" ] && ! lab_gone "$(<"$1")"; }

keepalived_return() {
	local node=$1 dir=$LAB/$1
	keepalived_lives "$dir/haproxy.sh.pid" || {
		keepalived_lives "$dir/haproxy.pid" && kill -9 "$(<"$dir/haproxy.pid")"
		lab_bg "$node" "$dir/haproxy.log" $(box_wrap "$node") sh "$dir/haproxy.sh"
		echo "$LAB_PID" >"$dir/haproxy.sh.pid"
	}
	keepalived_lives "$dir/lab.pid" || {
		# What a killed parent left would hold the VIP beside its successor: systemd kills what is left of a service.
		keepalived_lives "$dir/vrrp.pid" && kill -9 "$(<"$dir/vrrp.pid")"
		rm -f "$dir/keepalived.pid" "$dir/vrrp.pid"
		lab_bg "$node" "$dir/keepalived.log" $(box_wrap "$node") keepalived --dont-fork --log-console --vrrp -f "$dir/keepalived.conf" \
			-p "$dir/keepalived.pid" -r "$dir/vrrp.pid"
		echo "$LAB_PID" >"$dir/lab.pid"
	}
}

keepalived_holder() {
	local node holder=
	for node in $LAB_NODES; do
		ip -n "$LAB_PREFIX-$node" -o -4 addr show dev eth0 | grep -q " $LAB_VIP/" && holder="$holder$node"
	done
	case $holder in alpha | beta) echo "$holder" ;; esac
}

keepalived_settled() {
	local node
	[ -n "$(keepalived_holder)" ] || return 1
	for node in $LAB_NODES; do
		keepalived_lives "$LAB/$node/vrrp.pid" &&
			lab_in "$node" curl -sf -m 0.5 -o /dev/null http://127.0.0.1:8404/alive || return 1
		case $(tail -40 "$LAB/$node/keepalived.log" | grep -oE 'Entering [A-Z]+ STATE' | tail -1) in
		*MASTER* | *BACKUP*) ;; *) return 1 ;; esac
	done
}

keepalived_pid() {
	case $2 in
	supervisor) cat "$LAB/$1/lab.pid" ;;
	heartbeat) cat "$LAB/$1/vrrp.pid" ;;
	proxy) cat "$LAB/$1/haproxy.pid" ;;
	*) return 1 ;;
	esac
}

# There is no command for it: keepalived is stopped, and started again when the other has taken over.
keepalived_switchover() {
	kill -TERM "$(<"$LAB/$1/lab.pid")"
	lab_until 5 eval "[ \"\$(keepalived_holder)\" = $(lab_other "$1") ]" && lab_until 5 lab_gone "$(<"$LAB/$1/lab.pid")" &&
		keepalived_return "$1"
}

keepalived_stop() {
	local node
	for node in $LAB_NODES; do
		kill -TERM "$(<"$LAB/$node/lab.pid")"
		lab_until 5 lab_gone "$(<"$LAB/$node/lab.pid")"
		kill -9 "$(<"$LAB/$node/haproxy.sh.pid")"
		kill -TERM "$(<"$LAB/$node/haproxy.pid")"
		lab_until 5 lab_gone "$(<"$LAB/$node/haproxy.pid")"
		lab_in "$node" sysctl -qw net.ipv4.ip_nonlocal_bind=0 net.ipv6.ip_nonlocal_bind=0
	done
}
