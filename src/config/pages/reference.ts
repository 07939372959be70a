/** `docs/configuration.md`: the reference of all settings. */
import { environmentName } from '../environment.ts';
import { rangeWords } from '../schema-faults.ts';
import type { SettingNode } from '../settings.ts';
import { choicesOf } from './choices.ts';

const HEAD = `# Configuration

One YAML file, \`config.yaml\`. Start from \`config.sample.yaml\` (or \`drawbridge sample-config\`), and check with
\`drawbridge check-config\`: it tells all faults at once, each with its place, the value, and the reason. With \`--show\` it
prints every setting with its value and where that came from. Changes count from the next start on.

<!-- Made by "npm run generate" from src/config/: change it there. -->

**From the environment.** Each setting has a variable, named below, which goes before the file. Text is taken as it
stands; numbers, lists and maps are read as YAML. An empty variable counts as not set. A variable with two underscores
after \`DRAWBRIDGE_\` that fits no setting is an error. A network must stand in the file; its settings may then come from
the environment, with the id in capitals and \`_\` for \`-\`.

**Secrets** may stand in a file of their own: \`as_token_file: /run/credentials/drawbridge/as_token\` in place of
\`as_token\`, or the variable with \`_FILE\` behind it. One line break at the end of such a file is dropped. Secrets are never
printed or logged.

**Paths** that are relative begin at the folder of the configuration file. An empty value (\`ca_file:\`) counts as not given;
an unknown key is an error, and so is what the sample leaves to be filled in (\`CHANGE-ME\`, \`example.com\`).

A value marked *refused for now* is part of the plan but not carried out by this version; \`check-config\` refuses it, so
that a configuration never promises what does not happen.`;

/** The text of the page for the configuration that `tree` describes. */
export function referenceText(tree: SettingNode): string {
  const parts = [HEAD];
  if (tree.kind === 'section') {
    for (const [key, node] of tree.children)
      parts.push(`## ${key}`, node.words.description, ...bodies(node, [key]));
  }
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** What stands under a section's or a list's heading. */
function bodies(node: SettingNode, path: readonly string[]): string[] {
  if (node.kind === 'section')
    return [...node.children].flatMap(([key, child]) => blocks(child, [...path, key]));
  if (node.kind === 'map' && node.entry.kind === 'section') return bodies(node.entry, [...path, '<ID>']);
  if (node.kind === 'list' && node.entry.kind === 'section') {
    const entries = [...node.entry.children].flatMap(([key, child]) => blocks(child, [...path, '[]', key]));
    return [facts(node, path).join('\n'), ...entries];
  }
  return [];
}

function blocks(node: SettingNode, path: readonly string[]): string[] {
  const title = `### ${pathTitle(path)}`;
  if (node.kind === 'section') return [title, node.words.description, ...bodies(node, path)];
  return [title, node.words.description, facts(node, path).join('\n')];
}

function facts(node: SettingNode, path: readonly string[]): string[] {
  const inner = node.kind === 'list' || node.kind === 'map' ? node.entry : node;
  const lines = choicesOf(inner).map(({ value, words }) => `- \`${value}\`: ${words}`);
  lines.push(`- ${kindText(node)}. ${defaultText(node)}`);
  if (!path.includes('[]')) {
    const name = environmentName(path);
    lines.push(
      `- \`${name}\`${node.words.secret ? `, \`${name}_FILE\`, or \`${path.at(-1)}_file\` in the file` : ''}`,
    );
  }
  return lines;
}

function kindText(node: SettingNode): string {
  switch (node.kind) {
    case 'integer':
      return `A whole number, ${rangeWords(node.min, node.max, node.words.unit)}`;
    case 'number':
      return `A number, ${rangeWords(node.min, node.max, node.words.unit)}`;
    case 'switch':
      return '`true` or `false`';
    case 'choice':
      return 'One of these words';
    case 'list':
      return node.entry.kind === 'choice' ? 'A list of these words' : 'A list';
    case 'map':
    case 'section':
      return 'A map';
    default:
      if (node.words.secret) return 'Text, secret';
      return node.words.path ? 'Path of a file' : 'Text';
  }
}

function defaultText(node: SettingNode): string {
  if (node.required) return `Required${example(node)}.`;
  if (node.fallback === undefined) return `May be left out${example(node)}.`;
  return `Default: \`${typeof node.fallback === 'string' ? node.fallback : JSON.stringify(node.fallback)}\`.`;
}

function example(node: SettingNode): string {
  const { sample } = node.words;
  if (sample === undefined || sample === 'CHANGE-ME') return '';
  return `, such as \`${typeof sample === 'string' ? sample : JSON.stringify(sample)}\``;
}

function pathTitle(path: readonly string[]): string {
  return path.join('.').replaceAll('.[]', '[]').replaceAll('<ID>', '*');
}
