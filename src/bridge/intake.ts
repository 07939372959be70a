import type { MatrixSide, MatrixSign, RoomEvent, TransactionSink } from '../matrix/matrix.ts';
import type { AccountId } from '../model/ids.ts';
import type { RoomLane, Storage } from '../storage/storage.ts';
import type { ReadMarks } from './read-marks.ts';

/**
 * Takes in what the homeserver pushes: events of people go to the inbox in one transaction, and the homeserver is
 * answered after it, and so do the markers that its read receipts become. What the bot and the ghosts themselves sent comes back here and is left out.
 */
export function createIntake(deps: {
  storage: Storage;
  matrix: Pick<MatrixSide, 'botUserId' | 'parseGhost' | 'readSigns' | 'redactionTarget'>;
  readMarks: Pick<ReadMarks, 'queue'>;
  /** These rooms have something new. */
  onStored: (rooms: readonly RoomLane[]) => void;
  /** These accounts have something new to send. */
  onQueued: (accounts: readonly AccountId[]) => void;
  /** Somebody writes, or stopped. */
  onTyping: (sign: Extract<MatrixSign, { kind: 'typing' }>) => void;
}): TransactionSink {
  return {
    store: async (transaction) => {
      const { botUserId, parseGhost } = deps.matrix;
      const foreign = transaction.events.filter(
        (event) => event.sender !== botUserId && parseGhost(event.sender) === undefined,
      );
      const signs = deps.matrix.readSigns(transaction.ephemeral);
      const { rooms, readers } = await deps.storage.database.transaction(async (tx) => {
        const stored = await deps.storage.matrixInbox.insert(tx, foreign.map(toArrived));
        for (const event of foreign) {
          const target = deps.matrix.redactionTarget(event);
          // What its author takes back before it was sent is not sent.
          if (target !== undefined) await deps.storage.matrixInbox.settleRedacted(tx, target, event.sender);
        }
        const accounts = new Set<AccountId>();
        for (const sign of signs) {
          const account = sign.kind === 'read' ? await deps.readMarks.queue(tx, sign) : undefined;
          if (account !== undefined) accounts.add(account);
        }
        return { rooms: stored, readers: accounts };
      });
      // crash point: intake-stored
      if (rooms.length > 0) deps.onStored(rooms);
      if (readers.size > 0) deps.onQueued([...readers]);
      for (const sign of signs) if (sign.kind === 'typing') deps.onTyping(sign);
    },
  };
}

function toArrived(event: RoomEvent) {
  return {
    event: event.event_id,
    room: event.room_id,
    sender: event.sender,
    type: event.type,
    json: JSON.stringify(event),
  };
}
