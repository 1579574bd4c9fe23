#!/bin/bash
# The processes of one node: what each may do, that a dead or frozen one comes back without the others noticing, that the end is
# in order. One node alone; what the pair makes of a dead role is told elsewhere.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "every role is shut in, comes back alone, and ends in order"

ROLES="heartbeat proxy admin runner"
lab_backends_start
mkdir -m 777 "$LAB/hooks"
cat >"$LAB/on-event" <<-END
	#!/bin/sh
	echo "\$HAPAIR_EVENT as \$(id -un), epoch \$HAPAIR_EPOCH, node \$HAPAIR_NODE" >>$LAB/hooks/log
	echo hello from the hook
END
chmod 755 "$LAB/on-event"
LAB_NOTIFY="active = $LAB/on-event  passive = $LAB/on-event  user = hapair" lab_config >"$LAB/hapair.conf"

# In the foreground of a background job, so that its exit status is ours to see.
node_run() {
	mkdir -p "$LAB/alpha"
	ip netns exec "$(lab_ns alpha)" "$LAB_HAPAIR" -c "$LAB/hapair.conf" -n alpha -r "$LAB/alpha/run" -s "$LAB/alpha/state" run \
		>>"$LAB/alpha/log" 2>&1 </dev/null &
	SUPERVISOR=$!
	echo "$SUPERVISOR" >"$LAB/alpha/lab.pid"
	lab_until 10 lab_is alpha active
}

status_of() { awk -v name="$2:" '$1 == name { print $2 }' "/proc/$1/status"; }
runs_again() { # ROLE OLD_PID
	local pid
	pid=$(lab_pids alpha "$1")
	[ -n "$pid" ] && [ "$pid" != "$2" ] &&
		[ "$(lab_status alpha ".processes[] | select(.role == \"$1\") | .pid")" = "$pid" ]
}

expect "one node alone becomes active" node_run

for role in $ROLES; do
	pid=$(lab_pids alpha "$role")
	expect "$role has its title" test -n "$pid"
	equal "$role does not run as root" "$(ps -o user= -p "$pid")" hapair
	equal "$role can gain no privilege" "$(status_of "$pid" NoNewPrivs)" 1
	[ -n "$STORY_SANITIZED" ] || equal "$role has a filter of system calls" "$(status_of "$pid" Seccomp)" 2
	case $role in
	heartbeat) equal "$role has NET_ADMIN, NET_RAW and IPC_LOCK only" "$(status_of "$pid" CapEff)" 0000000000007000 ;;
	*) equal "$role has no capability" "$(status_of "$pid" CapPrm)" 0000000000000000 ;;
	esac
done

lab_until 5 grep -q '^active' "$LAB/hooks/log"
expect "the hook ran as its user" grep -q '^active as hapair, epoch [0-9]*, node alpha$' "$LAB/hooks/log"
expect "what the hook printed is in the log" grep -q 'runner: active says: hello from the hook' "$LAB/alpha/log"

lab_hapair alpha run >"$LAB/second" 2>&1
equal "a second daemon of the node is refused" $? 1
expect "and told why" grep -q 'another hapair runs there' "$LAB/second"

for role in $ROLES; do
	sleep 1.1 # a quiet time, after which the restart is at once again
	before=$(for other in $ROLES; do [ $other = $role ] || lab_pids alpha $other; done)
	pid=$(lab_pids alpha "$role")
	kill -9 "$pid"
	expect "$role killed -9 is started again" lab_until 5 runs_again "$role" "$pid"
	after=$(for other in $ROLES; do [ $other = $role ] || lab_pids alpha $other; done)
	equal "the other roles live on" "$after" "$before"
	took=$(sed -n "s/.*process $role: starting -> running: \([0-9]*\) ms after.*/\1/p" "$LAB/alpha/log" | tail -1)
	# heartbeat has a lease to keep, also on a busy machine; what the others take is only told.
	if [ $role = heartbeat ]; then within "$role was back" "$took" 50; else echo "  $role was back after $took ms"; fi
done
expect "the node is active after all that" lab_until 3 lab_is alpha active
equal "each was restarted once" "$(lab_status alpha '[.processes[] | select(.role != "supervisor") | .restarts] | tostring')" "[1,1,1,1]"

# A role that hangs: nobody sees its socket close. 10 s of silence, then it is ended.
pid=$(lab_pids alpha admin)
"$LAB_TOOLS/hold" "$pid" 20 &
expect "a role that hangs is ended and started again" lab_until 20 runs_again admin "$pid"
expect "for its silence" grep -q "admin has said nothing for 10 s" "$LAB/alpha/log"
# One that is stopped: its parent is told.
sleep 1.1
pid=$(lab_pids alpha runner)
kill -STOP "$pid"
expect "a frozen role is ended and started again soon" lab_until 2 runs_again runner "$pid"

# The whole node frozen: its silence is no role's fault.
before=$(for role in $ROLES; do lab_pids alpha $role; done)
lab_signal STOP alpha
sleep 12
lab_signal CONT alpha
sleep 2.5
equal "a frozen node thaws with the same processes" "$(for role in $ROLES; do lab_pids alpha $role; done)" "$before"
expect "and serves again" lab_until 5 lab_is alpha active

kill -TERM "$SUPERVISOR"
wait "$SUPERVISOR"
equal "SIGTERM ends with status" $? 0
equal "no process is left" "$(lab_pids alpha)" ""
equal "no address is left" "$(ip -n "$(lab_ns alpha)" -o addr | grep -c -e "$LAB_VIP" -e "$LAB_VIP6")" 0
equal "no filter is left" "$(lab_in alpha nft list tables)" ""
expect "no socket is left" test ! -e "$LAB/alpha/run/control.sock"
expect "the last hook was run too" grep -q '^passive' "$LAB/hooks/log"

node_run
pids=$(lab_pids alpha)
kill -9 "$SUPERVISOR"
wait "$SUPERVISOR" 2>/dev/null
no_process_left() { [ -z "$(lab_pids alpha)" ]; }
expect "a killed supervisor takes its roles along" lab_until 1 no_process_left

expect "what a killed node left behind does not hinder the next" node_run
kill -9 "$SUPERVISOR"
wait "$SUPERVISOR" 2>/dev/null
expect "nor does its heartbeat, which is still saying goodbye" node_run
kill -INT "$SUPERVISOR"
wait "$SUPERVISOR"
equal "SIGINT ends with status" $? 0

sed -i 's/pool = web$/pool = wep/' "$LAB/hapair.conf"
lab_hapair alpha run >"$LAB/second" 2>&1
equal "a wrong configuration ends the start" $? 1
expect "with the line and a guess" grep -q 'hapair.conf:[0-9]*: .*web' "$LAB/second"
story_end
