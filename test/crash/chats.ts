/** The people, their contacts' phones, and the chats that they open. */
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../src/ambient/clock.ts';
import { MatrixPerson, type PersonMessage } from '../../src/sandbox/matrix-person.ts';
import type { Phone } from '../../src/sandbox/phone/phone.ts';
import type { World } from '../../src/sandbox/world.ts';
import type { Tally } from './tally.ts';

/** One chat: a person's portal room with one contact. */
export type Chat = Readonly<{ person: MatrixPerson; phone: Phone; room: string; jid: string; name: string }>;

/** Somebody who has opted in. `jid`: as contacts know them; `management`: their chat with the bot. */
export type Member = Readonly<{ person: MatrixPerson; name: string; jid: string; management: string }>;

/** What was asked is asked again after this time: a fault may have been told in answer to it. */
const ASK_AGAIN_MS = 30_000;
const ASK_MOST = 8;

export const phoneNumber = (index: number) => `+4930000${100 + index}`;

export async function addPhones(world: World, count: number): Promise<Phone[]> {
  const phones: Phone[] = [];
  for (let index = 0; index < count; index += 1) {
    phones.push(await world.gatekeeper.addPhone({ name: `Contact${index}`, phone: phoneNumber(index) }));
  }
  return phones;
}

/** A new person who opts in, whatever happens meanwhile. */
export async function join(world: World, name: string): Promise<Member> {
  const person = await persist(async () => {
    return await MatrixPerson.arrive(world.synapse, name, 'password', systemClock);
  });
  const management = await persist(async () => await person.startDirectChat(world.botUserId));
  await person.seeMessage(({ body }) => body.startsWith('Hello.'), 120_000);
  const { body } = await ask(
    person,
    async () => {
      await person.say(management, 'opt-in');
      await person.seeMessage((message) => message.body.startsWith('Before you connect'), ASK_AGAIN_MS);
      await person.say(management, 'yes');
    },
    (message) => message.body.startsWith('You are connected'),
  );
  const jid = `${/Your id there is (\S+?)\./.exec(body)?.[1]}@${world.gatekeeper.domain}`;
  return { person, name, jid, management };
}

/** @param number of the phone. @returns the chat, whose room stands. */
export async function openChat(member: Member, phone: Phone, number: number): Promise<Chat> {
  const { person, jid, name, management } = member;
  const { room } = await ask(
    person,
    async () => void (await person.say(management, `start-chat ${phoneNumber(number)}`)),
    (message) => isBoundaryNotice(message, phone),
  );
  return { person, phone, room, jid, name: `${name}-${phone.name}` };
}

/** The rooms that a person was shown for one contact: one, whatever happened while it was made. */
export function roomsOf({ person, phone }: Chat): string[] {
  const notices = person.log.of('message').filter((message) => isBoundaryNotice(message, phone));
  return [...new Set(notices.map(({ room }) => room))];
}

/** Counts what comes in these chats, on both sides. */
export function watchArrivals(chats: readonly Chat[], tally: Tally): void {
  for (const { person, phone, room, jid, name } of chats) {
    person.log.watch((event) => {
      if (event.kind !== 'message' || event.room !== room) return;
      if (event.sender === person.userId || event.msgtype !== 'm.text') return;
      // A late copy comes as an edit of the placeholder that kept its place (MSC2676).
      const isLate = event.body.startsWith('* ');
      tally.arrived(`${name} in`, isLate ? event.body.slice(2) : event.body, isLate);
    });
    phone.events.watch((event) => {
      if (event.kind !== 'message' || event.message.from !== jid) return;
      const { content, stanzaId } = event.message;
      // A copy that the phone asked for (interop profile §6): its place in the order was lost with the first one.
      if (content.text !== undefined) tally.arrived(`${name} out`, content.text.body, stanzaId.includes('.'));
    });
  }
}

async function ask(
  person: MatrixPerson,
  say: () => Promise<void>,
  wanted: (message: PersonMessage) => boolean,
): Promise<PersonMessage> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await say();
      return await person.seeMessage(wanted, ASK_AGAIN_MS);
    } catch (failure) {
      if (attempt === ASK_MOST) throw failure;
    }
  }
}

/** Repeats what fails while a server is away. */
async function persist<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (failure) {
      if (attempt === ASK_MOST) throw failure;
      await pause(2_000);
    }
  }
}

function isBoundaryNotice({ body }: PersonMessage, phone: Phone): boolean {
  return body.startsWith(`This room is a chat with ${phone.name} `);
}
