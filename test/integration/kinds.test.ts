/** Every kind of content, both ways, on real Synapse and Prosody: what one side does is what the other side has. */
import assert from 'node:assert/strict';
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import type { RawEvent } from '../../src/sandbox/matrix-person.ts';
import type { Content } from '../../src/sandbox/phone/content.ts';
import type { Phone } from '../../src/sandbox/phone/phone.ts';
import { SAMPLES, sampleFile } from '../../src/sandbox/sample-files.ts';
import { BridgeWorld, LONG_MS } from './bridge-world.ts';

describe('every kind of content', () => {
  let bridge: BridgeWorld;
  let bob: Phone;
  let room: string;
  let jid: string;

  before(async () => {
    bridge = await BridgeWorld.start();
    bob = bridge.phone('Bob');
    room = await bridge.startChat('+4930901820');
    jid = await bridge.aliceJid();
  });
  after(async () => await bridge?.stop());

  const timeline = async () => await bridge.alice.timeline(room);
  /** The first event of the contact that satisfies `wanted`. */
  const shown = async (wanted: (event: RawEvent) => boolean): Promise<RawEvent> => {
    let found: RawEvent | undefined;
    await bridge.until(async () => {
      found = (await timeline()).find((event) => event.sender !== bridge.alice.userId && wanted(event));
      return found !== undefined;
    }, wanted.toString());
    assert.ok(found !== undefined);
    return found;
  };
  const text = async (body: string) => await shown(({ content }) => content.body === body);
  const relation = (event: RawEvent) => event.content['m.relates_to'] as Record<string, unknown> | undefined;
  const send = async (type: string, content: Record<string, unknown>) =>
    await bridge.alice.send(room, type, content);
  const say = async (body: string, more: object = {}) =>
    await send('m.room.message', { msgtype: 'm.text', body, ...more });
  /** What the phone has got, the first that satisfies `wanted`. */
  const got = async (wanted: (content: Content) => boolean): Promise<Content> => {
    const event = await bob.events.waitFor(
      (it) => it.kind === 'message' && wanted(it.message.content),
      LONG_MS,
    );
    assert.ok(event.kind === 'message');
    return event.message.content;
  };
  const gotText = async (body: string) => await got((content) => content.text?.body === body);
  const hex = (bytes: unknown) => Buffer.from(bytes as Uint8Array).toString('hex');
  describe('from Matrix', () => {
    it('formatting', async () => {
      await say('a bold word', { format: 'org.matrix.custom.html', formatted_body: 'a <b>bold</b> word' });
      const { text: said } = await gotText('a bold word');
      assert.deepEqual(said?.ranges, [{ start: 2, length: 4, style: 'BOLD' }]);
    });

    it('a reply, an edit, a reaction, its removal, a deletion', async () => {
      const event = await say('to be changed');
      const { id } = await gotText('to be changed');
      await say('an answer', { 'm.relates_to': { 'm.in_reply_to': { event_id: event } } });
      const { reply } = await gotText('an answer');
      assert.equal(hex(reply?.target), hex(id));
      assert.equal(reply?.excerpt, 'to be changed');

      await say('* changed', {
        'm.new_content': { msgtype: 'm.text', body: 'changed' },
        'm.relates_to': { rel_type: 'm.replace', event_id: event },
      });
      const { edit } = await got((content) => content.edit !== undefined);
      assert.equal(hex(edit?.target), hex(id));

      const reaction = await send('m.reaction', {
        'm.relates_to': { rel_type: 'm.annotation', event_id: event, key: '🎉' },
      });
      const { reaction: given } = await got((content) => content.reaction?.emoji === '🎉');
      assert.equal(hex(given?.target), hex(id));
      await bridge.alice.client.redactEvent(room, reaction);
      await got((content) => content.reaction?.remove === true);

      await bridge.alice.client.redactEvent(room, event);
      const { revoke } = await got((content) => content.revoke !== undefined);
      assert.equal(hex(revoke?.target), hex(id));
    });

    it('a place', async () => {
      await send('m.room.message', { msgtype: 'm.location', body: 'Here', geo_uri: 'geo:52.5,13.25' });
      const { location } = await got((content) => content.location !== undefined);
      assert.deepEqual(location, { latitude: 52.5, longitude: 13.25, name: 'Here' });
    });

    for (const { kind, msgtype, mime } of SAMPLES) {
      it(`a file of kind ${kind}, byte for byte`, async () => {
        const bytes = sampleFile(kind, 200_001);
        const url = await bridge.alice.upload(bytes, mime);
        const voice =
          kind === 'VOICE'
            ? {
                'org.matrix.msc3245.voice': {},
                'org.matrix.msc1767.audio': { duration: 900, waveform: [0, 1024] },
              }
            : {};
        await send('m.room.message', {
          msgtype,
          body: `words about the ${kind}`,
          filename: `${kind}.bin`,
          url,
          info: { mimetype: mime, size: bytes.length, w: 20, h: 10 },
          ...voice,
        });
        const { media } = await got((content) => content.media?.kind === kind);
        assert.ok(media !== undefined);
        assert.equal((media.caption as { body: string }).body, `words about the ${kind}`);
        assert.equal(media.fileName, `${kind}.bin`);
        assert.equal(media.mime, mime);
        assert.deepEqual(await bob.fetchFile(media), bytes);
        if (kind === 'VOICE') {
          assert.equal(media.durationMs, 900);
          assert.deepEqual([...(media.waveform as Uint8Array)], [0, 255]);
        }
      });
    }

    it('an encrypted file is opened, and encrypted anew', async () => {
      const plain = randomBytes(5_000);
      const [key, iv] = [randomBytes(32), Buffer.concat([randomBytes(8), Buffer.alloc(8)])];
      const cipher = createCipheriv('aes-256-ctr', key, iv);
      const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
      const url = await bridge.alice.upload(sealed, 'application/octet-stream');
      const unpadded = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
      const file = {
        v: 'v2',
        url,
        key: {
          kty: 'oct',
          alg: 'A256CTR',
          ext: true,
          key_ops: ['encrypt', 'decrypt'],
          k: key.toString('base64url'),
        },
        iv: unpadded(iv),
        hashes: { sha256: unpadded(createHash('sha256').update(sealed).digest()) },
      };
      await send('m.room.message', {
        msgtype: 'm.file',
        body: 'sealed.bin',
        file,
        info: { size: plain.length },
      });
      const { media } = await got((content) => content.media?.fileName === 'sealed.bin');
      assert.ok(media !== undefined);
      assert.deepEqual(await bob.fetchFile(media), plain);
    });

    it('a file that is not there is told, and the next message goes', async () => {
      await send('m.room.message', {
        msgtype: 'm.image',
        body: 'gone.png',
        url: 'mxc://nowhere.invalid/gone',
      });
      await bridge.alice.seeMessage(
        ({ body, room: at }) => at === room && body.includes('was not bridged'),
        LONG_MS,
      );
      await say('still here');
      await gotText('still here');
    });

    it('read and typing', async () => {
      await bob.send(jid, { text: 'have you read this?' });
      const { event_id } = await text('have you read this?');
      await bridge.alice.client.sendTyping(room, true, 10_000);
      await bob.events.waitFor((event) => event.kind === 'typing' && event.state === 'composing', LONG_MS);
      const event = bridge.alice.room(room)?.findEventById(event_id);
      assert.ok(event !== undefined);
      await bridge.alice.client.sendReadReceipt(event);
      const sent = bob.events;
      await sent.waitFor((it) => it.kind === 'displayed', LONG_MS);
    });
  });

  describe('from the network', () => {
    it('formatting', async () => {
      await bob.send(jid, {
        text: { body: 'so bold', ranges: [{ start: 3, length: 4, style: 'BOLD' }] },
      } as never);
      const { content } = await text('so bold');
      assert.equal(content.formatted_body, 'so <strong>bold</strong>');
    });

    it('a reply, an edit, a reaction, its removal, a deletion', async () => {
      const own = await say('what Bob answers');
      const { id: ownId } = await gotText('what Bob answers');
      await bob.send(jid, {
        text: { body: 'my answer' },
        reply: { target: ownId as Uint8Array, targetIsOwn: false, excerpt: 'what' },
      } as never);
      assert.deepEqual(relation(await text('my answer')), { 'm.in_reply_to': { event_id: own } });

      const id = Buffer.from(await bob.send(jid, { text: 'helo' }), 'hex');
      const original = await text('helo');
      await bob.send(jid, { edit: { target: id, text: { body: 'hello' } } });
      const edit = await text('* hello');
      assert.deepEqual(relation(edit), { rel_type: 'm.replace', event_id: original.event_id });

      await bob.send(jid, { reaction: { target: ownId, targetIsOwn: false, emoji: '👍' } });
      const reaction = await shown((event) => event.type === 'm.reaction');
      assert.equal(relation(reaction)?.event_id, own);
      await bob.send(jid, { reaction: { target: ownId, targetIsOwn: false, emoji: '👍', remove: true } });
      await shown(
        ({ type, content }) => type === 'm.room.redaction' && content.redacts === reaction.event_id,
      );

      await bob.send(jid, { revoke: { target: id } });
      await shown(
        ({ type, content }) => type === 'm.room.redaction' && content.redacts === original.event_id,
      );
    });

    it('a place', async () => {
      await bob.send(jid, { location: { latitude: -1.5, longitude: 2, name: 'There' } });
      const { content } = await shown((event) => event.content.msgtype === 'm.location');
      assert.equal(content.geo_uri, 'geo:-1.5,2');
    });

    for (const { kind, msgtype, mime } of SAMPLES) {
      it(`a file of kind ${kind}, byte for byte`, async () => {
        const bytes = sampleFile(kind, 150_001);
        const name = `from-bob-${kind}`;
        await bob.sendFile(jid, bytes, {
          kind,
          mime,
          fileName: name,
          caption: { body: `about ${kind}` },
          durationMs: 1_200,
          waveform: Uint8Array.of(0, 255),
        });
        const { content } = await shown((event) => event.content.filename === name);
        assert.equal(content.msgtype, msgtype);
        assert.equal(content.body, `about ${kind}`);
        assert.equal((content.info as { size: number }).size, bytes.length);
        assert.equal(content['org.matrix.msc3245.voice'] !== undefined, kind === 'VOICE');
        assert.deepEqual(await bridge.alice.download(String(content.url)), bytes);
      });
    }

    it('a picture of which nothing was told comes with its size, a blurred preview and a thumbnail', async () => {
      const pixels = { width: 1_600, height: 900, channels: 3, background: '#c04020' } as const;
      const picture = await sharp({ create: pixels }).jpeg().toBuffer();
      await bob.sendFile(jid, picture, { kind: 'IMAGE', fileName: 'sunset' });
      const { content } = await shown((event) => event.content.filename === 'sunset');
      const info = content.info as Record<string, unknown>;
      assert.deepEqual([info.mimetype, info.w, info.h], ['image/jpeg', 1_600, 900]);
      assert.equal(typeof info['xyz.amorgan.blurhash'], 'string');
      const small = await sharp(await bridge.alice.download(String(info.thumbnail_url))).metadata();
      assert.ok(small.width <= 800 && small.height <= 600);
    });

    it('a program that is called a picture is a file', async () => {
      await bob.sendFile(jid, Buffer.from('#!/bin/sh\necho hello\n'), {
        kind: 'IMAGE',
        mime: 'image/png',
        fileName: 'not-a-picture',
      });
      const { content } = await shown((event) => event.content.filename === 'not-a-picture');
      assert.equal(content.msgtype, 'm.file');
    });

    it('a file that lies, is gone, or is elsewhere is told, and the next message comes', async () => {
      const { mediaHost } = bridge.world.gatekeeper;
      const file = { kind: 'FILE', mime: 'text/plain', fileName: 'x', size: 5, key: randomBytes(64) };
      const digest = randomBytes(32);
      await bob.send(jid, { media: { ...file, digest, url: `${mediaHost.url}/media/none` } });
      await bob.send(jid, { media: { ...file, digest, url: 'http://169.254.169.254/latest' } });
      await bob.send(jid, { text: 'after the bad files' });
      await text('after the bad files');
      const told = (await timeline()).filter(({ content }) =>
        String(content.body).includes('cannot be shown here'),
      );
      assert.equal(told.length, 2);
    });

    it('read and typing', async () => {
      const event = await say('read me');
      await gotText('read me');
      const stanza = bob.received.find(({ content }) => content.text?.body === 'read me')?.stanzaId;
      assert.ok(stanza !== undefined);
      await bob.sendTyping(jid, 'composing');
      const ghost = (await text('after the bad files')).sender;
      const isTyping = () => bridge.alice.room(room)?.getMember(ghost)?.typing === true;
      const readUpTo = () => bridge.alice.room(room)?.getEventReadUpTo(ghost);
      await bridge.until(isTyping, 'the contact is seen writing');
      await bob.sendDisplayed(jid, stanza);
      await bridge.until(() => readUpTo() === event, 'the contact is seen to have read it');
    });
  });
});
