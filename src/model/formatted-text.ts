import type { FormattedText } from './chat-event.ts';

/** The text with words before it, its ranges moved along. */
export function withPrefix(prefix: string, text: FormattedText): FormattedText {
  const by = Array.from(prefix).length;
  return {
    body: prefix + text.body,
    ranges: text.ranges.map((range) => ({ ...range, start: range.start + by })),
  };
}
