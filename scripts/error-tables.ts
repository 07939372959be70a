/**
 * The tables that `defineErrors` declares, read from the source with their comments, and the page for operators that is
 * made from them.
 */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Texts } from '../src/bridge/texts/texts.ts';

const ROOT = path.join(import.meta.dirname, '..');

export type ErrorEntry = Readonly<{
  /** `folder/name`. */
  code: string;
  name: string;
  retry: string;
  arrived: string;
  notice: string;
  /** Its doc comment in one line; '' when there is none. */
  meaning: string;
}>;

export type ErrorTable = Readonly<{
  folder: string;
  /** The exported constant. */
  constant: string;
  /** From the project's root. */
  file: string;
  entries: readonly ErrorEntry[];
}>;

const TABLE = /^export const (\w+) = defineErrors\('([\w-]+)', \{\n(.*?)^\}\);/gms;
const ENTRY =
  /(?:\/\*\*((?:(?!\*\/).)*)\*\/\s*)?(\w+): \{\s*retry: '([\w-]+)',\s*arrived: '(\w+)',\s*notice: '([\w-]+)',?\s*\},/gs;

/** All tables of `src/`, by folder. */
export function errorTables(): readonly ErrorTable[] {
  const tables: ErrorTable[] = [];
  for (const file of globSync('src/**/*.ts', { cwd: ROOT })) {
    const source = readFileSync(path.join(ROOT, file), 'utf8');
    for (const [, constant = '', folder = '', body = ''] of source.matchAll(TABLE)) {
      const entries = [...body.matchAll(ENTRY)].map(
        ([, comment = '', name = '', retry = '', arrived = '', notice = '']) => {
          const meaning = comment.replace(/\s*\n\s*\*?\s*/g, ' ').trim();
          return { code: `${folder}/${name}`, name, retry, arrived, notice, meaning };
        },
      );
      tables.push({ folder, constant, file, entries });
    }
  }
  return tables.sort((a, b) => rank(a.folder).localeCompare(rank(b.folder)));
}

/** What operators meet comes before what only developers do. */
function rank(folder: string): string {
  const isSandbox = /^(sandbox-|toolbox$|synapse$)/.test(folder);
  return `${isSandbox ? 1 : 0} ${folder}`;
}

/** `docs/errors.md`. */
export function errorsPage(): string {
  const texts = new Texts();
  return `${HEAD}${errorTables()
    .map((table) => section(table, texts))
    .join('\n')}`;
}

function section({ folder, file, entries }: ErrorTable, texts: Texts): string {
  const rows = entries.map(({ code, retry, arrived, meaning, notice }) => {
    const said = notice === 'internal' ? '' : texts.say(`reason-${notice}`, { code, network: '{network}' });
    return `| \`${code}\` | ${retry} | ${arrived} | ${cell(meaning)} | ${cell(said)} |`;
  });
  return [
    `## ${folder}`,
    '',
    `From \`${file}\`.`,
    '',
    '| code | retry | arrived | what it means | what people read |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

const HEAD = `# Errors

This page is made from the tables in \`src/\` by \`npm run generate\`.

Every failure that the bridge knows has a code, \`folder/name\`. It stands in the log (\`code\`), in the metrics
(\`drawbridge_errors_total\`), in the answers of \`/ready\`, and where nothing better can be said, in what people read.
\`internal/unexpected\` stands for everything else: look for a bug.

- **retry** says what a queue does. \`later\`: again, with growing pauses. \`after-user\`: it waits, or is told, until a person
  acts. \`never\`: it is given up, visibly.
- **arrived** says whether what was attempted may have reached the other side. After \`unknown\` the same thing goes again
  under the same id, or not at all, and people read that it may have got through.
- **what people read** is the reason in the notice that tells a person what became of their message or command. Where
  it is empty, people read that something went wrong in the bridge, and the code.

`;
