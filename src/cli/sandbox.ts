import type { AddCommand } from './command.ts';
import { EXIT } from './exit-codes.ts';
import { type SandboxFolderOption, sandboxFolder, sandboxFolderOption } from './sandbox-folder.ts';
import { untilSignal } from './signals.ts';

interface SandboxOptions extends SandboxFolderOption {
  readonly demo?: true;
}

/** `drawbridge sandbox`. */
export const addSandbox: AddCommand = (program, { io, run }) => {
  program
    .command('sandbox')
    .description(
      'Run the bridge against a homeserver and a gatekeeper of its own on this machine, to try it out. Installs what is ' +
        'missing under .drawbridge/, and prints how to log in.',
    )
    .addOption(sandboxFolderOption())
    .option('--demo', 'play a scripted conversation, print what each side saw, and stop')
    .action(
      run<SandboxOptions>(async (options) => {
        const { runSandbox } = await import('../sandbox/sandbox.ts');
        const dir = await sandboxFolder(options, io);
        const print = (line: string) => io.out(line);
        const demo = options.demo === true;
        let code: number = EXIT.failed;
        try {
          code = await untilSignal(io, async (signal) =>
            runSandbox({ demo, dir, environment: io.environment, print, signal }),
          );
          return code;
        } finally {
          // The demo's Matrix client leaves timers behind that would keep the process for two minutes. What is told of a
          // failure is told before this runs.
          if (demo) setImmediate(() => io.exit(code));
        }
      }),
    );
};
