#!/bin/bash
# A real etcd of Debian. Cuts of both links, of etcd, and of both: there is never a second answerer, and the key follows the VIP.
# LAB_ROUNDS cuts of both links; every tenth takes etcd from the holder too, so that the VIP has to move.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "with etcd as witness there are never two answerers, whatever is cut"

ROUNDS=${LAB_ROUNDS:-10}
TTL_MS=2000
LAB_WITNESS="witness etcd { endpoints = { http://10.77.0.11:2379 }  ttl = 2s }"

holds() { [ "$(lab_status "$1" '.fence.left_ms > 0')" = true ]; }
has_key() { [ "$(lab_etcd_holder)" = "$1" ]; }
cut_both() {
	lab_cut alpha beta
	lab_cut beta alpha
}
# From the machine of etcd and of the servers.
cut_etcd() { lab_in switch nft "add element bridge lab cut { \"$1\" . \"web\", \"web\" . \"$1\" }"; }
overlaps_in() { field "$1" '.overlaps + .both_in_one_turn'; }

lab_etcd_start
lab_pair_start
lab_observer_start
sleep 4.5 # a new life claims nothing on silence for ttl + 2 s: before that, no cut would prove anything
expect "the holder has the key" lab_until 3 has_key "$LAB_ACTIVE"
equal "and etcd's yes" "$(lab_status "$LAB_ACTIVE" .witness.answer)" yes

overlaps=0 kept=0 stayed=0 moved=0 moves=0 slowest=0
for ((round = 1; round <= ROUNDS; round++)); do
	lab_roles
	lab_tell observer begin cut
	if [ $((round % 10)) = 0 ]; then
		cut_etcd "$LAB_ACTIVE"
		cut_both
		moves=$((moves + 1))
		# What it did not notice in time it will not have: its lease and one poll, etcd's own half second, the observer's.
		sleep $((TTL_MS / 1000)).8
		lab_is "$LAB_PASSIVE" active && ! holds "$LAB_ACTIVE" && moved=$((moved + 1))
	else
		cut_both
		sleep 0.6
		stayed=$((stayed + 1))
		lab_is "$LAB_PASSIVE" passive && holds "$LAB_ACTIVE" && kept=$((kept + 1))
	fi
	seen=$(lab_ask observer)
	overlaps=$((overlaps + $(overlaps_in "$seen")))
	lab_heal
	lab_until 5 lab_settled || not_ok "the pair settles after cut $round"
done
equal "never two answerers over $ROUNDS cuts of both links" "$overlaps" 0
equal "the VIP stays where the key is" "$kept" "$stayed"
equal "a holder cut from etcd too lets go, and the other takes over" "$moved" "$moves"
lab_roles
expect "the key is where the VIP is" lab_until 3 has_key "$LAB_ACTIVE"

# Planned moves do not wait for etcd; the key comes after.
lab_tell observer begin move
lab_hapair "$LAB_ACTIVE" switchover >/dev/null || not_ok "switchover"
expect "the key follows a switchover" lab_until 3 has_key "$LAB_PASSIVE"
seen=$(lab_ask observer)
within "nobody answered during it for at most" "$(field "$seen" .silence_ms)" 60
lab_until 5 lab_settled || not_ok "the pair settles"

# etcd lost, slow, restarted.
lab_roles
lapses=$(lab_status "$LAB_ACTIVE" .fence.lapses)
lab_tell observer begin etcd
kill -STOP "$LAB_ETCD_PID"
sleep $((TTL_MS / 1000 + 1))
equal "etcd does not answer: nothing moves" "$(lab_active) $(lab_status "$LAB_ACTIVE" '.fence.lapses, .witness.answer' | paste -sd ' ')" "$LAB_ACTIVE $lapses unknown"
within "and the holder answered on, longest silence" "$(field "$(lab_ask observer)" .silence_ms)" 40
lab_tell observer begin nobody
cut_both
sleep 0.6
equal "then the peer is lost too: nobody claims" "$(holds alpha && echo alpha)$(holds beta && echo beta)" ""
sleep 2
kill -CONT "$LAB_ETCD_PID"
one_holds() { [ "$(holds alpha && echo alpha)$(holds beta && echo beta)" = "$1" ]; }
lab_until 6 eval 'one_holds alpha || one_holds beta'
expect "etcd answers again: one of them claims" eval 'one_holds alpha || one_holds beta'
lab_heal
lab_until 5 lab_settled || not_ok "the pair settles"
equal "never two answerers" "$(overlaps_in "$(lab_ask observer)")" 0
lab_roles
lab_tell observer begin restart
kill -9 "$LAB_ETCD_PID"
lab_until 3 lab_gone "$LAB_ETCD_PID"
sleep 0.5
lab_etcd_start
yes_again() { [ "$(lab_status "$LAB_ACTIVE" .witness.answer)" = yes ]; }
expect "etcd restarted: the holder has its yes again" lab_until 5 yes_again
within "and answered on, longest silence" "$(field "$(lab_ask observer)" .silence_ms)" 40

# The processes that carry the key.
lab_tell observer begin processes
lab_signal KILL "$LAB_ACTIVE" admin
sleep 0.3
lab_signal KILL "$LAB_ACTIVE" heartbeat
sleep 0.5
cut_both
sleep 1.5
seen=$(lab_ask observer)
equal "admin and heartbeat killed, then cut: the holder holds, nobody else" "$(holds "$LAB_ACTIVE" && echo yes) $(overlaps_in "$seen")" "yes 0"
lab_heal
lab_until 5 lab_settled || not_ok "the pair settles"

# A machine that is lost, and a daemon that is stopped.
lab_roles
lab_tell observer begin lost
lab_lose "$LAB_ACTIVE"
lab_until 8 lab_is "$LAB_PASSIVE" active
within "the loss of a machine is over after the lease" "$(field "$(lab_ask observer)" .silence_ms)" $((TTL_MS + 1500))
lab_return "$LAB_ACTIVE"
lab_until 10 lab_settled || not_ok "the pair settles after the return"
lab_roles
lab_tell observer begin stop
lab_stop "$LAB_ACTIVE"
sleep $((TTL_MS / 1000 + 1))
within "a stop does not wait for etcd, nor does what follows" "$(field "$(lab_ask observer)" .silence_ms)" 60
equal "the other holds, alone" "$(lab_state "$LAB_PASSIVE") $(lab_etcd_holder)" "active $LAB_PASSIVE"
story_end
