/*
 * port.c: packet sockets come and go with their interface.
 */
#include "vip/port.h"

#include "hapair/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

const char *port_fault(const struct port *port)
{
	if (!port->link.index)
		return "the interface of a VIP is missing";
	if (!port->link.up)
		return "the interface of a VIP is down";
	if (!port->link.carrier)
		return "the interface of a VIP has no carrier";
	return NULL;
}

void port_listen(struct port *port, int family, int epoll_fd)
{
	struct packet **packet = family == AF_INET6 ? &port->neighbours : &port->arp;
	struct epoll_event event = {.events = EPOLLIN};
	int error;

	if (*packet || !port->link.index || !port->link.ethernet)
		return;
	error = packet_open(port->link.index, family, packet);
	if (error) {
		log_warning("%s: nothing can be announced (packet socket: %s)", port->link.name,
			    strerror(-error));
		*packet = NULL;
		return;
	}
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, packet_fd(*packet), &event))
		log_warning("%s: nothing can be heard: %s", port->link.name, strerror(errno));
}

void port_close(struct port *port)
{
	/* Closing takes them out of the epoll set. */
	packet_close(port->arp);
	packet_close(port->neighbours);
	port->arp = port->neighbours = NULL;
	if (port->counting && port->changes >= 0)
		close(port->changes);
	port->counting = false;
}

static bool count(struct port *port, long *ret)
{
	char text[24];
	ssize_t n = pread(port->changes, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	*ret = strtol(text, NULL, 10);
	return true;
}

static void begin_counting(struct port *port)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s/carrier_changes", port->link.name);
	port->changes = open(path, O_RDONLY | O_CLOEXEC);
	port->counting = true;
	/* What happened between the list and now is not known: say that something did. */
	port->counted = -1;
}

bool port_flickered(struct port *port)
{
	long before, now;

	if (!port->link.index)
		return false;
	if (!port->counting)
		begin_counting(port);
	if (port->changes < 0 || !count(port, &now))
		return false;
	before = port->counted;
	port->counted = now;
	return now != before;
}

struct packet *port_packet(const struct port *port, int family)
{
	return family == AF_INET6 ? port->neighbours : port->arp;
}
