/*
 * libnl.h: what the users of libnl-route in this folder share: its errors as errno, an address as its object.
 */
#ifndef HAPAIR_VIP_LIBNL_H
#define HAPAIR_VIP_LIBNL_H

#include "hapair/base/addr.h"

#include <netlink/route/addr.h>
#include <stdbool.h>

/* 0 or negative errno for what libnl returned; -EIO for what has no errno of its own. */
int libnl_errno(int nl_error);

/* Such a negative errno says that the address was not there; which one it is differs between families and kernels. */
bool libnl_says_absent(int error);

/* The caller's, until rtnl_addr_put(); NULL: no memory. */
struct rtnl_addr *libnl_address(const struct ip *ip, int prefix_len, int ifindex);

#endif
