import type { RoomEvent } from '../../matrix/matrix.ts';
import type { MatrixUserId } from '../../model/ids.ts';
import type { Account, Portal, Tx } from '../../storage/storage.ts';
import type { Permission } from '../parts.ts';
import type { TextArguments } from '../texts/texts.ts';

/** What a person asked the bot, and how to answer. */
export interface CommandCall {
  readonly user: MatrixUserId;
  readonly event: RoomEvent;
  readonly args: readonly string[];
  /** When it came in, epoch milliseconds. */
  readonly receivedAtMs: number;
  /** The conversation in whose room it was said; absent in the management room. */
  readonly portal: Readonly<{ portal: Portal; account: Account }> | undefined;
  /** Answers in the same room, once, by the id of a text. */
  reply(id: string, args?: TextArguments): Promise<void>;
  /**
   * As `reply`, in words that were put together already. @returns the answer's event.
   * @param version of the words, where an earlier run may have said others: then these are said as well.
   */
  replyWith(text: string, version?: string): Promise<RoomEvent['event_id']>;
  /** Settles the command's inbox row in this transaction: what is written with it happens once. */
  settle(tx: Tx): Promise<void>;
}

/** One command of the bot. The help, the suggestions and the argument check are made from it. */
export interface Command {
  readonly name: string;
  /** Words that users of other bridges type. */
  readonly aliases: readonly string[];
  /** Such as `start-chat <identifier>`. */
  readonly usage: string;
  /** Id of the line that tells what it does. */
  readonly summary: string;
  /** How many arguments it takes. */
  readonly args: Readonly<{ min: number; max: number }>;
  readonly permission: Permission;
  /** Must be harmless when it runs again after a crash, unless it calls `settle`. */
  run(call: CommandCall): Promise<void>;
}
