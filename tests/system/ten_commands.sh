#!/bin/bash
# From nothing to the first request through the VIP, with the commands that README types, word for word, ten at most.
#
# They are taken from README's section; "# on ..." says where. Three machines on one bridge, each a network, host name and file
# system of its own (an overlay over /etc, /usr/sbin, /usr/share and the units, so that `make install` touches nothing of the host):
#
#    another .100, and the servers .11 .12 --+
#    alpha .1 -------------------------------+-- [bridge]      10.0.0.0/24, VIP 10.0.0.50
#    beta  .2 -------------------------------+
#
# ssh, scp and systemctl are stand-ins that go to the machine with that address, copy with modes, and start what the installed
# unit starts.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
echo "# from nothing to the first request with the commands of README"
[ "$(id -u)" = 0 ] || lab_die "namespaces need root"
LAB_PREFIX=hl$$
dir=$(mktemp -d) || exit 1
chmod 755 "$dir"
holders=
# What the machines mount their own /run/hapair and /var/lib/hapair on.
made=
for place in /run/hapair /var/lib/hapair; do [ -d $place ] || { mkdir $place && made="$made $place"; }; done
finish() {
	trap '' INT TERM HUP PIPE
	# shellcheck disable=SC2086
	[ -z "$holders" ] || kill $holders 2>/dev/null
	lab_unmake "$LAB_PREFIX"
	umount -l "$dir/store" 2>/dev/null
	# shellcheck disable=SC2086
	[ -z "$made" ] || rmdir $made
	rm -rf "$dir"
}
lab_sweep
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- machines ---
mkdir "$dir/store" "$dir/tools" && mount -t tmpfs tmpfs "$dir/store" || lab_die "no place for the machines' files"
ip netns add "$LAB_PREFIX-switch" && ip -n "$LAB_PREFIX-switch" link add net type bridge forward_delay 0 &&
	ip -n "$LAB_PREFIX-switch" link set net up || lab_die "no bridge"

make_machine() { # NAME ADDRESS...
	local name=$1 ns=$LAB_PREFIX-$1 address store=$dir/store/$1
	shift
	ip netns add "$ns" && ip -n "$LAB_PREFIX-switch" link add "$name" type veth peer name eth0 netns "$ns" &&
		ip -n "$LAB_PREFIX-switch" link set "$name" master net up && ip -n "$ns" link set lo up &&
		ip -n "$ns" link set eth0 up || return 1
	for address in "$@"; do ip -n "$ns" addr add "$address/24" dev eth0 || return 1; done
	mkdir -p "$store"
	# A process that keeps the machine's mounts and name; everything typed there enters them.
	ip netns exec "$ns" unshare -mu --propagation private bash -c '
		for place in /etc /usr/sbin /usr/share /usr/lib/systemd/system; do
			at=$2$place
			mkdir -p "$at/upper" "$at/work" && mount -t overlay overlay -o "lowerdir=$place,upperdir=$at/upper,workdir=$at/work" $place || exit 1
		done
		rm -rf /etc/hapair
		mount -t tmpfs -o mode=755 tmpfs /run/hapair && mount -t tmpfs -o mode=755 tmpfs /var/lib/hapair || exit 1
		hostname "$1" && echo ready >"$2/ready" && exec sleep 100000' machine "$name" "$store" &
	echo $! >"$store/pid"
	holders="$holders $!"
	lab_until 5 test -e "$store/ready"
}

# on MACHINE COMMAND...: as root typed it there, in this repository.
on() {
	local machine=$1
	shift
	nsenter -t "$(cat "$dir/store/$machine/pid")" -m -u -n --wd="$LAB_TOP" env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS BUILD="$LAB_BUILD" PATH="$dir/tools:$PATH" bash -c "$*"
}

make_machine alpha 10.0.0.1 && make_machine beta 10.0.0.2 && make_machine another 10.0.0.100 10.0.0.11 10.0.0.12 ||
	lab_die "can't make the machines"

# --- stand-ins: each is what its name says, within this network ---
cat >"$dir/tools/machine_at" <<-END
	#!/bin/bash
	case \${1#root@} in 10.0.0.1) echo alpha ;; 10.0.0.2) echo beta ;; *) echo "no route to \$1" >&2; exit 1 ;; esac
END
cat >"$dir/tools/ssh" <<-END
	#!/bin/bash
	machine=\$($dir/tools/machine_at "\$1") || exit 255
	shift
	exec nsenter -t "\$(cat $dir/store/\$machine/pid)" -m -u -n env PATH="$dir/tools:\$PATH" bash -c "\$*"
END
cat >"$dir/tools/scp" <<-END
	#!/bin/bash
	[ "\$1" = -p ] && shift
	to=\${*: -1}
	for file in "\${@:1:\$#-1}"; do
		tar -cC "\$(dirname "\$file")" "\$(basename "\$file")" | $dir/tools/ssh "\${to%%:*}" "tar -xpC '\${to#*:}'" || exit 1
	done
END
cat >"$dir/tools/systemctl" <<-END
	#!/bin/bash
	[ "\$*" = "enable --now hapair" ] || { echo "systemctl \$*: not known here" >&2; exit 1; }
	command=\$(sed -n 's/^ExecStart=//p' /lib/systemd/system/hapair.service)
	[ -n "\$command" ] || { echo "Unit hapair.service could not be found." >&2; exit 5; }
	setsid \$command >"$dir/store/\$(uname -n).log" 2>&1 </dev/null &
END
chmod 755 "$dir"/tools/*

# --- servers ---
{
	echo "worker_processes 1; pid $dir/nginx.pid; error_log $dir/nginx.log; events { worker_connections 1024; } http { access_log off;"
	echo "client_body_temp_path $dir/t; proxy_temp_path $dir/t; fastcgi_temp_path $dir/t; uwsgi_temp_path $dir/t; scgi_temp_path $dir/t;"
	for n in 1 2; do echo "server { listen 10.0.0.1$n:8080; location / { return 200 \"web$n\n\"; } }"; done
	echo "}"
} >"$dir/nginx.conf"
lab_bg another "$dir/nginx.out" nginx -p "$dir" -c "$dir/nginx.conf" -g 'daemon off;'

# --- what README types ---
section=$(sed -n '/^## Install it on two VMs/,/^## /p' "$LAB_TOP/README.md" | sed -n '/^```/,/^```/p' | sed -n '2,/^```/p' | sed '/^```/d')
typed=0
where=
active() { on alpha hapair status --json 2>/dev/null | grep -q '"state": *"active"'; }
type_it() { # MACHINE COMMAND
	typed=$((typed + 1))
	on "$1" "$2" >"$dir/output" 2>&1 </dev/null
	local status=$?
	cat "$dir/output" >>"$dir/all"
	[ $status = 0 ] || not_ok "on $1: $2 (exit $status: $(tail -3 "$dir/output"))"
}
expect "README has commands" test "$(grep -c . <<<"$section")" -ge 5
expect "nothing is there before" on alpha "! test -e /etc/hapair"
started=$(lab_now)
while read -r line; do
	case $line in
	"# on "*) where=${line#\# on } ;;
	"") ;;
	*)
		case $where in
		both) type_it alpha "$line"; type_it beta "$line" ;;
		alpha) type_it alpha "$line" ;;
		"another machine")
			# A person looks at what `systemctl` said before he asks; the node waits for its peer for start_wait.
			lab_until 15 active || not_ok "alpha is active"
			type_it another "$line"
			answer=$(cat "$dir/output")
			;;
		*) not_ok "README says \"$where\", and nobody knows where that is" ;;
		esac
		case $line in
		"hapair init"*) said=$(cat "$dir/output") ;;
		"scp "* | "ssh "*) expect "init said so before: ${line%% *}" grep -qxF "  $line" <<<"$said" ;;
		esac
		;;
	esac
done <<<"$section"

at_most "commands typed" $typed 10
expect "the first request is answered ($(grep -o 'web[12]' <<<"${answer:-}" || echo "${answer:-nothing}"), $(($(lab_now) - started)) ms after the first command)" \
	grep -q 'web[12]' <<<"${answer:-}"
equal "the secret on beta: its mode" "$(on beta stat -c %a /etc/hapair/secret.key)" 600
expect "both nodes have the same" test "$(on alpha md5sum /etc/hapair/hapair.conf /etc/hapair/secret.key)" = "$(on beta md5sum /etc/hapair/hapair.conf /etc/hapair/secret.key)"
expect "beta waits beside it" lab_until 10 eval 'on beta hapair status --json 2>/dev/null | grep -q "\"state\": *\"passive\""'
expect "nothing of the host was touched" test "$(find /etc/hapair /usr/sbin/hapair /usr/share/hapair -newer "$dir/tools" 2>/dev/null | wc -l)" = 0
[ $STORY_FAILED = 0 ] || { echo "  said:"; tail -40 "$dir/all"; tail -n 20 "$dir"/store/*.log; }
exit $STORY_FAILED
