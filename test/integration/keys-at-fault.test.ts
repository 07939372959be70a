/** A keys service that misbehaves: the sender sees why nothing goes, nothing goes in the clear, and it goes on later. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { KeysFault } from '../../src/sandbox/gatekeeper/faults.ts';
import { BridgeWorld, textsOf } from './bridge-world.ts';

/** Each with a contact of its own, to whom there is no session yet. */
const FAULTS: readonly Readonly<{ fault: KeysFault; contact: string; reason: RegExp }>[] = [
  { fault: 'bad-signatures', contact: 'Ann', reason: /keys that Gatekeeper gave .* are not sound/ },
  { fault: 'foreign-bundle', contact: 'Ben', reason: /keys that Gatekeeper gave .* are not sound/ },
  { fault: 'absent', contact: 'Cid', reason: /has no encryption keys at Gatekeeper/ },
];
/** These pass by themselves, as a rule before anybody has to be told. */
const DELAYS = [
  { fault: 'too-many', contact: 'Dan', code: 'network/rateLimited' },
  { fault: 'mute', contact: 'Eve', code: 'stream/timeout' },
] as const;
/** A wait is told to its sender after a minute, at the next attempt. */
const TOLD_WITHIN_MS = 150_000;

describe('keys at fault', () => {
  let bridge: BridgeWorld;
  const rooms = new Map<string, string>();

  before(async () => {
    const contacts = [...FAULTS, ...DELAYS, { contact: 'Fay' }].map(({ contact }) => ({ name: contact }));
    bridge = await BridgeWorld.start({ contacts });
    for (const { name } of contacts) rooms.set(name, await bridge.startChat(name));
  });
  after(async () => await bridge?.stop());

  for (const { fault, contact, reason } of FAULTS) {
    it(`${fault}: its sender sees the reason, and it goes on once the keys are sound`, async () => {
      const { faults } = bridge.world.gatekeeper;
      const room = rooms.get(contact) ?? '';
      const phone = bridge.phone(contact);
      faults.keys = fault;
      const held = `secret while ${fault}`;
      const heldId = await bridge.alice.say(room, held);
      const notice = await bridge.answerTo(heldId, TOLD_WITHIN_MS).finally(() => {
        faults.keys = 'none';
      });
      assert.match(notice.body, reason);
      assert.deepEqual(phone.received, []);
      const next = `sound after ${fault}`;
      await bridge.alice.say(room, next);
      await bridge.until(() => textsOf(phone).includes(next), `${next} on the phone`, TOLD_WITHIN_MS);
      // What was told as not bridged must not come after all; what was told as waiting must come, and first.
      assert.deepEqual(textsOf(phone), /was not bridged/.test(notice.body) ? [next] : [held, next]);
    });
  }

  for (const { fault, contact, code } of DELAYS) {
    it(`${fault}: it waits, the log says why, and all goes on in order once there is an answer`, async () => {
      const { faults } = bridge.world.gatekeeper;
      const room = rooms.get(contact) ?? '';
      const phone = bridge.phone(contact);
      const since = (await bridge.bridgeLog()).length;
      faults.keys = fault;
      const bodies = [`secret while ${fault}`, `sound after ${fault}`];
      for (const body of bodies) await bridge.alice.say(room, body);
      await bridge
        .logShows(
          (line) => line.msg === 'event not handled' && line.code === code,
          code,
          since,
          TOLD_WITHIN_MS,
        )
        .finally(() => {
          faults.keys = 'none';
        });
      await bridge.phoneShows(phone, bodies);
    });
  }

  it('no one-time keys left: the last-resort key does, and the session is as any other', async () => {
    const room = rooms.get('Fay') ?? '';
    const fay = bridge.phone('Fay');
    bridge.world.gatekeeper.faults.keys = 'none-left';
    await bridge.alice.say(room, 'by last resort');
    await bridge.phoneShows(fay, ['by last resort']);
    bridge.world.gatekeeper.faults.keys = 'none';
    await fay.send(await bridge.aliceJid(), { text: 'works' });
    await bridge.roomShows(room, ['works']);
    await bridge.alice.say(room, 'confirmed');
    await bridge.phoneShows(fay, ['by last resort', 'confirmed']);
    assert.equal(fay.received.at(-1)?.encType, 'message');
  });

  it('nothing of what was said lies at the gatekeeper in the clear', async () => {
    const folder = join(bridge.dir, 'gatekeeper');
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    assert.ok(files.some(({ parentPath }) => parentPath.includes('prosody')));
    for (const { parentPath, name } of files) {
      const held = await readFile(join(parentPath, name));
      for (const text of ['secret while', 'sound after', 'by last resort']) {
        for (const form of [text, Buffer.from(text).toString('base64').slice(0, 12)]) {
          assert.ok(!held.includes(form), `${text} in ${name}`);
        }
      }
    }
  });
});
