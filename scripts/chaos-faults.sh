# chaos-faults.sh: what can happen to a pair. Sourced by scripts/chaos.
#
# FAULTS has one row each: name | what happens | to which pairs | q when it is in the short form, s when two holders
# are what must happen (nodes that can't hear each other and have no witness).
# fault_NAME does it to $HOLDER (the other is $OTHER) and undoes it. It runs inside the window that is measured; what it killed is
# started again after it, inside the window too.

FAULTS=(
	"nothing|nothing, the same window|hapair keepalived|"
	"switchovers|planned switchovers, one after the other (their number: notes)|hapair keepalived|q"
	"kill-heartbeat|\`kill -9\` of the heartbeat process (VRRP process)|hapair keepalived|q"
	"kill-proxy|\`kill -9\` of the proxy|hapair keepalived|q"
	"kill-admin|\`kill -9\` of admin|hapair|"
	"kill-runner|\`kill -9\` of runner|hapair|"
	"kill-supervisor|\`kill -9\` of the supervisor (keepalived's parent)|hapair keepalived|"
	"kill-all|\`kill -9\` of everything on the holder|hapair keepalived|q"
	"freeze-heartbeat|SIGSTOP of the heartbeat process for 3 s|hapair keepalived|"
	"freeze-proxy|SIGSTOP of the proxy for 3 s|hapair keepalived|"
	"freeze-admin|SIGSTOP of admin for 3 s|hapair|"
	"freeze-runner|SIGSTOP of runner for 3 s|hapair|"
	"freeze-supervisor|SIGSTOP of the supervisor for 3 s|hapair keepalived|"
	"freeze-all|SIGSTOP of everything on the holder for 3 s|hapair keepalived|q"
	"freeze-passive|SIGSTOP of everything on the other node for 3 s|hapair keepalived|"
	"machine-lost|the holder's machine: all cables out and \`kill -9\` of everything|hapair keepalived|q"
	"cable|the holder's cable to the clients out for 2 s|hapair keepalived|q"
	"cable-heartbeat|the holder's cable of the heartbeat network out for 2 s|hapair|"
	"mute|one-way cut for 2 s: the holder is not heard by the other node|hapair keepalived|q"
	"deaf|one-way cut for 2 s: the holder does not hear the other node|hapair keepalived|q"
	"cut-heartbeat|the heartbeat network between the nodes cut for 2 s|hapair|"
	"cut-clients|the clients' network between the nodes cut for 2 s (VRRP's only one)|hapair keepalived|"
	"cut-both|both networks between the nodes cut for 2 s, clients reach both, no witness|hapair|s"
	"servers-lost|the holder does not reach the servers for 4 s, the other does|hapair keepalived|"
	"vip-removed|a foreign hand removes both addresses|hapair keepalived|"
	"vip-claimed|a foreign machine has the address, too, for 2 s|hapair keepalived|"
	"disk-full|the disks of both nodes full, then a switchover|hapair|"
	"clock-forward|the wall clock of the holder +1 h, then of the other, then back|hapair keepalived|"
	"clock-back|the wall clock of the holder −1 h, then of the other, then back|hapair keepalived|"
	"overload|4 × CPU overload for 4 s (stress-ng, whole machine)|hapair keepalived|"
	"memory|the holder's memory full for 4 s (a cgroup, stress-ng in it)|hapair keepalived|"
	"flood|50,000 forged heartbeats a second to the holder for 3 s|hapair|"
	"flapping|ten times, a second apart: whoever holds loses its clients' cable for 0.3 s|hapair keepalived|"
)

kill_role() {
	local pid
	pid=$(pair_pid "$HOLDER" "$1") || return 1
	kill -9 "$pid"
	sleep 2
}
fault_kill-heartbeat() { kill_role heartbeat; }
fault_kill-proxy() { kill_role proxy; }
fault_kill-admin() { kill_role admin; }
fault_kill-runner() { kill_role runner; }
fault_kill-supervisor() { kill_role supervisor; }
fault_kill-all() {
	kill -9 $(lab_pids "$HOLDER")
	sleep 2
}

freeze() { # SECONDS PIDS...
	local seconds=$1
	shift
	[ $# -gt 0 ] || return 1
	kill -STOP "$@"
	sleep "$seconds"
	kill -CONT "$@" 2>/dev/null
	sleep 1
}
fault_freeze-heartbeat() { freeze 3 $(pair_pid "$HOLDER" heartbeat); }
fault_freeze-proxy() { freeze 3 $(pair_pid "$HOLDER" proxy); }
fault_freeze-admin() { freeze 3 $(pair_pid "$HOLDER" admin); }
fault_freeze-runner() { freeze 3 $(pair_pid "$HOLDER" runner); }
fault_freeze-supervisor() { freeze 3 $(pair_pid "$HOLDER" supervisor); }
fault_freeze-all() { freeze 3 $(lab_pids "$HOLDER"); }
fault_freeze-passive() { freeze 3 $(lab_pids "$OTHER"); }

fault_machine-lost() {
	lab_lose "$HOLDER"
	sleep 2
	lab_boot "$HOLDER"
}
fault_nothing() { sleep 2; }

while_cable() { # NODE [net|hb]
	lab_cable "$1" down ${2:-}
	sleep 2
	lab_cable "$1" up ${2:-}
}
fault_cable() { while_cable "$HOLDER" net; }
fault_cable-heartbeat() { while_cable "$HOLDER" hb; }

heal_after() { # SECONDS
	sleep "$1"
	lab_heal
}
fault_mute() {
	lab_cut "$HOLDER" "$OTHER"
	heal_after 2
}
fault_deaf() {
	lab_cut "$OTHER" "$HOLDER"
	heal_after 2
}
fault_cut-heartbeat() {
	lab_cut_hb alpha beta
	lab_cut_hb beta alpha
	heal_after 2
}
fault_cut-clients() {
	lab_cut_net alpha beta
	lab_cut_net beta alpha
	heal_after 2
}
fault_cut-both() {
	lab_cut alpha beta
	lab_cut beta alpha
	heal_after 2
}
fault_servers-lost() {
	lab_cut_net "$HOLDER" web
	lab_cut_net web "$HOLDER"
	heal_after 4
}

fault_vip-removed() {
	ip -n "$LAB_PREFIX-$HOLDER" -4 addr flush to "$LAB_VIP" dev eth0
	ip -n "$LAB_PREFIX-$HOLDER" -6 addr flush to "$LAB_VIP6" dev eth0
	sleep 2
}

# It asks for a neighbour in the VIP's name ten times a second, as a machine that uses the address does.
fault_vip-claimed() {
	local i target
	target=$(lab_in client ip -o -4 addr show dev eth0 | awk '{ sub("/.*", "", $4); print $4; exit }')
	ip -n "$LAB_PREFIX-web" addr add "$LAB_VIP/32" dev eth0
	for i in $(seq 20); do
		ip -n "$LAB_PREFIX-web" neigh flush dev eth0 to "$target"
		lab_in web ping -q -c 1 -W 0.05 -I "$LAB_VIP" "$target" >/dev/null 2>&1
		sleep 0.1
	done
	ip -n "$LAB_PREFIX-web" addr del "$LAB_VIP/32" dev eth0
}

fault_disk-full() {
	local node
	for node in $LAB_NODES; do
		dd if=/dev/zero of="$(box_path "$node" "$LAB/$node/state/full")" bs=4k 2>/dev/null
	done
	pair_switchover "$HOLDER" || { cat "$LAB/said"; NOTE="the switchover was refused"; }
	sleep 1
	for node in $LAB_NODES; do rm "$(box_path "$node" "$LAB/$node/state/full")"; done
}

clock_step() {
	local node
	for node in "$HOLDER" "$OTHER"; do
		box_clock "$node" "$1"
		sleep 1.5
	done
	for node in "$HOLDER" "$OTHER"; do box_clock "$node" 0; done
	sleep 1
}
fault_clock-forward() { clock_step 3600; }
fault_clock-back() { clock_step -3600; }

fault_overload() { lab_in switch stress-ng --quiet --cpu "$((4 * $(nproc)))" --timeout 4s >/dev/null; }

# The node gets 16 MiB more than it uses, and programs beside it want 32 times that, again and again. What the kernel allocates for a process
# counts too: each renewal of a fence may have to wait until something was reclaimed.
fault_memory() {
	local group=$BOX_CGROUP-$HOLDER used pid before
	pid=$(pair_pid "$HOLDER" heartbeat)
	before=$(disk_faults "$pid")
	[ -n "$BOX_CGROUP" ] || { NOTE="no memory cgroup here: not done"; return 0; }
	used=$(<"$group/$BOX_USAGE")
	echo $((used + 16777216)) >"$group/$BOX_LIMIT" || return 1
	lab_in switch sh "$LAB_TOP/scripts/chaos-join" "$group" stress-ng --quiet --vm 4 --vm-bytes 128m --vm-keep --timeout 4s >/dev/null 2>&1
	echo -1 >"$group/$BOX_LIMIT" 2>/dev/null || echo max >"$group/$BOX_LIMIT"
	NOTE="$(grep -hE '^oom_kill ' "$group"/memory.oom_control "$group"/memory.events 2>/dev/null | awk '{ print $2 }') programs killed for memory, $(($(disk_faults "$pid") - before)) page faults from disk in the heartbeat process"
}
disk_faults() { awk '{ sub(/^.*\) /, ""); print $10 }' "/proc/$1/stat" 2>/dev/null || echo 0; }

fault_flood() {
	local mac from=10.78.0.1 to=10.78.0.2 before
	[ "$HOLDER" = alpha ] && from=10.78.0.2 to=10.78.0.1
	mac=$(ip -n "$LAB_PREFIX-$HOLDER" -j link show eth1 | jq -r '.[0].address')
	lab_in "$HOLDER" "$LAB_TOOLS/forge" capture eth1 7946 300 "$LAB/taken" >/dev/null
	before=$(refused)
	NOTE="$(lab_in watch "$LAB_TOOLS/forge" flood eth1 "$mac" "$LAB/taken" $from $to 50000 3 | jq .sent) sent"
	sleep 0.5
	NOTE+=", $(($(refused) - before)) refused"
}
refused() {
	curl -s --unix-socket "$LAB/$HOLDER/run/control.sock" http://localhost/metrics |
		awk '/^hapair_heartbeats_rejected_total/ { n += $NF } END { printf "%d", n }'
}

fault_switchovers() {
	local n done=0 holder=$HOLDER times=$SWITCHOVERS
	[ "$PAIR" = hapair ] || times=10 # each takes seconds: a start, and HAProxy found well twice
	for n in $(seq "$times"); do
		pair_switchover "$holder" || { cat "$LAB/said" 2>/dev/null; continue; }
		done=$((done + 1))
		holder=$(lab_other "$holder")
		[ "$PAIR" = hapair ] || lab_until 10 pair_settled
	done
	NOTE="$done of $times done"
	[ $done = "$times" ]
}

fault_flapping() {
	local n holder
	for n in $(seq 10); do
		holder=$(pair_holder)
		[ -n "$holder" ] && lab_cable "$holder" down net
		sleep 0.3
		[ -n "$holder" ] && lab_cable "$holder" up net
		sleep 0.7
	done
}
