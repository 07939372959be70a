/** `drawbridge phone`: a contact's app in the terminal, beside a running sandbox. */
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

import type { Clock, Log, Random } from '../../model/ambient.ts';
import { BridgeError, codeOf } from '../../model/errors.ts';
import { eventLines, line, visible } from './chat-lines.ts';
import { Phone } from './phone.ts';
import type { PhoneContact } from './phone-door.ts';
import { readSandboxDescription, type SandboxDescription, type SandboxPhone } from './sandbox-description.ts';

export interface PhoneChatOptions {
  /** The sandbox's folder, with its sandbox.json. */
  readonly dir: string;
  /** Whose phone: a name or JID of sandbox.json. Default: the first. */
  readonly phone?: string;
  /** Whom to write to: a JID, a Matrix user id, or a display name. Default: the only one there is, or who writes first. */
  readonly to?: string;
  readonly input: Readable;
  readonly output: Writable;
  /** Ends the chat, as `/quit` does. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const help = [
  'Type a line to send it. Commands:',
  '  /contacts      who can be written to',
  '  /to WHO        write to WHO: a number of /contacts, a JID, a Matrix user id, or a name',
  '  /quit          leave (Ctrl-D does too)',
].join('\n');

/**
 * Runs until the input ends, `/quit`, or the signal.
 * @returns the exit code: 0, or 1 when there is no sandbox or no such phone (and the reason is printed).
 */
export async function runPhoneChat(options: PhoneChatOptions): Promise<number> {
  const print = (text: string) => options.output.write(`${text}\n`);
  let description: SandboxDescription;
  try {
    description = await readSandboxDescription(options.dir);
  } catch (failure) {
    if (!(failure instanceof BridgeError)) throw failure;
    print(`There is no running sandbox in ${options.dir}: start one with "npm run sandbox".`);
    return 1;
  }
  const owner = findPhone(description, options.phone);
  if (owner === undefined) {
    print(`No such phone. There are: ${description.phones.map(({ name }) => name).join(', ') || 'none'}.`);
    return 1;
  }
  const phone = makePhone(description, owner, options);
  const chat = new Chat(phone, print, options);
  try {
    await phone.start();
    await chat.run();
    return 0;
  } catch (failure) {
    if (!(failure instanceof BridgeError)) throw failure;
    print(`The sandbox does not answer (${failure.code}). Is it still running?`);
    return 1;
  } finally {
    await phone.stop();
  }
}

class Chat {
  readonly #phone: Phone;
  readonly #print: (text: string) => void;
  readonly #options: PhoneChatOptions;
  #contacts: PhoneContact[] = [];
  #to: string | undefined;

  constructor(phone: Phone, print: (text: string) => void, options: PhoneChatOptions) {
    this.#phone = phone;
    this.#print = print;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { input, signal, to } = this.#options;
    const unwatch = this.#phone.events.watch((event) => {
      if (event.kind === 'message') this.#to ??= event.message.from;
      const lines = eventLines(event, this.#options.clock.nowMs(), (jid) => this.#nameOf(jid));
      if (lines !== undefined) this.#print(lines);
    });
    const lines = createInterface({ input, terminal: false });
    // Begun at once: readline forgets lines that are entered while nobody iterates.
    const entries = lines[Symbol.asyncIterator]();
    const close = () => lines.close();
    signal.addEventListener('abort', close, { once: true });
    try {
      this.#print(`You are ${visible(this.#phone.name)} (${this.#phone.jid}).\n${help}`);
      await this.#showContacts();
      if (to !== undefined) await this.#choose(to);
      else if (this.#contacts.length === 1) await this.#choose('1');
      for await (const entered of entries) {
        if (entered.trim() === '/quit') break;
        await this.#enter(entered.trim());
      }
    } finally {
      signal.removeEventListener('abort', close);
      lines.close();
      unwatch();
    }
  }

  async #enter(entered: string): Promise<void> {
    try {
      if (entered === '') return;
      if (entered === '/contacts') await this.#showContacts();
      else if (entered.startsWith('/to ')) await this.#choose(entered.slice(4).trim());
      else if (entered.startsWith('/')) this.#print(help);
      else await this.#send(entered);
    } catch (failure) {
      this.#print(`That did not work (${codeOf(failure)}).`);
      this.#options.log.debug('chat command failed', {}, failure);
    }
  }

  async #send(text: string): Promise<void> {
    if (this.#to === undefined) {
      this.#print('To whom? Choose with /to.');
      return;
    }
    await this.#phone.send(this.#to, { text });
    this.#print(line(this.#options.clock.nowMs(), `you → ${this.#nameOf(this.#to)}`, text));
  }

  async #showContacts(): Promise<void> {
    this.#contacts = await this.#phone.contacts();
    if (this.#contacts.length === 0) {
      this.#print('Nobody has opted in yet. Look again with /contacts.');
      return;
    }
    const lines = this.#contacts.map(
      ({ jid, identifier }, index) => `  ${index + 1}  ${this.#nameOf(jid)}  ${visible(identifier)}`,
    );
    this.#print(lines.join('\n'));
  }

  async #choose(who: string): Promise<void> {
    this.#contacts = await this.#phone.contacts();
    const found = this.#contacts.find(
      (contact, index) =>
        who === String(index + 1) || [contact.jid, contact.identifier, contact.display_name].includes(who),
    );
    if (found === undefined) {
      this.#print('There is nobody of that name.');
      return;
    }
    this.#to = found.jid;
    this.#print(`You are writing to ${this.#nameOf(found.jid)}.`);
  }

  #nameOf(jid: string): string {
    const contact = this.#contacts.find((known) => known.jid === jid);
    return visible(contact?.display_name ?? contact?.identifier ?? jid);
  }
}

function findPhone(description: SandboxDescription, wanted: string | undefined): SandboxPhone | undefined {
  if (wanted === undefined) return description.phones[0];
  const lower = wanted.toLowerCase();
  return description.phones.find(({ name, jid }) => name.toLowerCase() === lower || jid === lower);
}

function makePhone(description: SandboxDescription, owner: SandboxPhone, options: PhoneChatOptions): Phone {
  const { door_url, host, port, ca_file } = description.gatekeeper;
  return new Phone({
    name: owner.name,
    jid: owner.jid,
    secret: owner.secret,
    keysFile: owner.keys_file,
    doorUrl: door_url,
    host,
    port,
    caFile: ca_file,
    clock: options.clock,
    random: options.random,
    log: options.log,
  });
}
