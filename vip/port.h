/*
 * port.h: one interface that carries VIPs: what the kernel last said of it, and the packet sockets on it.
 */
#ifndef HAPAIR_VIP_PORT_H
#define HAPAIR_VIP_PORT_H

#include "vip/packet.h"
#include "vip/watch.h"

struct port {
	struct watch_link link; /* the name stays; index 0: there is no such interface now */
	struct packet *arp, *neighbours;
	bool counting; /* `changes` was opened, or could not be */
	int changes;   /* the kernel's counter of carriers come and gone; -1: there is none */
	long counted;
};

/* Why it can't carry a VIP now (static), NULL when it can. */
const char *port_fault(const struct port *port);

/*
 * Opens the socket for that family of VIPs, if it is not open and the interface has neighbours to talk to, and adds it to the epoll
 * set. What is refused is logged: the VIP works, but nobody is told.
 */
void port_listen(struct port *port, int family, int epoll_fd);
void port_close(struct port *port);

/*
 * The carrier came or went since the last call, whatever was told of it: the kernel tells of carriers in batches, the next one up to a
 * second after the last (linkwatch), but counts them at once (sysfs-class-net, carrier_changes). Never waits. False also where
 * there is no such counter.
 */
bool port_flickered(struct port *port);

/* NULL where there is none. */
struct packet *port_packet(const struct port *port, int family);

#endif
