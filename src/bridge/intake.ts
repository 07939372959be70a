import type { MatrixSide, RoomEvent, TransactionSink } from '../matrix/matrix.ts';
import type { RoomLane, Storage } from '../storage/storage.ts';

/**
 * Takes in what the homeserver pushes: events of people go to the inbox in one transaction, and the homeserver is
 * answered after it. What the bot and the ghosts themselves sent comes back here and is left out.
 */
export function createIntake(deps: {
  storage: Storage;
  matrix: Pick<MatrixSide, 'botUserId' | 'parseGhost'>;
  /** These rooms have something new. */
  onStored: (rooms: readonly RoomLane[]) => void;
}): TransactionSink {
  return {
    store: async (transaction) => {
      const { botUserId, parseGhost } = deps.matrix;
      const foreign = transaction.events.filter(
        (event) => event.sender !== botUserId && parseGhost(event.sender) === undefined,
      );
      const rooms = await deps.storage.database.transaction(
        async (tx) => await deps.storage.matrixInbox.insert(tx, foreign.map(toArrived)),
      );
      // crash point: intake-stored
      if (rooms.length > 0) deps.onStored(rooms);
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
