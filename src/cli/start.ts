import type { AddCommand, ConfigOption } from './command.ts';
import { configOption } from './command.ts';
import { loadOrTell } from './loaded-config.ts';
import { untilSignal } from './signals.ts';
import { programFacts } from './version.ts';

/** `drawbridge start`. */
export const addStart: AddCommand = (program, { io, run }) => {
  program
    .command('start')
    .description('Run the bridge until SIGTERM or SIGINT. The log goes to standard output.')
    .addOption(configOption(io))
    .action(
      run<ConfigOption>(async ({ config: file }) => {
        const loaded = await loadOrTell({ file }, io);
        if (typeof loaded === 'number') return loaded;
        const { runDaemon } = await import('../daemon.ts');
        const { version } = programFacts();
        return await untilSignal(io, async (signal) => await runDaemon(loaded.config, version, signal));
      }),
    );
};
