/**
 * The body without the quotation of what it answers, which older clients put before a reply (Matrix specification up to 1.12,
 * "Fallbacks for rich replies"): lines that begin with `> `, the first naming the sender, and an empty line.
 */
export function withoutReplyFallback(body: string): string {
  if (!/^> (?:\* )?<@[^>\n]*>/.test(body)) return body;
  const lines = body.split('\n');
  let quoted = 0;
  while (/^>(?: |$)/.test(lines[quoted] ?? '')) quoted += 1;
  if (lines[quoted] === '') quoted += 1;
  const rest = lines.slice(quoted).join('\n');
  // A reply of nothing but a quotation is shown as it is.
  return rest.trim() === '' ? body : rest;
}
