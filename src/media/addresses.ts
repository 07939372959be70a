/**
 * Which addresses are public. Everything that IANA keeps for a special purpose is not (RFC 6890 and the registries it
 * began), and of IPv6 only 2000::/3 is: a host that a gatekeeper names has no business elsewhere.
 */
import { BlockList, isIPv6 } from 'node:net';

const SPECIAL: readonly (readonly [address: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  // Multicast, reserved, broadcast.
  ['224.0.0.0', 3],
  // IPv4 within IPv6, each way to write it: Teredo and other protocols, 6to4.
  ['2001::', 23],
  ['2002::', 16],
  ['2001:db8::', 32],
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
];

const special = new BlockList();
for (const [address, prefix] of SPECIAL) {
  special.addSubnet(address, prefix, isIPv6(address) ? 'ipv6' : 'ipv4');
}
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');

/** @param address an IPv4 or IPv6 address, not a name; without brackets. */
export function isPublicAddress(address: string): boolean {
  // An address with a zone is one of the link.
  if (address.includes('%')) return false;
  if (!isIPv6(address)) return !special.check(address, 'ipv4');
  return global6.check(address, 'ipv6') && !special.check(address, 'ipv6');
}
