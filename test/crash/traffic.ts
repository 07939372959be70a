import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Chat } from './chats.ts';
import type { Tally } from './tally.ts';

/** So many messages of a way may be under way: a bridge that is killed all the time must not fall behind for ever. */
const MOST_UNDER_WAY = 3;
/**
 * So long a contact holds back while what their chat's person wrote is stuck: what contacts write goes to the bridge a second
 * time, as Synapse's events, and one that catches up slowly on a busy machine would never be done.
 */
const HOLD_BACK_MS = 5_000;
const LOOK_AGAIN_MS = 100;
const TRY_AGAIN_MS = 1_000;
const HUSH_MS = 30_000;
const PAUSE_MS = 1_000;
const SPREAD_MS = 1_400;

/** People and contacts who write to one another all the time. */
export class Traffic {
  readonly #tally: Tally;
  readonly #talking: Promise<void>[] = [];
  readonly #spoilt = new Set<Chat>();
  #isOver = false;
  #isHushed = false;
  #saying = 0;

  constructor(tally: Tally) {
    this.#tally = tally;
  }

  /** @param most messages each way; without it until `stop`. */
  add(chat: Chat, most = Number.POSITIVE_INFINITY): void {
    this.#talking.push(
      this.#talk(`${chat.name} out`, most, async (body) => {
        while (this.#isHushed && !this.#isOver) await pause(LOOK_AGAIN_MS);
        this.#saying += 1;
        const txnId = randomUUID();
        await this.#untilDone(async () => await chat.person.sayOnce(chat.room, body, txnId));
        this.#saying -= 1;
      }),
      this.#talk(`${chat.name} in`, most, async (body) => {
        await this.#holdBack(`${chat.name} out`);
        const isSpoilt = this.#spoilt.delete(chat);
        await this.#untilDone(async () => {
          if (isSpoilt) await chat.phone.sendSpoilt(chat.jid, body);
          else await chat.phone.send(chat.jid, { text: body });
        });
      }),
    );
  }

  /** The contact's next message is one that the bridge cannot decrypt. */
  spoilNext(chat: Chat): void {
    this.#spoilt.add(chat);
  }

  /** People fall silent; resolves when what they said has arrived, or does not for long. Contacts go on. */
  async hush(): Promise<void> {
    this.#isHushed = true;
    const deadlineMs = performance.now() + HUSH_MS;
    const isQuiet = () => this.#saying === 0 && this.#tally.isComplete((way) => way.endsWith(' out'));
    while (!isQuiet() && performance.now() < deadlineMs) await pause(LOOK_AGAIN_MS);
  }

  /** People go on. */
  resume(): void {
    this.#isHushed = false;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#talking);
  }

  async #talk(way: string, most: number, say: (body: string) => Promise<void>): Promise<void> {
    const pauseMs = PAUSE_MS + ((this.#talking.length * 137) % SPREAD_MS);
    for (let number = 1; number <= most && !this.#isOver; number += 1) {
      const body = `message ${number}`;
      await say(body);
      this.#tally.sent(way, body);
      await pause(pauseMs);
      while (!this.#isOver && this.#tally.countUnderWay(way) >= MOST_UNDER_WAY) await pause(LOOK_AGAIN_MS);
    }
  }

  async #holdBack(stuck: string): Promise<void> {
    const deadlineMs = performance.now() + HOLD_BACK_MS;
    const isStuck = () => this.#tally.countUnderWay(stuck) >= MOST_UNDER_WAY;
    while (!this.#isOver && isStuck() && performance.now() < deadlineMs) await pause(LOOK_AGAIN_MS);
  }

  /** What fails while a server is away was not sent, or is known by its transaction id. */
  async #untilDone(send: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        await send();
        return;
      } catch {
        await pause(TRY_AGAIN_MS); // the suite's own deadline ends what never works
      }
    }
  }
}
