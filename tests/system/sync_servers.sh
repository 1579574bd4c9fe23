#!/bin/bash
# What is said of servers on one node holds on both, over restarts, reloads and splits.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "servers are added, weighted, drained and removed on one node, and it holds on both"

lab_pair_start
node=$LAB_ACTIVE
other=$LAB_PASSIVE

server() { lab_status "$1" ".pools[] | select(.name == \"${2%/*}\") | .servers[] | select(.name == \"${2#*/}\") | $3"; }
is() { [ "$(server "$1" "$2" "$3")" = "$4" ]; }
in_sync() { [ "$(lab_status "$1" '.sync.connected and .sync.matches')" = true ]; }
both_in_sync() { in_sync alpha && in_sync beta; }
served() { for _ in $(seq "${1:-8}"); do lab_in client curl -s -m 2 "http://$LAB_VIP/"; done | sort -u | tr '\n' ' '; }
# shown MS NODE SERVER FILTER VALUE: how long until the node shows it, and not longer than MS.
shown() {
	local from end
	from=$(lab_now)
	lab_until 5 is "$2" "$3" "$4" "$5" || { not_ok "$3 shows $4 = $5 on $2"; return; }
	end=$(lab_now)
	within "$3: $4 is $5 on $2 after" $((end - from)) "$1"
}

expect "the two admins are connected" lab_until 5 both_in_sync

# One node says, both do.
sed -i '/server web3/d' "$LAB/hapair.conf"
for n in alpha beta; do lab_hapair "$n" reload >/dev/null; done
lab_hapair "$node" server add web/extra 10.77.0.13:8080 weight=2 >"$LAB/said" 2>&1
equal "server add on the active" "$?: $(cat "$LAB/said")" "0: web/extra: add 10.77.0.13:8080 weight=2"
shown 1000 "$other" web/extra .weight 2
expect "it inherits the pool's check and comes up" lab_until 5 is "$node" web/extra .state up
expect "on the other node as well" lab_until 5 is "$other" web/extra .state up
equal "and is marked as added at run time" "$(server "$other" web/extra .runtime)" true
expect "it gets requests" eval 'served | grep -q web3'
lab_hapair "$other" server weight web/extra 7 >/dev/null
shown 1000 "$node" web/extra .weight 7
lab_hapair "$other" server drain web/web1 >/dev/null
shown 1000 "$node" web/web1 .state drain
lab_hapair "$node" server weight web/web2 9 >/dev/null
shown 1000 "$other" web/web2 .weight 9

# What makes no sense is refused.
for line in "add web/extra 10.77.0.14:8080|already" "add web/x 10.77.0.14|address" "add wbe/x 10.77.0.14:80|did you mean" \
	"weight web/web2 0|1 to 256" "weight web/web2 300|1 to 256" "remove web/nothing|no server" "add web/x 10.77.0.14:80 weight=x|weight"; do
	lab_hapair "$node" server ${line%|*} >"$LAB/said" 2>&1
	status=$?
	expect "refused: server ${line%|*} ($(head -1 "$LAB/said"))" test $status != 0 -a -n "$(grep -- "${line#*|}" "$LAB/said")"
done

# A reload, a killed proxy, a killed admin, both nodes stopped.
lab_hapair "$node" reload >/dev/null
kill -9 "$(lab_pids "$node" proxy)" "$(lab_pids "$node" admin)"
expect "after a reload and a killed proxy and admin: the weight" lab_until 5 is "$node" web/extra .weight 7
expect "the state" lab_until 5 is "$node" web/web1 .state drain
expect "the verdict" lab_until 5 is "$node" web/extra .state up
expect "and the connection" lab_until 5 both_in_sync
lab_stop alpha
lab_stop beta
lab_start alpha
lab_start beta
lab_wait_settled
lab_roles
node=$LAB_ACTIVE
other=$LAB_PASSIVE
for n in alpha beta; do
	equal "both nodes started anew: weights on $n" "$(server $n web/extra .weight) $(server $n web/web2 .weight)" "7 9"
	expect "and the drain on $n" lab_until 3 is $n web/web1 .state drain
done
expect "connected again" lab_until 5 both_in_sync

# Split: both say something, then both agree.
lab_cut alpha beta
lab_cut beta alpha
not_connected() { [ "$(lab_status alpha .sync.connected) $(lab_status beta .sync.connected)" = "false false" ]; }
expect "a split is noticed" lab_until 10 not_connected
lab_hapair alpha server add web/a 10.77.0.12:8080 >/dev/null
lab_hapair beta server add web/b 10.77.0.11:8080 weight=3 >/dev/null
lab_hapair alpha server ready web/web1 >/dev/null
lab_hapair alpha server weight web/web2 4 >/dev/null
lab_hapair beta server weight web/web2 5 >/dev/null
lab_hapair beta server remove web/extra >/dev/null
from=$(lab_now)
lab_heal
expect "healed: they are connected and agree" lab_until 10 both_in_sync
echo "  after $(($(lab_now) - from)) ms"
for n in alpha beta; do
	expect "$n has what was said on alpha" lab_until 2 is $n web/a .weight 1
	expect "$n has what was said on beta" lab_until 2 is $n web/b .weight 3
	expect "$n: the later word counts" lab_until 2 is $n web/web2 .weight 5
	expect "$n: ready" lab_until 3 is $n web/web1 .state up
	equal "$n: removed" "$(server $n web/extra .name)" ""
done

# One link is enough.
lab_cable beta down hb
expect "one link lost: still, or again, in sync" lab_until 8 both_in_sync
lab_hapair alpha server drain web/a >/dev/null
expect "and what is said arrives" lab_until 5 is beta web/a .state drain
lab_cable beta up hb

# A server of the file is removed and comes back.
lab_hapair alpha server remove web/web2 >/dev/null
gone() { [ -z "$(server "$1" web/web2 .name)" ]; }
expect "a server of the file is removed on both" eval 'lab_until 2 gone alpha && lab_until 2 gone beta'
lab_hapair alpha reload >/dev/null
expect "a reload does not bring it back" gone alpha
lab_hapair beta server add web/web2 10.77.0.12:8080 >/dev/null
expect "server add does" lab_until 3 is alpha web/web2 .weight 1

# A new secret, one node after the other.
old=$(cat "$LAB/secret.key")
new="2 $(openssl rand -hex 32)"
printf '%s\n%s\n' "$old" "$new" >"$LAB/secret.key"
lab_hapair alpha reload >/dev/null; lab_hapair beta reload >/dev/null
printf '%s\n%s\n' "$new" "$old" >"$LAB/secret.key"
lab_hapair alpha reload >/dev/null
kill -9 "$(lab_pids alpha admin)"
sleep 0.3
expect "alpha signs with the new key, beta still with the old one: in sync" lab_until 8 both_in_sync
lab_hapair beta reload >/dev/null
printf '%s\n' "$new" >"$LAB/secret.key"
lab_hapair alpha reload >/dev/null; lab_hapair beta reload >/dev/null
kill -9 "$(lab_pids beta admin)"
sleep 0.3
expect "the new key alone: in sync" lab_until 8 both_in_sync
lab_hapair beta server remove web/b >/dev/null
gone_b() { [ -z "$(server alpha web/b .name)" ]; }
expect "and what is said arrives" lab_until 3 gone_b
story_end
