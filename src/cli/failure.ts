import { causeFacts } from '../ambient/cause-chain.ts';
import { BridgeError } from '../model/errors.ts';

/**
 * What may be shown of a failure that ends a command: codes, ids and places. The messages of foreign errors may quote
 * what they were given, and stay out.
 */
export function failureLines(failure: unknown): string[] {
  const [first, ...causes] = causeFacts(failure, false).causes;
  const lines = [`failed: ${first}`, ...causes.map((cause) => `because of: ${cause}`)];
  // Ours are foreseen and say enough; for any other the place is the only hint.
  return failure instanceof BridgeError ? lines : [...lines, ...frames(failure)];
}

function frames(failure: unknown): string[] {
  if (!(failure instanceof Error)) return [];
  return (failure.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 10);
}
