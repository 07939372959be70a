import { z } from 'zod';
import { key32 } from '../formats.ts';
import { setting } from '../setting.ts';

/** `encryption`: the key that everything readable in the database is sealed under. */
export const encryptionSection = setting(
  z.strictObject({
    master_key: setting(key32(), {
      description:
        'Opens the key of each account, and with it everything readable in the database: 32 random bytes in base64, as `openssl rand ' +
        '-base64 32` prints them. Keep a copy apart from the database: without it the database is noise, and with both anyone reads it.',
      secret: true,
      sample: 'CHANGE-ME',
    }),
    previous_master_key: setting(key32().optional(), {
      description:
        'The key before `master_key`, given while the master key is being changed: at the next start the accounts’ keys are wrapped ' +
        'anew, and then it can be taken out.',
      secret: true,
      sample: 'CHANGE-ME',
    }),
  }),
  { description: 'What protects the database where it lies.' },
);
