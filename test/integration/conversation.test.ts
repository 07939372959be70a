/** What a person on Matrix and their contacts meet, from the opt-in to the proof of the opt-out, on both databases. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Phone } from '../../src/sandbox/phone/phone.ts';
import { BOB, BridgeWorld, LONG_MS, numbered, textsOf } from './bridge-world.ts';

type MatrixEvent = { type: string; event_id: string; content: Record<string, unknown> };

const CONTACTS = [BOB, { name: 'Carol', phone: '+33199000042' }, { name: 'Dave' }];
const EACH_WAY = 50;

for (const database of ['sqlite', 'postgres'] as const) {
  describe(`a conversation on ${database}`, () => {
    let bridge: BridgeWorld;
    let bobsRoom: string;

    const timeline = async (room: string): Promise<MatrixEvent[]> => {
      const { chunk } = await bridge.alice.client.createMessagesRequest(room, null, 100, 'f' as never);
      return chunk as MatrixEvent[];
    };
    const state = async (room: string, type: string, key = '') =>
      (await bridge.alice.client.getStateEvent(room, type, key)) as Record<string, unknown>;
    const stateEvents = async (room: string, type: string) =>
      (await bridge.alice.client.roomState(room)).filter((event) => event.type === type);

    before(async () => {
      bridge = await BridgeWorld.start({ database, contacts: CONTACTS, optIn: false });
      await bridge.world.gatekeeper.enrolPhone({ name: 'Shy', phone: '+4917000000', optedIn: false });
    });
    after(async () => await bridge?.stop());

    describe('before the yes', () => {
      it('nothing is enlisted: not by the command, not by the notice, not by a no', async () => {
        const notice = await bridge.command('opt-in');
        assert.match(notice.body, /Nothing is sent to Gatekeeper before you say yes/);
        assert.deepEqual(bridge.enlistees(), []);
        const answer = await bridge.command('no');
        assert.equal(answer.body, 'Nothing was sent to Gatekeeper.');
        assert.deepEqual(bridge.enlistees(), []);
      });

      it('a yes to nothing is an unknown word, and start-chat tells what is missing', async () => {
        assert.match((await bridge.command('yes')).body, /^I do not know "yes"/);
        assert.match((await bridge.command('start-chat +4930901820')).body, /You are not connected/);
        assert.match((await bridge.command('status')).body, /You are not connected to any network/);
        assert.deepEqual(bridge.enlistees(), []);
      });

      it('a typed yes connects', async () => {
        const notice = await bridge.command('opt-in');
        assert.match(notice.body, /^Before you connect to Gatekeeper/);
        assert.equal((await bridge.command('yes')).body, 'Thank you. Connecting you to Gatekeeper…');
        await bridge.alice.seeMessage(({ body }) => body.startsWith('You are connected to'), LONG_MS);
        assert.deepEqual(
          bridge.enlistees().map(({ subject, state: is }) => [subject, is]),
          [[bridge.alice.userId, 'active']],
        );
      });
    });

    describe('the outcomes of start-chat', () => {
      it('reachable: a room, the same one when asked again', async () => {
        bobsRoom = await bridge.startChat('"+49 30 90 18-20"');
        assert.equal(await bridge.startChat('@bob'), bobsRoom);
      });

      it('not opted in, unknown, and what is no identifier are each told as such', async () => {
        const answers = [
          ['start-chat +4917000000', /does not take messages from other services/],
          ['start-chat +4917111111', /^Gatekeeper does not know \+4917111111\.$/],
          ['start-chat 12345', /^"12345" is neither a phone number/],
          ['start-chat', /^Usage: start-chat <identifier>/],
        ] as const;
        for (const [line, wanted] of answers) assert.match((await bridge.command(line)).body, wanted);
      });
    });

    describe('a new portal', () => {
      it('is a direct chat to which the ghost invites', async () => {
        const invited = bridge.alice.log.of('invited').filter(({ room }) => room === bobsRoom);
        assert.ok(invited.length > 0 && invited.every(({ isDirect }) => isDirect));
        assert.notEqual(invited[0]?.by, bridge.world.botUserId);
        const ghost = bridge.alice.room(bobsRoom)?.getMember(invited[0]?.by ?? '');
        assert.match(ghost?.name ?? '', /Bob/);
      });

      it('has the boundary notice as its first message, pinned, and in one line as its topic', async () => {
        const [first] = (await timeline(bobsRoom)).filter(({ type }) => type === 'm.room.message');
        assert.ok(first !== undefined);
        assert.match(String(first.content.body), /^This room is a chat with Bob.* on Gatekeeper\./);
        assert.match(String(first.content.body), /decrypted and encrypted again/);
        assert.deepEqual(await state(bobsRoom, 'm.room.pinned_events'), { pinned: [first.event_id] });
        const { topic } = await state(bobsRoom, 'm.room.topic');
        assert.match(String(topic), /Messages are decrypted at the bridge run by Sam Sandbox\./);
      });

      it('tells machines of the boundary, the bridge, and who is a service', async () => {
        const boundary = await state(bobsRoom, 'org.drawbridge.e2ee_boundary');
        assert.deepEqual(boundary.matrix_leg, { encryption: 'none' });
        const leg = boundary.network_leg as Record<string, unknown>;
        assert.equal(leg.protocol, 'signal');
        const spoken = (await bridge.command('status')).body.replaceAll(' ', '');
        assert.ok(spoken.includes(String(leg.own_identity_sha256)), 'status tells the same fingerprint');
        for (const type of ['m.bridge', 'uk.half-shot.bridge']) {
          const [event, ...more] = await stateEvents(bobsRoom, type);
          assert.deepEqual(more, []);
          assert.ok(event !== undefined);
          assert.equal(event.content.bridgebot, bridge.world.botUserId);
          assert.equal((event.content.channel as { id: string }).id, bridge.bob.jid);
        }
        const { service_members } = await state(bobsRoom, 'io.element.functional_members');
        assert.deepEqual(service_members, [bridge.world.botUserId]);
      });
    });

    describe('text', () => {
      it('crosses both ways in order, once, with three contacts at once', async () => {
        const alice = await bridge.aliceJid();
        const pairs: { phone: Phone; room: string }[] = [];
        for (const { name } of CONTACTS) {
          pairs.push({ phone: bridge.phone(name), room: await bridge.startChat(name) });
        }
        const ways = pairs.flatMap(({ phone, room }) => [
          async () => {
            for (const body of numbered(`to ${phone.name}`, EACH_WAY)) await bridge.alice.say(room, body);
          },
          async () => {
            for (const text of numbered(`from ${phone.name}`, EACH_WAY)) await phone.send(alice, { text });
          },
        ]);
        await Promise.all(ways.map(async (send) => await send()));
        for (const { phone, room } of pairs) {
          await bridge.phoneShows(phone, numbered(`to ${phone.name}`, EACH_WAY));
          await bridge.roomShows(room, numbered(`from ${phone.name}`, EACH_WAY));
          assert.deepEqual(phone.events.of('undecryptable'), []);
          assert.deepEqual(phone.events.of('repeat'), []);
        }
      });

      it('is preceded, once for each contact, by the notice of where the encryption ends', () => {
        for (const { name } of CONTACTS) {
          const phone = bridge.phone(name);
          assert.equal(phone.boundaryNotices.length, 1);
          assert.ok(phone.received[0]?.content.boundaryNotice !== undefined, 'the notice comes first');
          const { notice } = phone.boundaryNotices[0] ?? {};
          assert.equal(notice?.operatorName, 'Sam Sandbox');
          assert.ok(notice?.text.includes(bridge.alice.userId));
        }
      });

      it('arrives as it was written: scripts, emoji, lines, markup, and what looks like XML', async () => {
        const texts = [
          'Grüße — привет, 你好 👩‍👩‍👧',
          'one\ntwo\n',
          '<b>&amp;</b> ]]> **x**',
          '\u202eright to left',
        ];
        const sent = [...textsOf(bridge.bob), ...texts];
        const seen = [...bridge.seenTexts(bobsRoom), ...texts];
        for (const text of texts) {
          await bridge.alice.say(bobsRoom, text);
          await bridge.bob.send(await bridge.aliceJid(), { text });
        }
        await bridge.phoneShows(bridge.bob, sent);
        await bridge.roomShows(bobsRoom, seen);
      });

      it('is receipted to the contact once it stands in the room, and not while it cannot', async () => {
        const linesBefore = (await bridge.bridgeLog()).length;
        await bridge.world.synapse.stop();
        const stanzaId = await bridge.bob.send(await bridge.aliceJid(), { text: 'are you there' });
        await bridge.logShows(
          (line) => line.msg === 'stanza not handled' && line.code === 'matrix/homeserverUnreachable',
          'the bridge has tried and failed',
          linesBefore,
        );
        assert.ok(!bridge.bob.receipts.some((receipt) => receipt.stanzaId === stanzaId));
        await bridge.world.synapse.restart();
        await bridge.bob.events.waitFor(
          (event) => event.kind === 'receipt' && event.stanzaId === stanzaId,
          LONG_MS,
        );
        const events = await bridge.alice.client.createMessagesRequest(bobsRoom, null, 5, 'b' as never);
        assert.ok(events.chunk.some(({ content }) => content.body === 'are you there'));
        await bridge.alice.seeMessage(({ body }) => body === 'are you there', LONG_MS);
      });
    });

    describe('commands', () => {
      it('help names every command, version the source', async () => {
        const help = (await bridge.command('help')).body;
        for (const name of ['opt-in', 'opt-out', 'status', 'start-chat <identifier>', 'version', 'trust']) {
          assert.ok(help.includes(`\n${name}`), name);
        }
        assert.match((await bridge.command('version')).body, /^Drawbridge \d.*https:\/\/sandbox\.invalid/);
      });

      it('status tells the connection', async () => {
        const [enlistee] = bridge.enlistees();
        const status = (await bridge.command('status')).body;
        assert.ok(status.includes(`connected as ${enlistee?.localpart}. Link: online.`), status);
      });

      it('a slip gets a suggestion, nonsense the way to help', async () => {
        assert.match((await bridge.command('statsu')).body, /Did you mean "status"\?$/);
        assert.match((await bridge.command('xyzzyplugh')).body, /Write "help"/);
      });

      it('in a portal they need the prefix, and never reach the contact', async () => {
        const before = textsOf(bridge.bob);
        assert.match((await bridge.command('!bridge version', bobsRoom)).body, /^Drawbridge /);
        assert.match((await bridge.command('!bridge opt-out', bobsRoom)).body, /in our direct chat/);
        assert.match((await bridge.command('!bridge nonsense', bobsRoom)).body, /I do not know "nonsense"/);
        await bridge.alice.say(bobsRoom, 'status');
        await bridge.phoneShows(bridge.bob, [...before, 'status']);
      });
    });

    describe('the opt-out', () => {
      it('changes nothing after a no', async () => {
        assert.match((await bridge.command('opt-out')).body, /^This deletes at the bridge/);
        assert.equal((await bridge.command('no')).body, 'Nothing was changed.');
        assert.equal(bridge.enlistees().length, 1);
      });

      it('ends with a proof that holds at the gatekeeper', async () => {
        const { admin } = bridge.world.gatekeeper.prosody;
        const [enlistee] = bridge.enlistees();
        assert.match((await bridge.command('opt-out')).body, /the links to 3 rooms/);
        await bridge.alice.say(bridge.management, 'yes');
        const proof = await bridge.alice.seeMessage(
          ({ body }) => body.startsWith('You are disconnected'),
          LONG_MS,
        );
        assert.match(proof.body, /Un-enlisted: Gatekeeper confirmed at \d{4}-/);
        assert.match(proof.body, /Rooms I left: 3/);
        assert.deepEqual(bridge.enlistees(), []);
        assert.equal(await admin.find(enlistee?.localpart ?? ''), undefined);
        await assert.rejects(
          bridge.bob.send(`${enlistee?.localpart}@gk.sandbox`, { text: 'gone?' }).then(refused),
        );
      });

      it('leaves no row of the account, and the ledger line', async () => {
        const left = await bridge.readDatabase(
          async ({ database: db }) =>
            await db.transaction(async (tx) => ({
              counts: await Promise.all(
                ACCOUNT_TABLES.map(async (table) => [table, (await tx(table).select()).length] as const),
              ),
              keys: (await tx('data_keys').pluck('id')) as string[],
              ledger: (await tx('consents').orderBy('seq').pluck('action')) as string[],
            })),
        );
        assert.deepEqual(
          left.counts,
          ACCOUNT_TABLES.map((table) => [table, 0]),
        );
        assert.deepEqual(left.keys, ['deployment']);
        assert.deepEqual(left.ledger, ['opt-in', 'opt-out']);
      });

      it('is no farewell for ever: a 👍 connects again, with a new key and a new room', async () => {
        await bridge.optIn();
        const room = await bridge.startChat('bob');
        assert.notEqual(room, bobsRoom);
        const before = textsOf(bridge.bob);
        await bridge.alice.say(room, 'hello again');
        await bridge.phoneShows(bridge.bob, [...before, 'hello again']);
        await bridge.bob.send(await bridge.aliceJid(), { text: 'welcome back' });
        await bridge.roomShows(room, ['welcome back']);
      });
    });

    /** What was sent to nobody comes back to the phone. @throws Error then. */
    async function refused(stanzaId: string): Promise<void> {
      const event = await bridge.bob.events.waitFor(
        (seen) => seen.kind === 'refused' && seen.stanzaId === stanzaId,
      );
      throw new Error(JSON.stringify(event));
    }
  });
}

const ACCOUNT_TABLES = [
  'accounts',
  'signal_identities',
  'signal_prekeys',
  'signal_kyber_uses',
  'signal_sessions',
  'signal_remote_identities',
  'portals',
  'messages',
  'streams',
  'network_inbox',
  'outbox',
];
