/** A log line for people at a terminal: `2026-11-21 22:15:43.123 WARN  message  name=value …`, the stack indented below. */

/** @param line one JSON object as the log writes it, with `time` (ISO 8601), `level` and `msg`. @returns text with a line break. */
export function prettyLine(line: string): string {
  const { time, level, msg, stack, ...facts } = JSON.parse(line) as Record<string, unknown>;
  const when = String(time).replace('T', ' ').replace('Z', '');
  const told = Object.entries(facts).map(([name, value]) => `${name}=${shown(value)}`);
  const head = `${when} ${String(level).toUpperCase().padEnd(5)} ${visible(String(msg))}`;
  const traced = typeof stack === 'string' ? stack.split('\n').map((row) => `\n    ${visible(row)}`) : [];
  return `${[head, ...told].join('  ')}${traced.join('')}\n`;
}

function shown(value: unknown): string {
  if (typeof value !== 'string') return visible(JSON.stringify(value) ?? 'undefined');
  return /^[^\s"=\p{C}]+$/u.test(value) ? value : visible(JSON.stringify(value));
}

/** A peer's text must not move the cursor, colour the terminal or begin a line of its own. */
function visible(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
