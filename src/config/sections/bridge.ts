import { z } from 'zod';
import { isServerName } from '../formats.ts';
import { choice, setting } from '../setting.ts';

const permission = choice({
  none: 'The bot answers that this person may not use the bridge.',
  user: 'May opt in and chat.',
  admin: 'As `user`, and the bot takes the administrators’ commands.',
});

const permissions = setting(
  z.record(z.string().refine(isPermissionKey, 'must be *, a server name or a full user id'), permission),
  {
    description:
      'Who may use the bridge. Keys are a user id, a server name, or `*` for everyone else; the most specific one wins. Who is not ' +
      'covered has `none`.',
    sample: { '*': 'none', 'example.com': 'user', '@admin:example.com': 'admin' },
  },
);

const delivery = setting(
  z
    .strictObject({
      too_old_hours: setting(z.int().min(1).max(720).default(48), {
        description:
          'A message that could not be handed to the network for this long is given up, and its sender is told. It counts from the time ' +
          'when the homeserver took it.',
        unit: 'hours',
      }),
      keep_failed_hours: setting(z.int().min(0).max(168).default(72), {
        description:
          'For how long a message that failed is kept, sealed, so that its sender (`retry`) or an administrator (`requeue`) can send it ' +
          'after all. 0: it is wiped at once, or within an hour.',
        unit: 'hours',
      }),
    })
    .prefault({}),
  { description: 'When a message is given up, and what is left of it then.' },
);

const shareByDefault = setting(
  z
    .strictObject({
      read_receipts: setting(z.boolean().default(true), {
        description:
          '`true`: a contact sees up to where someone has read, unless their client keeps receipts private or they have said ' +
          '`receipts off`.',
      }),
      typing: setting(z.boolean().default(true), {
        description:
          '`true`: a contact sees that someone is writing to them, unless they have said `typing off`.',
      }),
    })
    .prefault({}),
  { description: 'What contacts see of people who have not chosen for themselves.' },
);

/** `bridge`: how the bridge behaves towards people on Matrix. */
export const bridgeSection = setting(
  z.strictObject({
    command_prefix: setting(
      z
        .string()
        .max(32)
        .regex(/^[!-~]+$/, 'must be printable ASCII without spaces')
        .default('!bridge'),
      {
        description:
          'How a command to the bot begins in a room with a contact. In the direct chat with the bot it can be left out. A message that ' +
          'begins so never reaches the contact.',
      },
    ),
    permissions,
    language: setting(choice({ en: 'English.' }).default('en'), {
      description: 'Language of notices and answers for people whose own language is not known.',
    }),
    message_status_events: setting(z.boolean().default(true), {
      description:
        '`true`: clients are told by `com.beeper.message_send_status` events when a message was sent, delivered or failed; each is one ' +
        'more event in the room. `false`: only failures and long waits are told, by a notice.',
    }),
    delivery,
    share_by_default: shareByDefault,
  }),
  { description: 'How the bridge behaves towards people on Matrix.' },
);

function isPermissionKey(key: string): boolean {
  if (key === '*') return true;
  if (!key.startsWith('@')) return isServerName(key);
  const colon = key.indexOf(':');
  return colon > 1 && key.length <= 255 && !/[\s\p{Cc}]/u.test(key) && isServerName(key.slice(colon + 1));
}
