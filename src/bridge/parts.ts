/** What the core is made of: handed in by the composition root, the same for every file of this folder. */

import type { MatrixSide } from '../matrix/matrix.ts';
import type { Media } from '../media/media.ts';
import type { Clock, Log, Random } from '../model/ambient.ts';
import { codeOf } from '../model/errors.ts';
import type { MatrixUserId, NetworkId } from '../model/ids.ts';
import type { EnlistedAccount, NetworkAdapter } from '../network/network.ts';
import type { SignalAccount, SignalService } from '../signal/signal.ts';
import type { Account, Storage, Tx, UserSettingName } from '../storage/storage.ts';
import type { Operator } from './boundary.ts';
import { bridgeErrors } from './errors.ts';
import type { InboxLimits } from './inbox-backlog.ts';
import type { Texts } from './texts/texts.ts';

/** One configured network: its adapter, its Signal service, and the rules that the operator set for it. */
export type NetworkPart = Readonly<{
  adapter: NetworkAdapter;
  signal: SignalService;
  /** Homeservers whose users are covered by the operator's agreement. */
  homeservers: readonly string[];
  /** Whether contacts are told that a message has arrived in the room. */
  sendReceipts: boolean;
  /** Version of the gatekeeper's terms that the operator agreed to. */
  termsVersion: string;
  /** For how long a sent message is kept for a contact who asks for it again. */
  keepSentMs: number;
  /** What may wait to be brought into rooms before an account's stream is not read on. */
  inboxLimits: InboxLimits;
}>;

export type Permission = 'none' | 'user' | 'admin';

export type BridgeSettings = Readonly<{
  operator: Operator;
  /** Such as `!bridge`. */
  commandPrefix: string;
  /** Beginning of the aliases of portal rooms, within the registration's namespace. */
  aliasPrefix: string;
  permissionOf: (user: MatrixUserId) => Permission;
  /** Whether clients are told by `com.beeper.message_send_status` events what became of a message. */
  statusEvents: boolean;
  /** What contacts see of people who have not chosen. */
  shareByDefault: Readonly<Record<UserSettingName, boolean>>;
  /** A message that waited longer fails visibly instead of being sent late. */
  tooOldMs: number;
  /** For how long the content of a message that failed is kept, sealed, so that it can be sent again. */
  keepFailedMs: number;
  /** For how long a file that was sent is hosted. */
  keepFilesMs: number;
  version: string;
  sourceUrl: string;
}>;

/** Counts for the operator; see http/metrics. */
export interface BridgeMetrics {
  message(facts: { network: string; leg: 'outbound' | 'inbound'; outcome: string; seconds?: number }): void;
  /** A step of a queue failed. @param code as `codeOf` gives it. */
  error(code: string): void;
}

export type BridgeParts = Readonly<{
  storage: Storage;
  matrix: MatrixSide;
  media: Pick<Media, 'host' | 'fetch' | 'inspect' | 'parseEncryptedFile' | 'decryptMatrixFile'>;
  networks: ReadonlyMap<NetworkId, NetworkPart>;
  texts: Texts;
  settings: BridgeSettings;
  metrics: BridgeMetrics;
  clock: Clock;
  random: Random;
  log: Log;
}>;

/** @throws BridgeError `bridge/networkUnknown`: the network was taken out of the configuration. */
export function networkOf(parts: Pick<BridgeParts, 'networks'>, account: Account): NetworkPart {
  const network = parts.networks.get(account.network);
  if (network === undefined) throw bridgeErrors.networkUnknown({ network: account.network });
  return network;
}

/** @throws BridgeError `bridge/accountNotActive` before the gatekeeper has answered. */
export function signalAccount(account: Account): SignalAccount {
  if (account.enlistment === undefined) throw bridgeErrors.accountNotActive({ account: account.id });
  const { jid, device } = account.enlistment;
  return { id: account.id, dataKey: account.dataKey, jid, device };
}

/** The account as its network knows it. @throws BridgeError `bridge/accountNotActive`. */
export async function enlistedAccount(
  tx: Tx,
  network: NetworkPart,
  account: Account,
): Promise<EnlistedAccount> {
  const { enlistment } = account;
  if (enlistment === undefined) throw bridgeErrors.accountNotActive({ account: account.id });
  const signalIdentity = await network.signal.identityKey(tx, account);
  return {
    accountId: account.id,
    user: account.user,
    interopId: enlistment.interopId,
    jid: enlistment.jid,
    device: enlistment.device,
    host: enlistment.host,
    port: enlistment.port,
    signalIdentity,
  };
}

/** The id of the text that tells a person the reason of a failure. */
export function reasonOf(texts: Texts, failure: unknown): string {
  const notice = (failure as { notice?: unknown } | undefined)?.notice;
  return typeof notice === 'string' && texts.has(`reason-${notice}`) ? `reason-${notice}` : 'reason-internal';
}

/** The reason for a failure, in words for the person whom it concerns. */
export function reasonText(texts: Texts, failure: unknown, network: string): string {
  return texts.say(reasonOf(texts, failure), { code: codeOf(failure), network });
}
