import { createHash } from 'node:crypto';
import type { Account } from '../storage/storage.ts';
import type { BoundaryFacts } from './boundary.ts';
import { type BridgeParts, type NetworkPart, networkOf } from './parts.ts';

const HOUR_MS = 60 * 60_000;

/** What native chats have and bridged ones do not yet; every release that adds one shortens it. */
const NOT_YET = ['groups', 'calls', 'polls'];

/** The facts before there is an account: what `opt-in` shows. */
export function networkFacts(parts: Pick<BridgeParts, 'settings'>, network: NetworkPart): BoundaryFacts {
  return {
    matrixEncrypted: false,
    operator: parts.settings.operator,
    network: { id: network.adapter.id, name: network.adapter.displayName },
    suite: 'pqxdh+spqr',
    keptHours: network.keepSentMs / HOUR_MS,
    keptFailedHours: parts.settings.keepFailedMs / HOUR_MS,
    keptFileDays: parts.settings.keepFilesMs / (24 * HOUR_MS),
    lost: NOT_YET,
  };
}

/** The facts of this account's portals. */
export async function boundaryFactsOf(parts: BridgeParts, account: Account): Promise<BoundaryFacts> {
  const network = networkOf(parts, account);
  return { ...networkFacts(parts, network), ownFingerprint: await ownFingerprint(parts, account) };
}

/** Hexadecimal SHA-256 of the account's Signal identity key: the same bytes that the proof token's `cnf` carries. */
export async function ownFingerprint(parts: BridgeParts, account: Account): Promise<string> {
  const network = networkOf(parts, account);
  const key = await parts.storage.database.transaction(
    async (tx) => await network.signal.identityKey(tx, account),
  );
  return createHash('sha256').update(key).digest('hex');
}
