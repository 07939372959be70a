import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { InboxBacklog } from '../../../src/bridge/inbox-backlog.ts';
import { accountId, networkId } from '../../../src/model/ids.ts';
import { RecordingLog } from '../../doubles/recording-log.ts';

const NETWORK = networkId('gk');
const ADA = { id: accountId('a0000000-0000-4000-8000-000000000001'), network: NETWORK };
const EVE = { id: accountId('a0000000-0000-4000-8000-000000000002'), network: NETWORK };
const LIMITS = { accountRows: 10, accountBytes: 1_000, contactRows: 6, contactBytes: 600 };

describe('the backlog of an inbox', () => {
  let backlog: InboxBacklog;
  let log: RecordingLog;
  const stop = new AbortController();
  /** Rows that stand in the table, by lane, oldest first. */
  const rows = new Map<string, { seq: number; bytes: number }[]>();
  let seq = 0;

  beforeEach(() => {
    log = new RecordingLog();
    backlog = new InboxBacklog({ limitsOf: (network) => (network === NETWORK ? LIMITS : undefined), log });
    rows.clear();
  });

  const store = (lane: string, count: number, bytes = 1, account = ADA) => {
    for (let left = count; left > 0; left -= 1) {
      seq += 1;
      rows.set(lane, [...(rows.get(lane) ?? []), { seq, bytes }]);
      backlog.stored(account, lane, bytes);
    }
  };
  /** The lane looks at its oldest row, once for each that it settles and once more. */
  const settle = (lane: string, count: number) => {
    const all = rows.get(lane) ?? [];
    for (let left = count; left > 0; left -= 1) {
      backlog.seen(ADA.id, lane, all[0]);
      all.shift();
      backlog.seen(ADA.id, lane, all[0]);
    }
  };
  const isRead = async (account = ADA) => {
    const over = AbortSignal.abort(new Error('held'));
    return await backlog.whenRoom(account.id, over).then(
      () => true,
      () => false,
    );
  };

  it('holds the stream when all contacts together are over the bound of the account (case 5.4)', async () => {
    store('bob', 5);
    store('carol', 4);
    assert.equal(await isRead(), true);
    store('dave', 1);
    assert.equal(await isRead(), false);
    assert.equal(await isRead(EVE), true, 'other accounts are not concerned');
  });

  it('holds the stream when one contact is over theirs (case 5.3)', async () => {
    store('bob', 6);
    assert.equal(await isRead(), false);
  });

  it('counts size as well as number (case 5.3)', async () => {
    store('bob', 1, 599);
    assert.equal(await isRead(), true);
    store('bob', 1, 1);
    assert.equal(await isRead(), false);
  });

  it('lets go when half is drained, not before, and says both', async () => {
    store('bob', 6);
    let isLetGo = false;
    const held = backlog.whenRoom(ADA.id, stop.signal).then(() => {
      isLetGo = true;
    });
    assert.equal(backlog.countHeld(NETWORK), 1);
    settle('bob', 3);
    await Promise.resolve();
    assert.equal(isLetGo, false);
    settle('bob', 1);
    await held;
    assert.equal(backlog.countHeld(NETWORK), 0);
    assert.deepEqual(
      log.entries.map(({ message }) => message),
      ['inbox full: stream not read', 'inbox drained: stream read again'],
    );
  });

  it('is what the database says at the start, and empty where a lane finds nothing', async () => {
    backlog.load([{ account: ADA.id, network: NETWORK, lane: 'bob', rows: 6, bytes: 6 }]);
    assert.equal(await isRead(), false);
    backlog.seen(ADA.id, 'bob', undefined);
    assert.equal(await isRead(), true);
  });

  it('looks at the same row do not count it as settled', async () => {
    store('bob', 6);
    for (const _ of [1, 2, 3, 4]) backlog.seen(ADA.id, 'bob', rows.get('bob')?.[0]);
    assert.equal(await isRead(), false);
  });

  it('a contact whose messages wait for the user holds nothing, and is refused beyond their bound (case 5.5)', async () => {
    store('bob', 5);
    backlog.seen(ADA.id, 'bob', rows.get('bob')?.[0], true);
    assert.equal(backlog.refuses(ADA.id, 'bob'), false);
    store('bob', 1);
    assert.equal(await isRead(), true);
    assert.equal(backlog.refuses(ADA.id, 'bob'), true);
    assert.equal(backlog.refuses(ADA.id, 'carol'), false);
    backlog.seen(ADA.id, 'bob', rows.get('bob')?.[0], false);
    assert.equal(backlog.refuses(ADA.id, 'bob'), false, 'the user has decided');
  });

  it('many such contacts together are refused beyond the bound of the account (case 5.5)', async () => {
    for (const lane of ['bob', 'carol', 'dave']) {
      store(lane, 4);
      backlog.seen(ADA.id, lane, rows.get(lane)?.[0], true);
    }
    assert.equal(await isRead(), true);
    assert.equal(backlog.refuses(ADA.id, 'dave'), true);
  });

  it('whoever waits is told when the session ends, and when the account is gone', async () => {
    store('bob', 6);
    const over = new AbortController();
    const given = backlog.whenRoom(ADA.id, over.signal);
    over.abort(new Error('over'));
    await assert.rejects(given, /over/);
    const gone = backlog.whenRoom(ADA.id, stop.signal);
    backlog.forget(ADA.id);
    await gone;
  });
});
