import type { FormattedText } from './chat-event.ts';

/** The text with words before it, its ranges moved along. */
export function withPrefix(prefix: string, text: FormattedText): FormattedText {
  const by = Array.from(prefix).length;
  return {
    body: prefix + text.body,
    ranges: text.ranges.map((range) => ({ ...range, start: range.start + by })),
  };
}

/** The text with what it answers quoted before it; as it is when there is nothing to quote. */
export function quoting(excerpt: string, text: FormattedText): FormattedText {
  const quoted = excerpt.trim();
  if (quoted === '') return text;
  const { body, ranges } = withPrefix(`${quoted}\n`, text);
  return {
    body,
    ranges: [{ start: 0, length: Array.from(quoted).length, style: 'quote', value: '' }, ...ranges],
  };
}
