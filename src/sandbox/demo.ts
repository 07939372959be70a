/** The scripted conversation: what each side saw, line by line, and at the end whether anything was lost. */
import { playKinds } from './demo-kinds.ts';
import type { MatrixPerson } from './matrix-person.ts';
import type { Content } from './phone/content.ts';
import type { Phone } from './phone/phone.ts';
import type { World } from './world.ts';

export type DemoDeps = Readonly<{
  world: World;
  alice: MatrixPerson;
  bob: Phone;
  carol: Phone;
  /** Bob's number, with `+`. */
  bobNumber: string;
  print: (line: string) => void;
  nowMs: () => number;
}>;

/** How many messages were sent, and how many of them did not come exactly once and in order. */
export type DemoResult = Readonly<{ sent: number; lost: number }>;

const ARRIVAL_MS = 60_000;

export async function playDemo(deps: DemoDeps): Promise<DemoResult> {
  const stage = new Stage(deps);
  await stage.optIn();
  const chat = await stage.startChat();
  await stage.talk(chat);
  await stage.everyKind(chat);
  await stage.firstMessageFromCarol();
  await stage.restartBridge();
  await stage.talkAgain(chat);
  await stage.optOut();
  return stage.result();
}

class Stage {
  readonly #deps: DemoDeps;
  readonly #startedMs: number;
  #management = '';
  #sent = 0;
  #lost = 0;

  constructor(deps: DemoDeps) {
    this.#deps = deps;
    this.#startedMs = deps.nowMs();
    deps.alice.log.watch((event) => {
      if (event.kind !== 'message') return;
      this.#line('alice sees', `${nameOf(event.sender)}: ${event.body}`);
    });
    for (const phone of [deps.bob, deps.carol]) {
      phone.events.watch((event) => {
        if (event.kind === 'receipt') this.#line(`${phone.name} sees`, '✓ delivered');
        if (event.kind !== 'message') return;
        const { content } = event.message;
        const notice = content.boundaryNotice;
        if (notice) this.#line(`${phone.name} sees`, `[boundary notice] ${notice.text}`);
        else this.#line(`${phone.name} sees`, `${event.message.from}: ${wordsOf(content)}`);
      });
    }
  }

  async optIn(): Promise<void> {
    const { alice, world } = this.#deps;
    this.#scene('Alice asks the bot to connect her, reads where the encryption ends, and agrees');
    this.#management = await alice.startDirectChat(world.botUserId);
    await alice.seeMessage(({ body }) => body.startsWith('Hello.'));
    await alice.say(this.#management, 'opt-in');
    const notice = await alice.seeMessage(({ body }) => body.startsWith('Before you connect'));
    await alice.react(this.#management, notice.eventId, '👍');
    await alice.seeMessage(({ body }) => body.startsWith('You are connected'));
  }

  async startChat(): Promise<string> {
    const { alice, bobNumber } = this.#deps;
    this.#scene('Alice opens a chat with Bob by his phone number');
    await alice.say(this.#management, `start-chat ${bobNumber}`);
    const notice = await alice.seeMessage(({ body }) => body.startsWith('This room is a chat with Bob'));
    return notice.room;
  }

  async talk(chat: string): Promise<void> {
    const { bob } = this.#deps;
    this.#scene('Alice and Bob talk');
    await this.#fromAlice(chat, bob, ['Hello Bob, can you read this?', 'It comes from a Matrix room. 🌉']);
    await this.#fromPhone(bob, chat, ['Yes! Encrypted, too.', 'Grüße über die Brücke — привет, 你好']);
    const many = Array.from({ length: 10 }, (_, index) => `line ${index + 1} of 10`);
    await Promise.all([this.#fromAlice(chat, bob, many), this.#fromPhone(bob, chat, many)]);
  }

  async everyKind(room: string): Promise<void> {
    const { alice, bob, print } = this.#deps;
    this.#scene('One thing of every kind, each way');
    const results = await playKinds({ alice, bob, room, aliceJid: textsWriter(bob) });
    this.#scene('What came of them');
    const mark = (fault: string) => (fault === '' ? 'arrived' : `NOT AS SENT: ${fault}`);
    print(`${' '.repeat(22)}${'kind'.padEnd(20)}${'Matrix to network'.padEnd(20)}network to Matrix`);
    for (const { kind, fromMatrix, fromNetwork } of results) {
      print(`${' '.repeat(22)}${kind.padEnd(20)}${mark(fromMatrix).padEnd(20)}${mark(fromNetwork)}`);
      this.#sent += 2;
      this.#lost += [fromMatrix, fromNetwork].filter((fault) => fault !== '').length;
    }
  }

  async firstMessageFromCarol(): Promise<void> {
    const { carol, alice } = this.#deps;
    this.#scene('Carol, whom Alice has never written to, writes first');
    const [aliceThere] = await carol.contacts();
    if (aliceThere === undefined) throw new Error('the gatekeeper knows no third-party user');
    await this.#expect(1, async () => {
      await carol.send(aliceThere.jid, { text: 'Hi Alice, Bob gave me your name.' });
      await alice.seeMessage(({ body }) => body.includes('Bob gave me your name'), ARRIVAL_MS);
    });
  }

  async restartBridge(): Promise<void> {
    const { world } = this.#deps;
    this.#scene('The bridge is restarted');
    await world.bridge.stop();
    await world.bridge.start();
  }

  async talkAgain(chat: string): Promise<void> {
    const { bob } = this.#deps;
    this.#scene('They go on in the same encrypted session');
    await this.#fromAlice(chat, bob, ['Still there?']);
    await this.#fromPhone(bob, chat, ['Still here.']);
    const began = bob.received.filter(({ encType }) => encType === 'prekey').length;
    this.#line(
      'bob sees',
      `${bob.received.length} messages, ${began} of them before the session was confirmed`,
    );
  }

  async optOut(): Promise<void> {
    const { alice } = this.#deps;
    this.#scene('Alice withdraws and gets the proof');
    await alice.say(this.#management, 'opt-out');
    await alice.seeMessage(({ body }) => body.startsWith('This deletes at the bridge'));
    await alice.say(this.#management, 'yes');
    await alice.seeMessage(({ body }) => body.startsWith('You are disconnected'), ARRIVAL_MS);
  }

  result(): DemoResult {
    return { sent: this.#sent, lost: this.#lost };
  }

  async #fromAlice(room: string, to: Phone, bodies: readonly string[]): Promise<void> {
    const { alice } = this.#deps;
    const before = textsOf(to).length;
    for (const body of bodies) await alice.say(room, body);
    await this.#compare(bodies, () => textsOf(to).slice(before), to.events);
  }

  async #fromPhone(from: Phone, room: string, bodies: readonly string[]): Promise<void> {
    const { alice } = this.#deps;
    const seen = () =>
      alice
        .messagesIn(room)
        .flatMap(({ sender, msgtype, body }) =>
          sender !== alice.userId && msgtype === 'm.text' ? [body] : [],
        );
    const before = seen().length;
    const to = textsWriter(from);
    for (const body of bodies) await from.send(to, { text: body });
    await this.#compare(bodies, () => seen().slice(before), alice.log);
  }

  /** Waits until as many came as were sent; then they must be the same ones in the same order. */
  async #compare(sent: readonly string[], arrived: () => readonly string[], log: Waitable): Promise<void> {
    await this.#expect(sent.length, async () => {
      if (arrived().length < sent.length)
        await log.waitFor(() => arrived().length >= sent.length, ARRIVAL_MS);
      const got = arrived();
      if (got.length !== sent.length || got.some((body, index) => body !== sent[index])) {
        throw new Error(`sent ${JSON.stringify(sent)}, arrived ${JSON.stringify(got)}`);
      }
    });
  }

  async #expect(count: number, arrive: () => Promise<void>): Promise<void> {
    this.#sent += count;
    try {
      await arrive();
    } catch (failure) {
      this.#lost += count;
      this.#line(
        'demo',
        `NOT ARRIVED as sent: ${failure instanceof Error ? failure.message : String(failure)}`,
      );
    }
  }

  #scene(title: string): void {
    this.#deps.print('');
    this.#line('—', title);
  }

  #line(who: string, what: string): void {
    const seconds = ((this.#deps.nowMs() - this.#startedMs) / 1_000).toFixed(2).padStart(7);
    const [first = '', ...rest] = what.split('\n');
    this.#deps.print(`${seconds} s  ${who.padEnd(10)} ${first}`);
    for (const line of rest) this.#deps.print(`${' '.repeat(22)}${line}`);
  }
}

type Waitable = { waitFor(wanted: () => boolean, timeoutMs: number): Promise<unknown> };

function textsOf(phone: Phone): string[] {
  return phone.received.flatMap(({ content }) => (content.text ? [content.text.body] : []));
}

/** The third-party user who wrote to this phone. */
function textsWriter(phone: Phone): string {
  const [first] = phone.received;
  if (first === undefined) throw new Error(`${phone.name} has nobody to answer`);
  return first.from;
}

function nameOf(user: string): string {
  return user.slice(1, user.indexOf(':'));
}

/** What a message says, in a line. */
function wordsOf(content: Content): string {
  if (content.text !== undefined) return content.text.body;
  if (content.media !== undefined)
    return `[${String(content.media.kind).toLowerCase()}] ${content.media.fileName}`;
  return `[${content.body ?? 'nothing'}]`;
}
