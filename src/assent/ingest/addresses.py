"""Of a network address only the network is ever kept. Pure, and total."""

import ipaddress


def network(address: object) -> str | None:
    """Return the network that an address is in, /24 of IPv4 and /48 of IPv6; None for what is no address."""
    if not isinstance(address, str):
        return None
    try:
        found = ipaddress.ip_address(address.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        # An IPv4 address may be written as an IPv6 one, whose first 48 bits would say nothing of it.
        mapped = found.ipv4_mapped
        if mapped is None:
            return str(ipaddress.ip_network((found, 48), strict=False))
        found = mapped
    return str(ipaddress.ip_network((found, 24), strict=False))
