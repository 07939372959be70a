/** New tokens written into a configuration's text. Only the values change: comments and layout stay to the letter. */
import { isMap, isScalar, parseDocument } from 'yaml';
import { environmentName } from '../config/environment.ts';
import { isPlaceholder } from '../config/placeholders.ts';
import type { CliIo } from './io.ts';

export type NewSecrets =
  | { readonly kind: 'written'; readonly text: string; readonly names: readonly string[] }
  /** `reason` says what has to be changed where. */
  | { readonly kind: 'refused'; readonly reason: string };

const TOKENS = ['as_token', 'hs_token'] as const;

interface Splice {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/**
 * Puts new random tokens into `text`, and a new master key where that is still the sample's placeholder. A master key
 * that is in use is never touched: what it sealed would be lost. Text that is not YAML comes back as it is; the loader
 * has the words for it.
 */
export function withNewSecrets(text: string, io: Pick<CliIo, 'environment' | 'random'>): NewSecrets {
  const document = parseDocument(text);
  if (document.errors.length > 0 || !isMap(document.contents)) return { kind: 'written', text, names: [] };
  const names: string[] = [];
  const splices: Splice[] = [];
  for (const key of TOKENS) {
    const elsewhere = otherSource(key, io);
    if (elsewhere !== undefined)
      return { kind: 'refused', reason: `${key} comes from ${elsewhere}: change it there` };
    if (document.hasIn(['appservice', `${key}_file`])) {
      return {
        kind: 'refused',
        reason: `${key} comes from the file that ${key}_file names: change it there`,
      };
    }
    const node = document.getIn(['appservice', key], true);
    if (!isScalar(node) || !node.range) {
      return { kind: 'refused', reason: `appservice has no ${key} to fill: add "${key}: CHANGE-ME"` };
    }
    names.push(`appservice.${key}`);
    splices.push(splice(node.range, io.random.bytes(32).toString('hex')));
  }
  const master = document.getIn(['encryption', 'master_key'], true);
  if (isScalar(master) && master.range && typeof master.value === 'string' && isPlaceholder(master.value)) {
    names.push('encryption.master_key');
    splices.push(splice(master.range, io.random.bytes(32).toString('base64')));
  }
  return { kind: 'written', text: spliced(text, splices), names };
}

/** The variable that goes before the file, if there is one. */
function otherSource(key: string, io: Pick<CliIo, 'environment'>): string | undefined {
  const name = environmentName(['appservice', key]);
  return [name, `${name}_FILE`].find((variable) => (io.environment[variable] ?? '') !== '');
}

function splice([from, to]: readonly [number, number, number], value: string): Splice {
  // In quotes, because hexadecimal may look like a number; an empty value stands directly behind its colon.
  return { from, to, text: `${from === to ? ' ' : ''}"${value}"` };
}

function spliced(text: string, splices: readonly Splice[]): string {
  // From the end, so that the places before stay what they are.
  return splices
    .toSorted((one, other) => other.from - one.from)
    .reduce((before, { from, to, text: put }) => before.slice(0, from) + put + before.slice(to), text);
}
