import type { RoomEvent } from '../matrix/matrix.ts';
import type { Log } from '../model/ambient.ts';
import { nearest } from '../model/nearest.ts';
import type { Tx, WaitingEvent } from '../storage/storage.ts';
import { answerOf } from './answers.ts';
import type { Command, CommandCall } from './commands/command.ts';
import { type CommandParts, commandTable } from './commands/table.ts';
import type { Conversation } from './matrix-lane.ts';
import type { Permission } from './parts.ts';

/** The bot: its invitations, its management chats, its commands there and, behind the prefix, in portal rooms. */
export class BotChat {
  readonly #deps: CommandParts;
  readonly #commands: readonly Command[];
  readonly #log: Log;

  constructor(deps: CommandParts) {
    this.#deps = deps;
    this.#commands = commandTable(deps);
    this.#log = deps.parts.log.child({ part: 'bot-chat' });
  }

  /**
   * @param row when the event came in: an answer counts only if it came after the question.
   * @param settle settles the event's inbox row in a transaction of the command's own.
   * @returns whether the event was meant for the bot; what is not, is the caller's.
   */
  async handle(
    event: RoomEvent,
    row: Pick<WaitingEvent, 'receivedAtMs'>,
    conversation: Conversation | undefined,
    settle: (tx: Tx) => Promise<void>,
  ): Promise<boolean> {
    if (event.type === 'm.room.member') return await this.#handleMembership(event, conversation);
    if (conversation !== undefined) return await this.#handleInPortal(event, row, conversation, settle);
    const { storage } = this.#deps.parts;
    const management = await storage.database.transaction(
      async (tx) => await storage.managementRooms.find(tx, event.room_id),
    );
    if (management === undefined || management.user !== event.sender) return false;
    await this.#handleInManagement(event, row, settle);
    return true;
  }

  /** Whether an event of a portal is a command, and so no message to the contact. */
  isPortalCommand(event: RoomEvent): boolean {
    return this.#commandLine(event, true) !== undefined;
  }

  async #handleMembership(event: RoomEvent, conversation: Conversation | undefined): Promise<boolean> {
    const { matrix } = this.#deps.parts;
    const { membership } = event.content;
    if (event.state_key === matrix.botUserId && membership === 'invite') {
      await this.#acceptInvitation(event);
      return true;
    }
    const ghost = event.state_key === undefined ? undefined : matrix.parseGhost(event.state_key);
    if (ghost !== undefined && membership === 'invite') {
      // Nobody answers in a room that no portal stands for: the ghost goes, and says how a chat is begun.
      const reason = this.#deps.parts.texts.say('ghost-invited');
      await matrix.leave({
        room: event.room_id,
        as: matrix.ghostUserId(ghost.network, ghost.contact),
        reason,
      });
      return true;
    }
    const isGone = membership === 'leave' || membership === 'ban';
    if (conversation !== undefined && event.state_key === conversation.account.user) {
      const { storage } = this.#deps.parts;
      const { id } = conversation.portal;
      // With the contact's next message the user is invited again.
      if (isGone || membership === 'join') {
        await storage.database.transaction(async (tx) => await storage.portals.saveUserLeft(tx, id, isGone));
      }
    } else if (event.state_key === event.sender && isGone) {
      await this.#forgetManagement(event);
    }
    return true;
  }

  async #acceptInvitation(event: RoomEvent): Promise<void> {
    const { parts, notices } = this.#deps;
    const { matrix, storage, texts } = parts;
    const { room_id: room, sender } = event;
    if (!(await this.#isWelcome(event))) {
      const { operator } = parts.settings;
      const reason = texts.say('command-not-allowed', { operator: operator.name, contact: operator.contact });
      await matrix.leave({ room, as: matrix.botUserId, reason });
      return;
    }
    await matrix.join({ room, as: matrix.botUserId });
    const members = await matrix.getMembers(room);
    if (members.length > 2) {
      await matrix.leave({ room, as: matrix.botUserId, reason: texts.say('bot-in-group') });
      return;
    }
    await storage.database.transaction(async (tx) => await storage.managementRooms.insert(tx, room, sender));
    const network = [...parts.networks.values()].map(({ adapter }) => adapter.displayName).join(', ');
    await notices.say(room, `greeting ${event.event_id}`, texts.say('greeting', { network }));
    this.#log.info('management room opened', { room });
  }

  /** Whoever may use the bridge, and whoever has used it: opting out must always be possible. */
  async #isWelcome(event: RoomEvent): Promise<boolean> {
    if (this.#permits(event, 'user')) return true;
    const { storage } = this.#deps.parts;
    const accounts = await storage.database.transaction(
      async (tx) => await storage.accounts.listOfUser(tx, event.sender),
    );
    return accounts.length > 0;
  }

  /** The person left: an empty room needs no bot. */
  async #forgetManagement(event: RoomEvent): Promise<void> {
    const { matrix, storage } = this.#deps.parts;
    const management = await storage.database.transaction(
      async (tx) => await storage.managementRooms.find(tx, event.room_id),
    );
    if (management?.user !== event.sender) return;
    await matrix.leave({ room: event.room_id, as: matrix.botUserId });
    await storage.database.transaction(async (tx) => await storage.managementRooms.delete(tx, event.room_id));
  }

  async #handleInPortal(
    event: RoomEvent,
    row: Pick<WaitingEvent, 'receivedAtMs'>,
    conversation: Conversation,
    settle: (tx: Tx) => Promise<void>,
  ): Promise<boolean> {
    const line = this.#commandLine(event, true);
    if (line === undefined) return false;
    await this.#run(line, this.#call(event, row, line.args, conversation, settle));
    return true;
  }

  async #handleInManagement(
    event: RoomEvent,
    row: Pick<WaitingEvent, 'receivedAtMs'>,
    settle: (tx: Tx) => Promise<void>,
  ): Promise<void> {
    const { consent, notices, parts } = this.#deps;
    if (event.type === 'm.room.encrypted') {
      // Said once a room: silence would be the worst answer.
      await notices.say(event.room_id, 'encrypted', parts.texts.say('bot-encrypted'));
      return;
    }
    const pending = await consent.pending(event, row.receivedAtMs);
    const answer = pending && answerOf(event, pending.question);
    if (pending !== undefined && answer !== undefined) {
      const call = this.#call(event, row, [], undefined, settle);
      if (this.#permits(event, pending.kind === 'opt-in' ? 'user' : 'none')) {
        await consent.answer(call, pending, answer);
      } else await this.#refuse(call);
      return;
    }
    const line = this.#commandLine(event, false);
    if (line === undefined) return;
    // Whoever goes on to something else has not agreed.
    await consent.close(event.room_id);
    await this.#run(line, this.#call(event, row, line.args, undefined, settle));
  }

  #commandLine(
    event: RoomEvent,
    prefixNeeded: boolean,
  ): { name: string; args: readonly string[] } | undefined {
    const { matrix, settings } = this.#deps.parts;
    const { msgtype, body } = event.content;
    // A notice is a program's word; answering it could go on for ever.
    if (event.type !== 'm.room.message' || msgtype !== 'm.text' || typeof body !== 'string') return undefined;
    return matrix.parseCommandLine(body, { prefix: settings.commandPrefix, prefixNeeded });
  }

  async #run(line: { name: string; args: readonly string[] }, call: CommandCall): Promise<void> {
    const named = line.name === '' ? 'help' : line.name;
    const command = this.#commands.find(({ name, aliases }) => name === named || aliases.includes(named));
    if (command === undefined) {
      const words = this.#commands.flatMap(({ name, aliases }) => [name, ...aliases]);
      await call.reply('command-unknown', { name: named, nearest: nearest(named, words) ?? 'none' });
    } else if (!this.#permits(call.event, command.permission)) {
      await this.#refuse(call);
    } else if (line.args.length < command.args.min || line.args.length > command.args.max) {
      await call.reply('command-usage', { usage: command.usage });
    } else {
      await command.run(call);
    }
  }

  async #refuse(call: CommandCall): Promise<void> {
    const { operator } = this.#deps.parts.settings;
    await call.reply('command-not-allowed', { operator: operator.name, contact: operator.contact });
  }

  #permits(event: RoomEvent, needed: Permission): boolean {
    const rank: readonly Permission[] = ['none', 'user', 'admin'];
    return rank.indexOf(this.#deps.parts.settings.permissionOf(event.sender)) >= rank.indexOf(needed);
  }

  #call(
    event: RoomEvent,
    row: Pick<WaitingEvent, 'receivedAtMs'>,
    args: readonly string[],
    portal: Conversation | undefined,
    settle: (tx: Tx) => Promise<void>,
  ): CommandCall {
    const { notices, parts } = this.#deps;
    let answers = 0;
    const replyWith = async (text: string, version = '') => {
      answers += 1;
      // A command is answered once, also when it runs again: its nth answer always has the same key.
      return await notices.say(event.room_id, `answer ${event.event_id} ${answers} ${version}`, text, {
        ...(event.type === 'm.room.message' ? { replyTo: event.event_id } : {}),
      });
    };
    return {
      user: event.sender,
      event,
      receivedAtMs: row.receivedAtMs,
      args,
      portal,
      replyWith,
      reply: async (id, textArgs = {}) => {
        await replyWith(parts.texts.say(id, textArgs));
      },
      settle,
    };
  }
}
