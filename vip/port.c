/*
 * port.c: packet sockets come and go with their interface.
 */
#include "vip/port.h"

#include "hapair/base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

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
}

struct packet *port_packet(const struct port *port, int family)
{
	return family == AF_INET6 ? port->neighbours : port->arp;
}
