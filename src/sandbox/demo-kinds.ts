/** One thing of every kind, each way, compared with what the other side has: files byte for byte. */
import { isDeepStrictEqual } from 'node:util';
import type { MatrixPerson, RawEvent } from './matrix-person.ts';
import type { Content } from './phone/content.ts';
import type { Phone } from './phone/phone.ts';
import { SAMPLES, sampleFile } from './sample-files.ts';

/** What came of one kind: an empty text when it arrived as it was sent, else what is wrong. */
export type KindResult = Readonly<{ kind: string; fromMatrix: string; fromNetwork: string }>;

type Deps = Readonly<{
  alice: MatrixPerson;
  bob: Phone;
  room: string;
  /** Alice's bare JID on the network. */
  aliceJid: string;
}>;

type Sample = (typeof SAMPLES)[number];

const ARRIVAL_MS = 30_000;
const PAUSE_MS = 100;
/** Plays all kinds, one after the other. */
export async function playKinds(deps: Deps): Promise<KindResult[]> {
  const scene = new KindsScene(deps);
  const results: KindResult[] = [];
  for (const [kind, fromMatrix, fromNetwork] of scene.cells()) {
    results.push({ kind, fromMatrix: await faultOf(fromMatrix), fromNetwork: await faultOf(fromNetwork) });
  }
  return results;
}

class KindsScene {
  readonly #deps: Deps;
  /** The event that Alice does things about, and the contact's id for it. */
  #own: { event: string; id: Uint8Array } | undefined;
  /** The message that Bob does things about, and the event that shows it. */
  #theirs: { event: string; id: Uint8Array } | undefined;
  #reaction = '';

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  cells(): readonly (readonly [string, () => Promise<void>, () => Promise<void>])[] {
    return [
      ['formatted text', () => this.#formattedOut(), () => this.#formattedIn()],
      ['reply', () => this.#replyOut(), () => this.#replyIn()],
      ['edit', () => this.#editOut(), () => this.#editIn()],
      ['reaction', () => this.#reactionOut(), () => this.#reactionIn()],
      ['reaction removed', () => this.#removalOut(), () => this.#removalIn()],
      ...SAMPLES.map(
        (sample) => [sample.name, () => this.#fileOut(sample), () => this.#fileIn(sample)] as const,
      ),
      ['place', () => this.#placeOut(), () => this.#placeIn()],
      ['deletion', () => this.#deletionOut(), () => this.#deletionIn()],
    ];
  }

  async #formattedOut(): Promise<void> {
    const { alice, room } = this.#deps;
    const html = { format: 'org.matrix.custom.html', formatted_body: 'so <em>kind</em>' };
    const event = await alice.send(room, 'm.room.message', { msgtype: 'm.text', body: 'so kind', ...html });
    const { id, text } = await this.#got(({ text: it }) => it?.body === 'so kind');
    same(text?.ranges, [{ start: 3, length: 4, style: 'ITALIC' }]);
    this.#own = { event, id };
  }

  async #formattedIn(): Promise<void> {
    const { bob, aliceJid } = this.#deps;
    const text = { body: 'of a kind', ranges: [{ start: 0, length: 2, style: 'BOLD' }] };
    const stanza = await bob.send(aliceJid, { text } as never);
    const shown = await this.#shown(({ content }) => content.body === 'of a kind');
    same(shown.content.formatted_body, '<strong>of</strong> a kind');
    this.#theirs = { event: shown.event_id, id: Buffer.from(stanza, 'hex') };
  }

  async #replyOut(): Promise<void> {
    const { alice, room } = this.#deps;
    const { event, id } = known(this.#theirs);
    const relation = { 'm.relates_to': { 'm.in_reply_to': { event_id: event } } };
    await alice.send(room, 'm.room.message', { msgtype: 'm.text', body: 'my answer', ...relation });
    const { reply } = await this.#got(({ text }) => text?.body === 'my answer');
    same(hex(reply?.target), hex(id));
  }

  async #replyIn(): Promise<void> {
    const { bob, aliceJid } = this.#deps;
    const { event, id } = known(this.#own);
    await bob.send(aliceJid, { text: { body: 'my reply' }, reply: { target: id, excerpt: '' } } as never);
    const shown = await this.#shown(({ content }) => content.body === 'my reply');
    same(shown.content['m.relates_to'], { 'm.in_reply_to': { event_id: event } });
  }

  async #editOut(): Promise<void> {
    const { alice, room } = this.#deps;
    const { event, id } = known(this.#own);
    const words = { msgtype: 'm.text', body: 'kinder' };
    await alice.send(room, 'm.room.message', {
      ...words,
      'm.new_content': words,
      'm.relates_to': { rel_type: 'm.replace', event_id: event },
    });
    const { edit } = await this.#got((content) => content.edit !== undefined);
    same(hex(edit?.target), hex(id));
  }

  async #editIn(): Promise<void> {
    const { bob, aliceJid } = this.#deps;
    const { event, id } = known(this.#theirs);
    await bob.send(aliceJid, { edit: { target: id, text: { body: 'of another kind' } } });
    const shown = await this.#shown(({ content }) => content.body === '* of another kind');
    same(shown.content['m.relates_to'], { rel_type: 'm.replace', event_id: event });
  }

  async #reactionOut(): Promise<void> {
    const { alice, room } = this.#deps;
    const { event, id } = known(this.#theirs);
    const relation = { rel_type: 'm.annotation', event_id: event, key: '🎉' };
    this.#reaction = await alice.send(room, 'm.reaction', { 'm.relates_to': relation });
    const { reaction } = await this.#got((content) => content.reaction !== undefined);
    same([hex(reaction?.target), reaction?.emoji], [hex(id), '🎉']);
  }

  async #reactionIn(): Promise<void> {
    const { bob, aliceJid } = this.#deps;
    const { event, id } = known(this.#own);
    await bob.send(aliceJid, { reaction: { target: id, emoji: '👍' } });
    const shown = await this.#shown(({ type }) => type === 'm.reaction');
    same(shown.content['m.relates_to'], { rel_type: 'm.annotation', event_id: event, key: '👍' });
  }

  async #removalOut(): Promise<void> {
    const { alice, room } = this.#deps;
    await alice.client.redactEvent(room, this.#reaction);
    await this.#got(({ reaction }) => reaction?.remove === true);
  }

  async #removalIn(): Promise<void> {
    const { bob, aliceJid } = this.#deps;
    const { id } = known(this.#own);
    const shown = await this.#shown(({ type }) => type === 'm.reaction');
    await bob.send(aliceJid, { reaction: { target: id, emoji: '👍', remove: true } });
    await this.#shown(
      ({ type, content }) => type === 'm.room.redaction' && content.redacts === shown.event_id,
    );
  }

  async #fileOut({ kind, msgtype, mime }: Sample): Promise<void> {
    const { alice, bob, room } = this.#deps;
    const bytes = sampleFile(kind, 100_000);
    const url = await alice.upload(bytes, mime);
    const voice = kind === 'VOICE' ? { 'org.matrix.msc3245.voice': {} } : {};
    const info = { mimetype: mime, size: bytes.length };
    const named = { filename: `alice-${kind}`, body: `about the ${kind}` };
    await alice.send(room, 'm.room.message', { msgtype, ...named, url, info, ...voice });
    const { media } = await this.#got((content) => content.media?.fileName === `alice-${kind}`);
    same([media?.kind, media?.mime], [kind, mime]);
    same((await bob.fetchFile(media ?? {})).equals(bytes), true);
  }

  async #fileIn({ kind, msgtype, mime }: Sample): Promise<void> {
    const { alice, bob, aliceJid } = this.#deps;
    const bytes = sampleFile(kind, 100_000);
    await bob.sendFile(aliceJid, bytes, { kind, mime, fileName: `bob-${kind}` });
    const { content } = await this.#shown((event) => event.content.filename === `bob-${kind}`);
    same(content.msgtype, msgtype);
    same((await alice.download(String(content.url))).equals(bytes), true);
  }

  async #placeOut(): Promise<void> {
    const { alice, room } = this.#deps;
    const place = { msgtype: 'm.location', body: 'The bridge', geo_uri: 'geo:50.0865,14.4114' };
    await alice.send(room, 'm.room.message', place);
    const { location } = await this.#got((content) => content.location !== undefined);
    same(location, { latitude: 50.0865, longitude: 14.4114, name: 'The bridge' });
  }

  async #placeIn(): Promise<void> {
    const { bob, aliceJid } = this.#deps;
    await bob.send(aliceJid, { location: { latitude: 1.5, longitude: -2, name: '' } });
    const { content } = await this.#shown((event) => event.content.msgtype === 'm.location');
    same(content.geo_uri, 'geo:1.5,-2');
  }

  async #deletionOut(): Promise<void> {
    const { alice, room } = this.#deps;
    const { event, id } = known(this.#own);
    await alice.client.redactEvent(room, event);
    const { revoke } = await this.#got((content) => content.revoke !== undefined);
    same(hex(revoke?.target), hex(id));
  }

  async #deletionIn(): Promise<void> {
    const { bob, aliceJid } = this.#deps;
    const { event, id } = known(this.#theirs);
    await bob.send(aliceJid, { revoke: { target: id } });
    await this.#shown(({ type, content }) => type === 'm.room.redaction' && content.redacts === event);
  }

  /** The first content on Bob's phone that satisfies `wanted`. */
  async #got(wanted: (content: Content) => boolean): Promise<Content> {
    const { bob } = this.#deps;
    const find = () => bob.received.find(({ content }) => wanted(content))?.content;
    return await until(async () => find());
  }

  /** The first event of Bob in the room that satisfies `wanted`. */
  async #shown(wanted: (event: RawEvent) => boolean): Promise<RawEvent> {
    const { alice, room } = this.#deps;
    return await until(async () =>
      (await alice.timeline(room)).find((event) => event.sender !== alice.userId && wanted(event)),
    );
  }
}

async function until<T>(find: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + ARRIVAL_MS;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error('did not arrive');
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function faultOf(cell: () => Promise<void>): Promise<string> {
  try {
    await cell();
    return '';
  } catch (failure) {
    return failure instanceof Error ? failure.message : String(failure);
  }
}

function same(actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`arrived ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('what it is about did not arrive');
  return value;
}

function hex(bytes: unknown): string {
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString('hex') : '';
}
