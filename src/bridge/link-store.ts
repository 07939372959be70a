import type { Log } from '../model/ambient.ts';
import type { BridgeError } from '../model/errors.ts';
import type { RoomId } from '../model/ids.ts';
import type { LinkStore } from '../network/network.ts';
import type { Account, ArrivedStanza, Storage } from '../storage/storage.ts';
import type { InboxBacklog } from './inbox-backlog.ts';

type InboundStanza = Parameters<LinkStore['storeInbound']>[0][number];

/**
 * One account's inbox and outbox as its link sees them. Stanzas, the count of XEP-0198 and the archive id of XEP-0313 go
 * into one transaction: what is acknowledged is stored, and what is stored is neither sent nor asked for again.
 */
export function createLinkStore(deps: {
  storage: Storage;
  account: Account;
  log: Log;
  backlog: InboxBacklog;
  /** Whether the bridge can do anything with it; what it can't is counted, not stored. */
  isOfUse: (stanza: InboundStanza) => boolean;
  /** Senders of whom rows were stored. */
  onStored: (senders: readonly string[]) => void;
  /** What this sender has sent was counted and not stored; `episode`: the same as long as it goes on. */
  onRefused: (sender: string, episode: string) => void;
  /** A row left the outbox for good without having been sent. */
  onRejected: (rowId: string, reason: BridgeError) => Promise<void>;
  /** The server has messages of these rooms. */
  onSent: (rooms: readonly RoomId[]) => void;
}): LinkStore {
  const { account, backlog } = deps;
  const { database, fates, streams, networkInbox, outbox } = deps.storage;
  return {
    load: async () =>
      await database.transaction(async (tx) => {
        const found = await streams.find(tx, account);
        if (found?.smId === undefined) return undefined;
        const { boundJid, handled, sent, isCaughtUp } = found;
        return { smId: found.smId, boundJid, handled, sent, isCaughtUp };
      }),
    begin: async (session) => {
      // crash point: archive-session-bound
      await database.transaction(async (tx) => {
        await streams.begin(tx, account, session);
        await outbox.forgetNumbers(tx, account.id);
      });
    },
    storeInbound: async (stanzas, handled, archiveId) => {
      const arrived = stanzas.filter(deps.isOfUse).map(toArrived);
      const refused = new Set<string>();
      const taken = arrived.filter(({ lane }) => {
        const isRefused = backlog.refuses(account.id, lane);
        if (isRefused) refused.add(lane);
        return !isRefused;
      });
      const added = await database.transaction(async (tx) => {
        const rows = await networkInbox.insert(tx, account, taken);
        await streams.saveHandled(tx, account.id, handled, archiveId);
        return rows;
      });
      // crash point: stanzas-stored
      for (const { lane, bytes } of added) backlog.stored(account, lane, bytes);
      if (added.length > 0) deps.onStored([...new Set(added.map(({ lane }) => lane))]);
      for (const lane of refused) deps.onRefused(lane, String(backlog.headOf(account.id, lane)));
    },
    whenRoom: async (signal) => await backlog.whenRoom(account.id, signal),
    findArchiveId: async () =>
      await database.transaction(async (tx) => (await streams.find(tx, account))?.archiveId),
    markCaughtUp: async () => {
      // crash point: archive-read
      await database.transaction(async (tx) => await streams.saveCaughtUp(tx, account.id));
    },
    nextOutbound: async (limit) =>
      await database.transaction(async (tx) => await outbox.listUnnumbered(tx, account, limit)),
    markSent: async (rows) => {
      const last = rows.at(-1);
      if (last === undefined) return;
      await database.transaction(async (tx) => {
        await outbox.saveNumbers(tx, rows);
        await streams.saveSent(tx, account.id, last.number);
      });
      // crash point: stanzas-numbered
    },
    markAcked: async (upTo) => {
      // crash point: stanzas-acknowledged
      const sent = await database.transaction(async (tx) => {
        const settled = await outbox.settleUpTo(tx, account.id, upTo);
        for (const carried of settled)
          await fates.save(tx, { ...carried, account: account.id, state: 'sent' });
        return settled;
      });
      if (sent.length > 0) deps.onSent([...new Set(sent.map(({ room }) => room))]);
    },
    listUnacked: async () => await database.transaction(async (tx) => await outbox.listNumbered(tx, account)),
    reject: async (rowId, reason) => {
      deps.log.warn('stanza refused for good', { row: rowId, code: reason.code });
      await deps.onRejected(rowId, reason);
    },
  };
}

function toArrived(stanza: InboundStanza): ArrivedStanza {
  return {
    lane: bareJid(stanza.from),
    id: stanza.id,
    digest: stanza.digest,
    archiveId: stanza.archiveId,
    isError: /^<message\b[^>]*\stype=(["'])error\1/.test(stanza.xml),
    stanza: { from: stanza.from, xml: stanza.xml, delayedAtMs: stanza.delayedAtMs },
  };
}

/** RFC 7622 §3.1: what stands before the first slash. */
function bareJid(jid: string): string {
  const slash = jid.indexOf('/');
  return slash === -1 ? jid : jid.slice(0, slash);
}
