/*
 * handover.c: checks and the record, see handover.h.
 */
#include "vip/handover.h"

#include <string.h>

static const char record_mark[] = "hapair drain 1";

bool handover_mac_is_sane(const uint8_t mac[HANDOVER_MAC])
{
	static const uint8_t zero[HANDOVER_MAC];

	return memcmp(mac, zero, HANDOVER_MAC) != 0 && !(mac[0] & 1);
}

const char *handover_refusal(const struct handover_plan *plan, const uint8_t heard[][HANDOVER_MAC],
			     const size_t *port)
{
	if (plan->n_devices == 0)
		return "no interface carries a VIP";
	if (plan->timeout <= 0)
		return "drain_timeout is 0";
	for (size_t i = 0; i < plan->n_devices; i++) {
		const struct handover_device *device = &plan->devices[i];

		if (device->index == 0)
			return "the interface of a VIP is missing";
		if (!handover_mac_is_sane(device->own))
			return "the interface of a VIP has no MAC";
		if (!handover_mac_is_sane(device->peer))
			return "the peer did not tell the MAC of its interface";
		if (memcmp(device->own, device->peer, HANDOVER_MAC) == 0)
			return "both nodes have the same MAC";
	}
	/* Where the holder is seen under another MAC than it has, something between the nodes is no plain switch. */
	for (size_t i = 0; !plan->giving && i < plan->n_vips; i++)
		if (handover_mac_is_sane(heard[i]) &&
		    memcmp(heard[i], plan->devices[port[i]].peer, HANDOVER_MAC) != 0)
			return "the peer is seen under another MAC than its own: the nodes are not on one "
			       "link";
	return NULL;
}

/* --- the record: "hapair drain 1 INDEX:ANNOUNCE:IGNORE ..." --- */

static bool put_number(char **at, const char *end, unsigned number, char after)
{
	char digits[12];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + number % 10);
	while (number /= 10);
	if ((size_t)(end - *at) < n + 2)
		return false;
	while (n)
		*(*at)++ = digits[--n];
	if (after)
		*(*at)++ = after;
	**at = 0;
	return true;
}

bool handover_record_write(const struct handover_before *before, char out[HANDOVER_RECORD_MAX])
{
	char *at = out + sizeof(record_mark) - 1;
	const char *end = out + HANDOVER_RECORD_MAX;

	memcpy(out, record_mark, sizeof(record_mark));
	for (size_t i = 0; i < before->n; i++) {
		*at++ = ' ';
		if (!put_number(&at, end, before->devices[i].index, ':') ||
		    !put_number(&at, end, before->devices[i].arp_announce, ':') ||
		    !put_number(&at, end, before->devices[i].arp_ignore, 0))
			return false;
	}
	return true;
}

static bool take_number(const char **at, char after, unsigned *ret)
{
	const char *p = *at;
	unsigned number = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (number > 100000000)
			return false;
		number = number * 10 + (unsigned)(*p - '0');
	}
	if (after && *p++ != after)
		return false;
	*at = p;
	*ret = number;
	return true;
}

bool handover_record_read(const char *text, struct handover_before *ret)
{
	const char *at = text + sizeof(record_mark) - 1;

	memset(ret, 0, sizeof(*ret));
	if (strncmp(text, record_mark, sizeof(record_mark) - 1) != 0)
		return false;
	while (*at == ' ') {
		unsigned index, announce, ignore;

		at++;
		if (ret->n == HANDOVER_DEVICES_MAX || !take_number(&at, ':', &index) ||
		    !take_number(&at, ':', &announce) || !take_number(&at, 0, &ignore) || announce > 255 ||
		    ignore > 255)
			return false;
		ret->devices[ret->n].index = index;
		ret->devices[ret->n].arp_announce = (uint8_t)announce;
		ret->devices[ret->n++].arp_ignore = (uint8_t)ignore;
	}
	return *at == 0;
}
