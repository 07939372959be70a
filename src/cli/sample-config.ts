import { sampleText } from '../config/pages/sample.ts';
import { configTree } from '../config/settings.ts';
import type { AddCommand } from './command.ts';
import { EXIT } from './exit-codes.ts';

/** `drawbridge sample-config`. */
export const addSampleConfig: AddCommand = (program, { io, run }) => {
  program
    .command('sample-config')
    .description('Print a configuration to start from, with every setting explained.')
    .action(
      run(async () => {
        io.out(sampleText(configTree()).trimEnd());
        return EXIT.ok;
      }),
    );
};
