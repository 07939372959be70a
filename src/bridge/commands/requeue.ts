import { eventId, matrixUserId, roomId } from '../../model/ids.ts';
import type { FailedFate, FailedFilter } from '../../storage/storage.ts';
import { reasonWords } from '../reason-words.ts';
import type { Command, CommandCall } from './command.ts';
import type { CommandParts } from './table.ts';

const MOST_LISTED = 20;
/** One command moves no more: each asks the database, and perhaps the network. The rest is there for the next one. */
const MOST_REQUEUED = 500;
/** Refusals that are named; the others are counted by what is left in the list. */
const MOST_NAMED = 10;

/**
 * `requeue [event | user | room] [all]`, for administrators: which messages failed, whose, when and why; and sends one, or
 * all of a user or room, again. Shows no content.
 */
export function requeueCommand({ parts, requeue }: CommandParts): Command {
  const { texts, clock, storage } = parts;

  const wordsFor = async (failed: FailedFate, why: Parameters<typeof reasonWords>[2]): Promise<string> => {
    const account = await storage.database.transaction(
      async (tx) => await storage.accounts.findById(tx, failed.account),
    );
    return reasonWords(parts, account, why);
  };

  const list = async (call: CommandCall, filter: FailedFilter): Promise<void> => {
    const found = await requeue.list(filter, MOST_LISTED + 1);
    if (found.length === 0) {
      await call.reply('requeue-none');
      return;
    }
    const shown = found.slice(0, MOST_LISTED);
    const lines = [texts.say('requeue-head', { count: shown.length })];
    for (const failed of shown) {
      const { event, user, room, failedAtMs, reason, reasonArgs: args, errorCode } = failed;
      const words = await wordsFor(failed, { reason, args, errorCode });
      const age = texts.say('age', ageOf(clock.nowMs() - failedAtMs));
      lines.push(texts.say('requeue-line', { event, user, room, age, reason: words }));
    }
    if (found.length > MOST_LISTED) lines.push(texts.say('requeue-more', { count: MOST_LISTED }));
    lines.push(texts.say('requeue-how'));
    await call.replyWith(lines.join('\n'), 'list');
  };

  const putBack = async (call: CommandCall, filter: FailedFilter): Promise<void> => {
    const found = await requeue.list(filter, MOST_REQUEUED);
    if (found.length === 0) {
      await call.reply('requeue-none');
      return;
    }
    let count = 0;
    const refused: string[] = [];
    for (const failed of found) {
      const result = await requeue.requeue(failed);
      if (result.kind === 'requeued') count += 1;
      else if (refused.length < MOST_NAMED) {
        refused.push(
          texts.say('requeue-refused', { event: failed.event, reason: await wordsFor(failed, result) }),
        );
      }
    }
    // After a crash in the middle fewer are left to be put back: what is said then differs.
    const version = `${count} ${refused.length}`;
    await call.replyWith([texts.say('requeue-done', { count }), ...refused].join('\n'), version);
  };

  return {
    name: 'requeue',
    aliases: [],
    usage: 'requeue [event, user or room id] [all]',
    summary: 'command-requeue',
    args: { min: 0, max: 2 },
    permission: 'admin',
    run: async (call) => {
      const [of = '', all] = call.args;
      const filter = filterOf(of);
      if (call.portal !== undefined) await call.reply('opt-in-not-here');
      else if (filter === undefined || (all ?? 'all') !== 'all') {
        await call.reply('command-usage', { usage: 'requeue [event, user or room id] [all]' });
      } else if (all === 'all' || filter.event !== undefined) await putBack(call, filter);
      else await list(call, filter);
    },
  };
}

/** @returns `undefined` for what is no id; an empty filter for nothing. */
function filterOf(text: string): FailedFilter | undefined {
  try {
    if (text === '') return {};
    if (text.startsWith('$')) return { event: eventId(text) };
    if (text.startsWith('@')) return { user: matrixUserId(text) };
    return { room: roomId(text) };
  } catch {
    /* the person is told how it is written */
    return undefined;
  }
}

function ageOf(ms: number): { count: number; unit: string } {
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  if (minutes < 60) return { count: minutes, unit: 'minutes' };
  if (minutes < 48 * 60) return { count: Math.floor(minutes / 60), unit: 'hours' };
  return { count: Math.floor(minutes / (24 * 60)), unit: 'days' };
}
