import { z } from 'zod';
import { baseUrl } from '../formats.ts';
import { setting } from '../setting.ts';

/** `public`: what gatekeepers see of this deployment. */
export const publicSection = setting(
  z.strictObject({
    url: setting(baseUrl('https'), {
      description:
        'The address under which gatekeepers reach the listener with the `public` resource: the name of the OpenID issuer, the base ' +
        'of the push endpoint and of media. It stands in every proof of identity, so after a change all users must be enlisted ' +
        'again. https, except for this machine.',
      sample: 'https://bridge.example.com',
    }),
    key_rotation_days: setting(z.int().min(1).max(365).default(90), {
      description:
        'How long a key signs proofs of identity before the next one takes over. The next key is published ahead of time, the last ' +
        'one stays until nothing that it signed is valid any more.',
      unit: 'days',
    }),
    jwks_max_age_s: setting(z.int().min(60).max(86_400).default(3600), {
      description:
        'How long gatekeepers may keep our public keys before they ask again. A new key waits for twice this time before it signs.',
      unit: 'seconds',
    }),
  }),
  { description: 'What the gatekeepers see of this deployment.' },
);
