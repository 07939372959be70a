import { z } from 'zod';
import { baseUrl, serverName } from '../formats.ts';
import { setting } from '../setting.ts';

/** `homeserver`: whom the appservice belongs to. */
export const homeserverSection = setting(
  z.strictObject({
    address: setting(baseUrl('any'), {
      description:
        'URL at which Drawbridge reaches the homeserver’s client-server API. Choose one that stays inside your machine or ' +
        'network: the appservice token travels over it.',
      sample: 'http://127.0.0.1:8008',
    }),
    domain: setting(serverName(), {
      description:
        'Server name of the homeserver: what stands behind the colon in its user ids. Contacts and the bot get user ids on it. ' +
        'It cannot be changed later, because rooms and ghosts keep the old one.',
      sample: 'example.com',
    }),
  }),
  { description: 'The Matrix homeserver that Drawbridge is registered with.' },
);
