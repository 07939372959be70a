import { Command } from 'commander';
import { addCheckConfig } from './check-config.ts';
import type { AddCommand, CommandContext } from './command.ts';
import type { CliIo } from './io.ts';
import { addMigrate } from './migrate.ts';
import { addPhone } from './phone.ts';
import { addRegister } from './register.ts';
import { addSampleConfig } from './sample-config.ts';
import { addSandbox } from './sandbox.ts';
import { addStart } from './start.ts';
import { addVersion, programFacts, versionLines } from './version.ts';

/** In the order in which an operator needs them. */
const COMMANDS: readonly AddCommand[] = [
  addSampleConfig,
  addCheckConfig,
  addRegister,
  addMigrate,
  addStart,
  addSandbox,
  addPhone,
  addVersion,
];

/**
 * The command line, ready to be parsed once.
 * @param finish is told the exit code of the command that ran.
 */
export function createProgram(io: CliIo, finish: (code: number) => void): Command {
  const context: CommandContext = {
    io,
    run: (work) => async (options) => {
      finish(await work(options));
    },
  };
  const program = new Command('drawbridge')
    .description('Bridges Matrix rooms to one-on-one chats on a messaging gatekeeper’s network.')
    .version(
      versionLines(programFacts()).join('\n'),
      '-V, --version',
      'print what "drawbridge version" prints',
    )
    .helpOption('-h, --help', 'print help; also behind a command')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText('after', '\nExit codes and examples: docs/cli.md');
  for (const add of COMMANDS) add(program, context);
  return program;
}
