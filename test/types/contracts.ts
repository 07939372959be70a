/** What the contracts of the rooms forbid. Checked by `tsc -p .`; nothing here runs. */
import type { BridgeParts } from '../../src/bridge/parts.ts';
import type { SendWish } from '../../src/matrix/matrix.ts';
import { defineErrors } from '../../src/model/errors.ts';
import type { ContactId, NetworkId, RoomId } from '../../src/model/ids.ts';
import type { Link } from '../../src/network/network.ts';
import type { Storage, Tx } from '../../src/storage/storage.ts';

/** An error is raised by the name that its table has, with ids and numbers only. */
export function errorsAreNamed(): void {
  const errors = defineErrors('house', { onFire: { retry: 'later', arrived: 'no', notice: 'internal' } });
  errors.onFire({ room: 'kitchen', degrees: 400 });
  // @ts-expect-error no such code
  errors.flooded();
  // @ts-expect-error facts are ids, numbers and flags: an object could be content
  errors.onFire({ event: { body: 'secret' } });
  // @ts-expect-error a queue knows three advices
  defineErrors('house', { onFire: { retry: 'soon', arrived: 'no', notice: 'internal' } });
  // @ts-expect-error whether it arrived must be said
  defineErrors('house', { onFire: { retry: 'later', notice: 'internal' } });
}

/** A repository takes the open transaction first. */
export async function repositoriesNeedATransaction(storage: Storage, tx: Tx, room: RoomId): Promise<void> {
  await storage.portals.findByRoom(tx, room);
  // @ts-expect-error
  await storage.portals.findByRoom(room);
  // @ts-expect-error
  await storage.portals.findByRoom(tx, '!room');
  // @ts-expect-error a network is no account
  await storage.portals.find(tx, 'gk' as NetworkId, 'bob@gk.example' as ContactId);
}

/** What is handed in is not changed. */
export function inputsAreReadonly(parts: BridgeParts, wish: SendWish, link: Link): void {
  // @ts-expect-error
  parts.settings.tooOldMs = 0;
  // @ts-expect-error
  parts.settings.operator.name = 'somebody else';
  // @ts-expect-error
  wish.txnId = 'another';
  // @ts-expect-error
  link.status = { kind: 'stopped' };
}
