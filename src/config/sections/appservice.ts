import { z } from 'zod';
import { baseUrl, line, token } from '../formats.ts';
import { setting } from '../setting.ts';

const MEBIBYTE = 1024 * 1024;
// Matrix specification, "User Identifiers": the characters of a localpart. Synapse refuses a sender that needs escaping.
const LOCALPART = /^[a-z0-9._=-]+$/;

const bot = setting(
  z
    .strictObject({
      username: setting(
        z
          .string()
          .min(1, 'must not be empty')
          .max(64)
          .regex(LOCALPART, localpartRule())
          .default('drawbridgebot'),
        {
          description:
            'Localpart of the bot’s user id. People open a direct chat with it to opt in. A change needs a new registration and ' +
            'leaves the old bot in its rooms.',
        },
      ),
      displayname: setting(line(100).default('Drawbridge'), {
        description: 'The name of the bot that people see.',
      }),
    })
    .prefault({}),
  { description: 'The bot that people talk to.' },
);

/** `appservice`: how the homeserver and Drawbridge know each other; the registration is made from it. */
export const appserviceSection = setting(
  z.strictObject({
    id: setting(
      z
        .string()
        .max(64)
        .regex(/^[A-Za-z0-9_.-]+$/, 'must consist of letters, digits, dot, dash and underscore')
        .default('drawbridge'),
      { description: 'Name of the appservice in the registration, unique on its homeserver.' },
    ),
    address: setting(baseUrl('any'), {
      description:
        'URL at which the homeserver reaches the listener with the `appservice` resource. It is written into the registration, so ' +
        'a change needs `drawbridge register --force` and a restart of the homeserver.',
      sample: 'http://127.0.0.1:29350',
    }),
    bot,
    ghost_prefix: setting(
      z.string().min(1, 'must not be empty').max(32).regex(LOCALPART, localpartRule()).default('_interop_'),
      {
        description:
          'How the user ids of contacts begin: `@` + this + network + `_` + escaped contact. Everything that begins so is reserved ' +
          'for Drawbridge on this homeserver. A change needs a new registration and makes new ghosts; rooms keep the old ones.',
      },
    ),
    as_token: setting(token(), {
      description:
        'Shows the homeserver that a request comes from Drawbridge. `drawbridge register --generate-tokens` writes new ones.',
      secret: true,
      sample: 'CHANGE-ME',
    }),
    hs_token: setting(token(), {
      description:
        'Shows Drawbridge that a request comes from the homeserver. Another value than `as_token`.',
      secret: true,
      sample: 'CHANGE-ME',
    }),
    max_body_bytes: setting(
      z
        .int()
        .min(MEBIBYTE)
        .max(1024 * MEBIBYTE)
        .default(50 * MEBIBYTE),
      {
        description:
          'The largest transaction that is taken from the homeserver. A larger one is answered with 413; the homeserver then sends ' +
          'it again and again, and nothing behind it arrives.',
        unit: 'bytes',
      },
    ),
  }),
  { description: 'The appservice: how the homeserver and Drawbridge know each other.' },
);

function localpartRule(): string {
  return 'must consist of lower-case letters, digits and . _ = - only';
}
