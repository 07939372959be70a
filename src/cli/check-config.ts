import type { AddCommand, ConfigOption } from './command.ts';
import { configOption } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { loadOrTell } from './loaded-config.ts';

interface CheckOptions extends ConfigOption {
  readonly show?: true;
}

/** `drawbridge check-config`. */
export const addCheckConfig: AddCommand = (program, { io, run }) => {
  program
    .command('check-config')
    .description('Check the configuration and tell all its faults at once. Starts nothing, changes nothing.')
    .addOption(configOption(io))
    .option('--show', 'print every setting with its value and where it came from; secrets as [set]')
    .action(
      run<CheckOptions>(async ({ config: file, show }) => {
        const loaded = await loadOrTell({ file }, io);
        if (typeof loaded === 'number') return loaded;
        if (show === true) {
          for (const { path, value, origin } of loaded.effective) io.out(`${path} = ${value}  (${origin})`);
        }
        io.out(`${file}: valid`);
        return EXIT.ok;
      }),
    );
};
