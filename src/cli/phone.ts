import type { AddCommand } from './command.ts';
import { type SandboxFolderOption, sandboxFolder, sandboxFolderOption } from './sandbox-folder.ts';
import { untilSignal } from './signals.ts';

interface PhoneOptions extends SandboxFolderOption {
  readonly as?: string;
  readonly to?: string;
}

/** `drawbridge phone`. */
export const addPhone: AddCommand = (program, { io, run }) => {
  program
    .command('phone')
    .description('Chat as a contact on the gatekeeper’s side of a running sandbox, in this terminal.')
    .addOption(sandboxFolderOption())
    .option('--as <contact>', 'whose phone: a name or JID; else the sandbox’s first')
    .option('--to <person>', 'whom to write to: a Matrix user id, a JID or a name; else whoever writes first')
    .action(
      run<PhoneOptions>(async (options) => {
        const { runPhoneChat } = await import('../sandbox/phone/chat.ts');
        const { createLog } = await import('../ambient/log.ts');
        const { systemClock } = await import('../ambient/clock.ts');
        const { systemRandom } = await import('../ambient/random.ts');
        // The terminal is for the conversation; standard error takes what goes wrong.
        const log = createLog({
          level: 'warn',
          format: 'pretty',
          contactIds: 'plain',
          destination: { write: (line) => io.err(line.trimEnd()) },
        });
        const dir = await sandboxFolder(options, io);
        const shared = { dir, clock: systemClock, random: systemRandom, log, ...io.terminal };
        return await untilSignal(io, async (signal) =>
          runPhoneChat({
            ...shared,
            signal,
            ...(options.as !== undefined && { phone: options.as }),
            ...(options.to !== undefined && { to: options.to }),
          }),
        );
      }),
    );
};
