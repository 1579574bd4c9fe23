# lab.sh: two virtual machines on a bridge in a namespace; sourced by scripts/vmtest. With it go the helpers of ../lab.sh, which ask the nodes
# through lab_hapair.
#
#    client .100 ---+
#    watch  .101 ---+--- [bridge net] ---+--- tap alpha --- qemu: Debian, hapair from the package   .1     VIP 10.0.0.50
#    web .11-.12 ---+                    +--- tap beta  --- qemu: the same                          .2
#
# Everything runs in namespaces with the prefix of this script's pid; the bridge and both qemu are in "switch". qemu emulates (TCG): no KVM needed.
# A machine's shell and its monitor are pipes in $LAB/NODE: vm_run, vm_monitor.

. "$(dirname "${BASH_SOURCE[0]}")/../lab.sh"
LAB_NET=10.0.0
LAB_VIP=$LAB_NET.50

# vm_open BUILD IMAGE FILE...: the network and the machines behind. The files are in a tar archive, /dev/vdb of both machines.
vm_open() {
	local machine
	LAB_PREFIX=hl$$ LAB=${TMPDIR:-/tmp}/hapair-lab.hl$$ LAB_TOOLS=$(realpath "$1")/tests/tools
	VM_IMAGE=$2
	[ "$(id -u)" = 0 ] || lab_die "namespaces need root"
	lab_sweep
	trap lab_on_exit EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	mkdir -m 755 -p "$LAB" || lab_die "can't make $LAB"
	LAB_OPEN=1
	tar -C "$(dirname "$3")" -cf "$LAB/files.tar" $(basename -a "${@:3}") || lab_die "can't read ${*:3}"
	ip netns add "$LAB_PREFIX-switch" && lab_in switch sysctl -qw net.ipv6.conf.default.disable_ipv6=1 &&
		ip -n "$LAB_PREFIX-switch" link add net type bridge stp_state 0 forward_delay 0 mcast_snooping 0 &&
		ip -n "$LAB_PREFIX-switch" link set net up || lab_die "can't make the switch"
	for machine in client:100 watch:101 web:11; do
		vm_outside "${machine%:*}" "$LAB_NET.${machine#*:}" || lab_die "can't make ${machine%:*}"
	done
	ip -n "$LAB_PREFIX-web" addr add "$LAB_NET.12/24" dev eth0
	for machine in $LAB_NODES; do
		ip -n "$LAB_PREFIX-switch" tuntap add "$machine" mode tap && ip -n "$LAB_PREFIX-switch" link set "$machine" master net up ||
			lab_die "can't make the tap of $machine"
		mkdir "$LAB/$machine"
		qemu-img create -q -f qcow2 -F qcow2 -b "$VM_IMAGE/disk.qcow2" "$LAB/$machine/disk.qcow2" || lab_die "can't make a disk"
	done
	lab_web_start 1
	lab_web_start 2
}

# vm_outside NAME ADDRESS: a namespace at the bridge.
vm_outside() {
	ip netns add "$LAB_PREFIX-$1" &&
		ip -n "$LAB_PREFIX-switch" link add "$1" type veth peer name eth0 netns "$LAB_PREFIX-$1" &&
		ip -n "$LAB_PREFIX-switch" link set "$1" master net up &&
		ip -n "$LAB_PREFIX-$1" link set lo up &&
		ip -n "$LAB_PREFIX-$1" link set eth0 up &&
		ip -n "$LAB_PREFIX-$1" addr add "$2/24" dev eth0
}

vm_number() { if [ "$1" = alpha ]; then echo 1; else echo 2; fi; }
lab_mac() { echo "52:54:00:00:00:0$(vm_number "$1")"; }

# vm_start NODE: power on. Does not wait.
declare -A VM_PID VM_SHELL_IN VM_SHELL_OUT VM_MONITOR_IN VM_MONITOR_OUT
vm_start() {
	local node=$1 dir=$LAB/$1 pipe fd
	rm -f "$dir"/*.in "$dir"/*.out
	for pipe in shell monitor; do mkfifo "$dir/$pipe.in" "$dir/$pipe.out"; done
	# Both ends open, so that neither qemu nor we wait for the other; what an earlier machine said is gone with its pipes.
	exec {fd}<>"$dir/shell.in"; VM_SHELL_IN[$node]=$fd
	exec {fd}<>"$dir/shell.out"; VM_SHELL_OUT[$node]=$fd
	exec {fd}<>"$dir/monitor.in"; VM_MONITOR_IN[$node]=$fd
	exec {fd}<>"$dir/monitor.out"; VM_MONITOR_OUT[$node]=$fd
	# A session of its own is a scheduling group of its own: a machine's processor is not to wait for whatever else runs here.
	lab_bg switch "$dir/qemu.log" sh -c '[ ! -w /proc/self/autogroup ] || echo -15 >/proc/self/autogroup; exec "$@"' sh qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu Nehalem -smp 1 -m 320 -nodefaults -display none \
		-kernel "$VM_IMAGE/vmlinuz" -initrd "$VM_IMAGE/initrd" \
		-append "tsc=reliable no_timer_check nokaslr ${VM_KERNEL_LINE:-quiet} mitigations=off console=ttyS0 net.ifnames=0 lab.name=$node lab.address=$LAB_NET.$(vm_number "$node")/24" \
		-serial "file:$dir/console.log" \
		-drive "file=$dir/disk.qcow2,if=virtio,cache=writeback" -drive "file=$LAB/files.tar,format=raw,if=virtio,readonly=on" \
		-netdev "tap,id=net,ifname=$node,script=no,downscript=no" -device "virtio-net-pci,netdev=net,mac=$(lab_mac "$node")" \
		-device virtio-rng-pci -device virtio-serial-pci \
		-chardev "pipe,id=shell,path=$dir/shell" -device virtserialport,chardev=shell,name=shell \
		-chardev "pipe,id=monitor,path=$dir/monitor" -mon chardev=monitor,mode=control
	VM_PID[$node]=$LAB_PID
	vm_monitor "$node" qmp_capabilities
}

# vm_kill NODE: the power fails.
vm_kill() {
	kill -9 "${VM_PID[$1]}"
	lab_until 2 eval "! kill -0 ${VM_PID[$1]} 2>/dev/null"
}

# vm_monitor NODE COMMAND: a command of QMP without arguments; waits for its answer.
vm_monitor() {
	local line
	echo "{\"execute\": \"$2\"}" >&"${VM_MONITOR_IN[$1]}"
	while read -r -t 20 -u "${VM_MONITOR_OUT[$1]}" line; do
		case $line in
		*'"return"'*) return 0 ;;
		*'"error"'*) break ;;
		esac
	done
	lab_die "the monitor of $1 says to $2: ${line:-nothing}"
}

# vm_run NODE COMMAND: in the machine's shell; its output and its status. 1 and "no answer" when the machine says nothing for VM_PATIENCE (60) s.
vm_run() {
	local status said
	base64 -w 0 <<<"$2" >&"${VM_SHELL_IN[$1]}"
	echo >&"${VM_SHELL_IN[$1]}"
	if ! read -r -t "${VM_PATIENCE:-60}" -u "${VM_SHELL_OUT[$1]}" status said; then
		echo "no answer"
		return 1
	fi
	base64 -d <<<"$said"
	return "$status"
}

# vm_wait NODE...: until their shells answer. Asked again and again: what a machine that goes down took with it is never answered.
vm_wait() {
	local node n status said end
	for node in "$@"; do
		end=$(($(lab_now) + 120000))
		for ((n = 0; ; n++)); do
			base64 -w 0 <<<"echo $n" >&"${VM_SHELL_IN[$node]}"
			echo >&"${VM_SHELL_IN[$node]}"
			while read -r -t 1 -u "${VM_SHELL_OUT[$node]}" status said; do
				[ "$(base64 -d <<<"$said")" != $n ] || break 2
			done
			[ "$(lab_now)" -lt $end ] || lab_die "$node does not come up: $(tail -5 "$LAB/$node/console.log")"
		done
		while read -r -t 0.3 -u "${VM_SHELL_OUT[$node]}" status said; do :; done
	done
}

# What ../lab.sh asks of a node. A machine that is off or stopped says nothing, and is not asked.
declare -A VM_SILENT
lab_hapair() {
	local node=$1
	shift
	[ -z "${VM_SILENT[$node]:-}" ] && vm_run "$node" "hapair $*"
}
