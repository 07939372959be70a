/** `docs/cli.md`: every command's help, and the exit codes. */
import type { Command } from 'commander';
import { EXIT, EXIT_WORDS, type ExitName } from './exit-codes.ts';

const HEAD = `# The drawbridge command

<!-- Made by "npm run generate" from src/cli/: change it there. -->

In a checkout: \`npm run drawbridge -- <command>\`, or \`node bin/drawbridge.cjs <command>\`. A first installation takes

\`\`\`sh
drawbridge sample-config > config.yaml     # then fill in what is marked
drawbridge register --generate-tokens      # writes tokens into config.yaml, and registration.yaml
drawbridge check-config
drawbridge start
\`\`\`

with the homeserver restarted before the last line (Synapse: \`app_service_config_files\` in homeserver.yaml). What was asked
for goes to standard output, everything else to standard error.`;

const SIGNALS = `A first SIGTERM or SIGINT stops in order; a second one ends the process at once, with 128 and the number of the signal.`;

/** The text of the page. */
export function cliPageText(program: Command): string {
  const commands = program.commands.flatMap((command) => [
    `## ${command.name()}`,
    fenced(command.helpInformation()),
  ]);
  const codes = (Object.entries(EXIT) as [ExitName, number][]).map(
    ([name, code]) => `| ${code} | ${EXIT_WORDS[name]} |`,
  );
  const table = ['| code | meaning |', '|---|---|', ...codes].join('\n');
  return `${[HEAD, fenced(program.helpInformation()), ...commands, '## Exit codes', table, SIGNALS].join('\n\n')}\n`;
}

function fenced(text: string): string {
  return `\`\`\`text\n${text.trimEnd()}\n\`\`\``;
}
