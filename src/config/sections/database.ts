import { z } from 'zod';
import { filePath } from '../formats.ts';
import { Secret } from '../secret.ts';
import { choice, setting } from '../setting.ts';

/** `database`: where everything is kept that must survive a restart. */
export const databaseSection = setting(
  z.strictObject({
    type: setting(
      choice({
        sqlite: 'One file on this machine; nothing else to run. Serves a community.',
        postgres:
          'A PostgreSQL server. For large deployments, and where backups and failover are already solved there.',
      }).default('sqlite'),
      {
        description:
          'The kind of database. There is no command that carries data from one kind to the other.',
      },
    ),
    uri: setting(
      filePath().transform((text) => new Secret(text)),
      {
        description:
          'For `sqlite` the path of the file, from the folder of this file if relative; the file is made if it is missing. For ' +
          '`postgres` a URI such as `postgres://drawbridge:password@127.0.0.1/drawbridge`; the database is for Drawbridge alone.',
        secret: true,
        sample: 'drawbridge.db',
      },
    ),
    max_open_conns: setting(z.int().min(3).max(200).default(10), {
      description: 'The most connections to PostgreSQL at a time. SQLite always uses one.',
    }),
  }),
  { description: 'Where everything is kept that must survive a restart.' },
);
