/**
 * One GET to a host that must not lead us into our own network: its name is resolved once, each address is judged, and the
 * connection goes to one of exactly these, whatever the name says a moment later. Name and certificate are still checked
 * against the name (SNI, Host).
 */
import { lookup as lookUp } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import tls from 'node:tls';
import { isPublicAddress } from './addresses.ts';
import { mediaErrors } from './errors.ts';

export type Address = Readonly<{ address: string; family: number }>;
/** All addresses of a name. */
export type Resolve = (name: string) => Promise<readonly Address[]>;

export const resolveBySystem: Resolve = async (name) => await lookUp(name, { all: true });

export type PinnedGet = Readonly<{
  url: URL;
  /** PEM, trusted beside the usual authorities. */
  ca: string | undefined;
  resolve: Resolve;
  signal: AbortSignal;
}>;

const LOOPBACK_NAME = /^(?:localhost|127(?:\.\d+){3}|::1)$/;
const LOOPBACK_ADDRESS = /^(?:127(?:\.\d+){3}|::1)$/;

/**
 * @returns the answer of whatever status, its body unread.
 * @throws BridgeError `media/notAllowed`: an address is not public. Node's own errors otherwise.
 */
export async function getPinned(get: PinnedGet): Promise<http.IncomingMessage> {
  const { url, signal } = get;
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(name) > 0 ? [{ address: name, family: isIP(name) }] : await resolved(get, name);
  // The sandbox: who configures this machine by its name means it. A public name that leads here is refused.
  const isFit = LOOPBACK_NAME.test(name)
    ? (address: string) => LOOPBACK_ADDRESS.test(address)
    : isPublicAddress;
  if (addresses.length === 0 || !addresses.every(({ address }) => isFit(address))) {
    throw mediaErrors.notAllowed({ host: url.host, why: 'address' });
  }
  return await new Promise((resolve, reject) => {
    const outgoing = (url.protocol === 'https:' ? https : http).request(url, {
      agent: false,
      headers: { Accept: '*/*', 'Accept-Encoding': 'identity', 'User-Agent': 'Drawbridge' },
      lookup: pinnedTo(addresses),
      signal,
      minVersion: 'TLSv1.2',
      ...(get.ca === undefined ? {} : { ca: [...tls.getCACertificates('default'), get.ca] }),
    });
    outgoing.once('response', resolve);
    // May come again once the promise is settled, and then changes nothing.
    outgoing.on('error', reject);
    // Node tells of some ends in no other way, such as that of an unwanted "101 Switching Protocols".
    outgoing.on('close', () => reject(new Error('closed')));
    outgoing.end();
  });
}

/** The system's resolver cannot be stopped: when the signal comes first, nobody waits for it. */
async function resolved({ resolve, signal }: PinnedGet, name: string): Promise<readonly Address[]> {
  signal.throwIfAborted();
  return await new Promise((done, failed) => {
    signal.addEventListener('abort', () => failed(signal.reason as Error), { once: true });
    resolve(name).then(done, failed);
  });
}

function pinnedTo(addresses: readonly Address[]): LookupFunction {
  return (_name, options, tell) => {
    const fit = addresses.filter(({ family }) => !options.family || family === options.family);
    const [first = addresses[0]] = fit;
    if (options.all === true) tell(null, [...fit]);
    else tell(null, first?.address ?? '', first?.family ?? 0);
  };
}
