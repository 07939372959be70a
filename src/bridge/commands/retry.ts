import { reasonWords } from '../reason-words.ts';
import type { Command } from './command.ts';
import type { CommandParts } from './table.ts';

/** A room's failed messages that are looked at for the last one: more fail in a room only while nobody looks. */
const MOST_LOOKED_AT = 1_000;

/** `retry`, in a chat room: sends the person's own last message again, if it failed. */
export function retryCommand({ parts, requeue }: CommandParts): Command {
  return {
    name: 'retry',
    aliases: ['resend'],
    usage: 'retry',
    summary: 'command-retry',
    args: { min: 0, max: 0 },
    permission: 'user',
    run: async (call) => {
      if (call.portal === undefined) {
        await call.reply('retry-not-here');
        return;
      }
      const { event, portal } = call;
      const isOwn = portal.account.user === call.user;
      const failed = isOwn ? await requeue.list({ room: event.room_id }, MOST_LOOKED_AT) : [];
      const last = failed.at(-1);
      if (last === undefined) {
        await call.reply('retry-nothing');
        return;
      }
      const result = await requeue.requeue(last);
      if (result.kind === 'requeued') await call.reply('retry-done');
      else await call.reply('retry-refused', { reason: reasonWords(parts, portal.account, result) });
    },
  };
}
