/*
 * libnl.c: errors and addresses in libnl's terms.
 */
#include "vip/libnl.h"

#include <errno.h>
#include <netlink/addr.h>
#include <netlink/errno.h>

int libnl_errno(int nl_error)
{
	switch (nl_error < 0 ? -nl_error : nl_error) {
	case 0:
		return 0;
	case NLE_EXIST:
		return -EEXIST;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_NODEV:
		return -ENODEV;
	case NLE_NOADDR:
		return -EADDRNOTAVAIL;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_OPNOTSUPP:
	case NLE_AF_NOSUPPORT:
		return -EOPNOTSUPP;
	case NLE_RANGE:
	case NLE_INVAL:
		return -EINVAL;
	default:
		return -EIO;
	}
}

bool libnl_says_absent(int error)
{
	return error == -EADDRNOTAVAIL || error == -ENODEV || error == -ENOENT;
}

struct rtnl_addr *libnl_address(const struct ip *ip, int prefix_len, int ifindex)
{
	struct nl_addr *local = nl_addr_build(ip->family, ip->bytes, ip->family == AF_INET6 ? 16 : 4);
	struct rtnl_addr *addr = rtnl_addr_alloc();

	if (local && addr) {
		nl_addr_set_prefixlen(local, prefix_len);
		rtnl_addr_set_ifindex(addr, ifindex);
		rtnl_addr_set_local(addr, local);
		rtnl_addr_set_prefixlen(addr, prefix_len);
	} else {
		rtnl_addr_put(addr);
		addr = NULL;
	}
	nl_addr_put(local);
	return addr;
}
