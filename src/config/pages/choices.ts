import type { SettingNode } from '../settings.ts';

/**
 * For a choice, each value with what then happens; one that is refused for now says so. Empty for any other kind: for
 * a list or a map, ask for its entry.
 */
export function choicesOf(node: SettingNode): readonly { readonly value: string; readonly words: string }[] {
  if (node.kind !== 'choice') return [];
  return Object.entries(node.consequences).map(([value, words]) => {
    const refusal = node.notYet[value];
    return { value, words: refusal === undefined ? words : `${words} Refused for now: ${refusal}.` };
  });
}
