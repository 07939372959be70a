import type { Phone } from '../../src/sandbox/phone/phone.ts';
import type { World } from '../../src/sandbox/world.ts';
import { type Chat, join, type Member, openChat, roomsOf, watchArrivals } from './chats.ts';
import type { Tally } from './tally.ts';
import type { Traffic } from './traffic.ts';

/** Each costs the homeserver a sync of its own. */
const MOST_PEOPLE = 12;
const MESSAGES_EACH_WAY = 10;

/** People who opt in and open chats while the bridge is being killed: each chat must end in one room. */
export class Newcomers {
  readonly #deps: { world: World; phones: readonly Phone[]; tally: Tally; traffic: Traffic };
  readonly #chats: Chat[] = [];
  readonly #failures: string[] = [];
  #people = 0;
  #member: Member | undefined;
  #nextPhone = 0;
  #underWay: Promise<void> | undefined;

  constructor(deps: { world: World; phones: readonly Phone[]; tally: Tally; traffic: Traffic }) {
    this.#deps = deps;
  }

  get chats(): readonly Chat[] {
    return this.#chats;
  }

  /** Whether somebody new would still come. */
  get hasRoom(): boolean {
    return this.#people < MOST_PEOPLE;
  }

  /** Somebody new opts in and opens a chat. Does nothing when there are enough of them, or one is still at it. */
  addPerson(): void {
    this.#begin(async () => {
      if (!this.hasRoom) return;
      this.#people += 1;
      this.#member = await join(this.#deps.world, `newcomer${this.#people}`);
      this.#nextPhone = 0;
      await this.#openChat(this.#member);
    });
  }

  /** The newest of them opens one more chat; somebody new, where they know everybody. */
  addChat(): void {
    if (this.#member === undefined || this.#nextPhone >= this.#deps.phones.length) this.addPerson();
    else {
      const member = this.#member;
      this.#begin(async () => await this.#openChat(member));
    }
  }

  /** Resolves when nobody is at it any more. */
  async settled(): Promise<void> {
    await this.#underWay;
  }

  /** A line for each chat that did not end in one room, and for each that was not opened. */
  complaints(): string[] {
    const doubled = this.#chats.flatMap((chat) => {
      const rooms = roomsOf(chat).length;
      return rooms === 1 ? [] : [`${chat.name}: ${rooms} rooms for one conversation`];
    });
    return [...this.#failures, ...doubled];
  }

  async #openChat(member: Member): Promise<void> {
    const { phones, tally, traffic } = this.#deps;
    const number = this.#nextPhone;
    const phone = phones[number];
    if (phone === undefined) return;
    this.#nextPhone += 1;
    const chat = await openChat(member, phone, number);
    this.#chats.push(chat);
    watchArrivals([chat], tally);
    traffic.add(chat, MESSAGES_EACH_WAY);
  }

  #begin(work: () => Promise<void>): void {
    // A queue of them would have to end before each fault that wants calm, with nothing killed meanwhile.
    this.#underWay ??= work()
      .catch((failure: unknown) => {
        this.#failures.push(`newcomer: ${failure instanceof Error ? failure.message : String(failure)}`);
      })
      .finally(() => {
        this.#underWay = undefined;
      });
  }
}
