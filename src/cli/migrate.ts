import { databaseSettings } from '../config/database-settings.ts';
import type { AddCommand, ConfigOption } from './command.ts';
import { configOption } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { loadOrTell } from './loaded-config.ts';

/** `drawbridge migrate`. */
export const addMigrate: AddCommand = (program, { io, run }) => {
  program
    .command('migrate')
    .description(
      'Bring the database up to date and stop. "start" does so too; there is no way back but a backup.',
    )
    .addOption(configOption(io))
    .action(
      run<ConfigOption>(async ({ config: file }) => {
        const loaded = await loadOrTell({ file }, io);
        if (typeof loaded === 'number') return loaded;
        const { migrateDatabase } = await import('../storage/storage.ts');
        const names = await migrateDatabase(databaseSettings(loaded.config.database));
        for (const name of names) io.out(`done: ${name}`);
        io.out(names.length === 0 ? 'The database is up to date already.' : 'The database is up to date.');
        return EXIT.ok;
      }),
    );
};
