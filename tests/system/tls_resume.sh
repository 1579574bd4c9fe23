#!/bin/bash
# A TLS session that began on one node goes on at the other.
set -u
. "$(dirname "$0")/../../scripts/story.sh"
story "a TLS session is resumed on the other node after a switchover, a loss, a reload and restarts"

lab_pair_start

# session FILE VERSION [IN]: one request; keeps the session in FILE, offers the one in IN; says "New" or "Reused".
session() {
	printf 'GET / HTTP/1.1\r\nHost: shop.lab\r\nConnection: close\r\n\r\n' |
		lab_in client timeout 5 openssl s_client -connect "$LAB_VIP:443" "-$2" -sess_out "$1" ${3:+-sess_in "$3"} -ign_eof 2>/dev/null |
		sed -n 's/^\(New\|Reused\), TLSv.*/\1/p' | head -1
}
keys() { [ "$(lab_status alpha .sync.ticket_keys)" -ge 2 ] && [ "$(lab_status alpha .sync.ticket_keys)" = "$(lab_status beta .sync.ticket_keys)" ]; }

expect "both nodes have the same number of keys" lab_until 10 keys
sleep 0.3
for version in tls1_2 tls1_3; do
	equal "$version: first a whole handshake" "$(session "$LAB/$version" $version)" New
	equal "$version: resumed on the same node" "$(session "$LAB/again" $version "$LAB/$version")" Reused
done
first=$LAB_ACTIVE
lab_hapair "$LAB_ACTIVE" switchover >/dev/null
lab_until 5 lab_settled
lab_roles
equal "after the switchover the other node is active" "$LAB_ACTIVE" "$(lab_other "$first")"
for version in tls1_2 tls1_3; do
	equal "$version: resumed on the other node" "$(session "$LAB/again" $version "$LAB/$version")" Reused
done
lab_hapair "$LAB_ACTIVE" reload >/dev/null
equal "and after a reload" "$(session "$LAB/again" tls1_3 "$LAB/tls1_3")" Reused
kill -9 "$(lab_pids "$LAB_ACTIVE" admin)"
sleep 2
equal "and with another admin" "$(session "$LAB/again" tls1_3 "$LAB/tls1_3")" Reused
kill -9 "$(lab_pids "$LAB_ACTIVE" proxy)"
lab_until 5 lab_settled
sleep 0.3
equal "and with another proxy" "$(session "$LAB/again" tls1_3 "$LAB/tls1_3")" Reused
lab_roles
lab_lose "$LAB_ACTIVE"
lab_until 5 lab_is "$LAB_PASSIVE" active
for version in tls1_2 tls1_3; do
	equal "$version: resumed when its node is lost" "$(session "$LAB/again" $version "$LAB/$version")" Reused
done
lab_return "$LAB_ACTIVE"
lab_wait_settled 20
expect "a node that comes back gets the keys" lab_until 10 keys
sleep 0.3
lab_roles
lab_hapair "$LAB_ACTIVE" switchover >/dev/null
lab_until 5 lab_settled
equal "and resumes what it had begun itself before" "$(session "$LAB/again" tls1_3 "$LAB/tls1_3")" Reused
story_end
