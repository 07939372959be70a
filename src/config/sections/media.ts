import { z } from 'zod';
import { baseUrl, filePath, line } from '../formats.ts';
import { Secret } from '../secret.ts';
import { choice, setting } from '../setting.ts';

const MIB = 1_048_576;
const MOST_BYTES = 1_000_000_000_000_000;

const s3 = z.strictObject({
  endpoint: setting(baseUrl('https').optional(), {
    description:
      'Base URL of the S3 server, without the bucket; it must take the bucket in the path. https, except for this machine.',
    sample: 'https://s3.example.com',
  }),
  region: setting(line(64).default('us-east-1'), {
    description: 'The region that requests are signed for.',
  }),
  bucket: setting(
    z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket')
      .optional(),
    {
      description: 'The bucket. It must exist, and should not be readable without credentials.',
      sample: 'CHANGE-ME',
    },
  ),
  prefix: setting(
    z
      .string()
      .max(128)
      .regex(/^[A-Za-z0-9_/-]*$/, 'must consist of letters, digits and / _ - only')
      .default(''),
    { description: 'Put before the name of each object, for a bucket that others use too.' },
  ),
  access_key_id: setting(line(128).optional(), {
    description:
      'Names the credentials. They need to read, write and delete objects, and to ask for the bucket.',
    sample: 'CHANGE-ME',
  }),
  secret_access_key: setting(
    line(256)
      .transform((text) => new Secret(text))
      .optional(),
    { description: 'Signs the requests.', secret: true, sample: 'CHANGE-ME' },
  ),
});

/** `media`: the files that are hosted for contacts, and what may be fetched. */
export const mediaSection = setting(
  z
    .strictObject({
      store: setting(
        choice({
          disk: 'Hosted files lie in `path`.',
          s3: 'Hosted files lie in the bucket of `s3`; `path` holds only what is on its way.',
        }).default('disk'),
        {
          description:
            'Where hosted files lie. They are encrypted; the keys travel in the messages. Files do not move when it is changed.',
        },
      ),
      path: setting(filePath().default('media'), {
        description:
          'A folder for Drawbridge alone, from the folder of this file if relative; made if it is missing. `hosted` in it is as much ' +
          'part of a backup as the database, `spool` is emptied at each start. Every file that crosses at a time needs its size there.',
      }),
      s3: setting(s3.prefault({}), {
        description: 'The bucket, if `store` is `s3`; then all but `region` and `prefix` must be given.',
      }),
      max_bytes: setting(
        z
          .int()
          .min(1_024)
          .max(4_000 * MIB)
          .default(100 * MIB),
        {
          description: 'The largest file that is carried, in either direction. A network may take less.',
          unit: 'bytes',
        },
      ),
      account_quota_bytes: setting(
        z
          .int()
          .min(1_024)
          .max(MOST_BYTES)
          .default(2_048 * MIB),
        {
          description:
            'The most that is hosted for one account at a time. Past it, messages with files wait for older ones to expire.',
          unit: 'bytes',
        },
      ),
      total_quota_bytes: setting(
        z
          .int()
          .min(1_024)
          .max(MOST_BYTES)
          .default(20_480 * MIB),
        {
          description: 'The most that is hosted for all accounts together.',
          unit: 'bytes',
        },
      ),
      keep_days: setting(z.int().min(1).max(365).default(30), {
        description: 'How long a file is hosted. A contact who was away for longer cannot fetch it any more.',
        unit: 'days',
      }),
      thumbnails: setting(z.boolean().default(true), {
        description:
          'Whether pictures that come without a preview get one. For that they are decoded, each by a process of its own that can ' +
          'do no more than that. `false`: only their sizes are read.',
      }),
      inspect_max_bytes: setting(
        z
          .int()
          .min(MIB)
          .max(512 * MIB)
          .default(32 * MIB),
        {
          description:
            'The largest file that is looked into for a preview, a duration or the shape of a voice message: of larger ones only ' +
            'the type and the size of a picture are known. At most two are looked into at a time; each may need three times its ' +
            'size in memory for that moment, and 512 MiB.',
          unit: 'bytes',
        },
      ),
    })
    .prefault({}),
  { description: 'Files: those that are hosted, encrypted, for contacts, and how large they may be.' },
);
