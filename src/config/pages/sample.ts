/** `config.sample.yaml`: every setting with its words, ready to be filled in. */
import { stringify } from 'yaml';
import { rangeWords } from '../schema-faults.ts';
import type { SettingNode } from '../settings.ts';
import { choicesOf } from './choices.ts';

const WIDTH = 110;

const HEAD = `Configuration of Drawbridge. Values with CHANGE-ME or example.com must be filled in; the others are the defaults.

Check it with: drawbridge check-config -c config.yaml
Reference: docs/configuration.md. Each setting can also come from the environment, which goes before this file:
DRAWBRIDGE_ and the keys in capitals, joined by two underscores, such as DRAWBRIDGE_LOGGING__LEVEL. A setting marked
"Secret" can also stand in a file of its own: as_token_file (or DRAWBRIDGE_APPSERVICE__AS_TOKEN_FILE) holds its path.
Relative paths begin at the folder of this file. An unknown key is an error. Changes count from the next start on.`;

/** The text of the sample for the configuration that `tree` describes. */
export function sampleText(tree: SettingNode): string {
  const lines = HEAD.split('\n').map((line) => `# ${line}`.trimEnd());
  lines.push('# yaml-language-server: $schema=config.schema.json');
  for (const [key, child] of childrenOf(tree)) lines.push('', ...entryLines(key, child, 0));
  return `${lines.join('\n')}\n`;
}

function entryLines(key: string, node: SettingNode, depth: number): string[] {
  const indent = '  '.repeat(depth);
  const said = commentLines(node, indent);
  const children = childrenOf(node);
  if (children.length > 0) {
    return [
      ...said,
      `${indent}${key}:`,
      ...children.flatMap(([name, child]) => entryLines(name, child, depth + 1)),
    ];
  }
  const value = node.fallback ?? node.words.sample;
  const text = stringify({ [key]: value }, { lineWidth: 0, flowCollectionPadding: false }).trimEnd();
  const mark = node.required || node.fallback !== undefined ? '' : '# ';
  return [...said, ...text.split('\n').map((line) => `${indent}${mark}${line}`)];
}

/** A section's keys; of a map of sections the one entry that the sample shows. */
function childrenOf(node: SettingNode): readonly (readonly [string, SettingNode])[] {
  if (node.kind === 'section') return [...node.children];
  if (node.kind === 'map' && node.entry.kind === 'section') return [[String(node.words.sample), node.entry]];
  return [];
}

function commentLines(node: SettingNode, indent: string): string[] {
  const lines = wrap(node.words.description.replaceAll('`', ''), `${indent}# `, `${indent}# `);
  const inner = node.kind === 'list' ? node.entry : node;
  if (inner.kind === 'section' && node.kind === 'list') {
    for (const [key, child] of inner.children) {
      lines.push(
        ...wrap(`${key}: ${child.words.description.replaceAll('`', '')}`, `${indent}#   `, `${indent}#     `),
      );
      const entry = child.kind === 'list' ? child.entry : child;
      lines.push(...choiceLines(entry, `${indent}  `));
    }
  }
  lines.push(...choiceLines(node.kind === 'map' ? node.entry : inner, indent));
  const facts = [
    ...(inner.kind === 'integer' || inner.kind === 'number' ? [rangeText(inner)] : []),
    ...(node.words.secret ? ['Secret.'] : []),
    ...(node.required || node.fallback !== undefined || inner.kind === 'section' ? [] : ['May be left out.']),
  ];
  if (facts.length > 0) lines.push(`${indent}# ${facts.join(' ')}`);
  return lines;
}

function choiceLines(node: SettingNode, indent: string): string[] {
  return choicesOf(node).flatMap(({ value, words }) =>
    wrap(`${value}: ${words.replaceAll('`', '')}`, `${indent}#   `, `${indent}#     `),
  );
}

function rangeText(node: Extract<SettingNode, { kind: 'integer' | 'number' | 'text' | 'switch' }>): string {
  const text = rangeWords(node.min, node.max, node.words.unit);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function wrap(text: string, first: string, next: string): string[] {
  if (text === '') return [];
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of text.split(' ')) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = next;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  lines.push(line);
  return lines;
}
