/** What contacts send while the bridge is away for longer than any session: the server's archive brings it (XEP-0313). */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Phone } from '../../src/sandbox/phone/phone.ts';
import { BOB, BridgeWorld, type LogLine, numbered } from './bridge-world.ts';

const CONTACTS = [BOB, { name: 'Carol', phone: '+33199000042' }, { name: 'Dave' }];
const EACH = 100;
/** Hundreds of messages take their time where other tests run besides. */
const PATIENCE_MS = 120_000;
const yes = () => true;
const no = () => false;

for (const database of ['sqlite', 'postgres'] as const) {
  describe(`the archive of the network, on ${database}`, () => {
    let bridge: BridgeWorld;
    /** By the contact's name: the room, what must stand in it, and the stanzas that must be receipted. */
    const chats = new Map<string, { room: string; texts: string[]; stanzas: string[] }>();

    const send = async (name: string, texts: readonly string[]) => {
      const alice = await bridge.aliceJid();
      const chat = chats.get(name);
      for (const text of texts) {
        chat?.stanzas.push(await bridge.phone(name).send(alice, { text }));
        chat?.texts.push(text);
      }
    };
    const sendAll = async (what: string, count: number) =>
      await Promise.all(CONTACTS.map(({ name }) => send(name, numbered(`${what} from ${name}`, count))));
    const catchUps = async (): Promise<LogLine[]> =>
      (await bridge.bridgeLog()).filter(({ msg }) => msg === 'archive caught up');
    const archiveIsRead = async (more: number) =>
      await bridge.until(async () => (await catchUps()).length >= more, `caught up ${more} times`);
    /** Sessions are forgotten as after a long absence. Phones leave in order: what they sent is at the server. */
    const restartNetwork = async () => {
      const phones = CONTACTS.map(({ name }) => bridge.phone(name));
      await Promise.all(phones.map(async (phone) => await phone.goOffline()));
      await bridge.world.gatekeeper.prosody.restart();
      // A phone wants to refill its keys, and the keys service has to come back, too.
      const isBack = async (phone: Phone) => await phone.goOnline().then(yes, no);
      for (const phone of phones)
        await bridge.until(async () => await isBack(phone), `${phone.name} is back`, PATIENCE_MS);
    };
    const allIsThere = async () => {
      for (const [name, { room, texts, stanzas }] of chats) {
        const isFull = () => bridge.seenTexts(room).length >= texts.length;
        await bridge.until(isFull, `${texts.length} texts of ${name}`, PATIENCE_MS);
        await bridge.roomShows(room, texts);
        // A receipt may come again when the network was restarted before it was acknowledged.
        const receipted = () => new Set(bridge.phone(name).receipts.map(({ stanzaId }) => stanzaId));
        await bridge.until(() => receipted().size >= stanzas.length, `receipts for ${name}`, PATIENCE_MS);
        assert.deepEqual(receipted(), new Set(stanzas));
        assert.deepEqual(bridge.phone(name).events.of('retry-asked'), []);
      }
    };

    before(async () => {
      bridge = await BridgeWorld.start({ database, contacts: CONTACTS });
      for (const { name } of CONTACTS) {
        chats.set(name, { room: await bridge.startChat(name), texts: [], stanzas: [] });
      }
      await sendAll('hello', 2);
      await allIsThere();
    });
    after(async () => await bridge?.stop());

    it('is read once when the account first connects, and not by a session that is resumed', async () => {
      await archiveIsRead(1);
      await bridge.world.bridge.kill();
      await sendAll('in between', 5);
      await bridge.world.bridge.start();
      await allIsThere();
      assert.equal((await catchUps()).length, 1);
    });

    it('brings all that came while the bridge was dead and its session was lost, in order, once', async () => {
      await bridge.world.bridge.kill();
      // The first half waits in the session that nobody will resume.
      await sendAll('first half', EACH / 2);
      await restartNetwork();
      await sendAll('second half', EACH / 2);
      await bridge.world.bridge.start();
      await allIsThere();
      await archiveIsRead(2);
      const [, line] = await catchUps();
      // Among them are receipts of ours: the archive has what we send, too.
      assert(Number(line?.results) >= 3 * EACH, JSON.stringify(line));
    });

    it('is read on where it was when the bridge dies while reading it', async () => {
      await bridge.world.bridge.kill();
      await restartNetwork();
      await sendAll('while away', EACH);
      const lines = (await bridge.bridgeLog()).length;
      const started = bridge.world.bridge.start('live');
      await bridge.logShows(({ msg }) => msg === 'stream online', 'the new session', lines);
      await bridge.world.bridge.kill();
      await started.catch(() => undefined);
      // They go to a session that has not caught up.
      await sendAll('after', 5);
      await bridge.world.bridge.start();
      await allIsThere();
      await archiveIsRead(3);
    });

    it('and what is live come in order while contacts go on writing', async () => {
      await bridge.world.bridge.kill();
      await restartNetwork();
      await sendAll('before', 30);
      await Promise.all([bridge.world.bridge.start(), sendAll('during', 60)]);
      await sendAll('afterwards', 2);
      await allIsThere();
      await archiveIsRead(4);
    });
  });
}
