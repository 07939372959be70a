import { sampleText } from '../../../src/config/pages/sample.ts';
import { configTree } from '../../../src/config/settings.ts';

/** The sample as an operator fills it: every placeholder replaced, nothing else touched. */
export function filledSample(): string {
  return sampleText(configTree())
    .replace('as_token: CHANGE-ME', `as_token: ${'a'.repeat(32)}`)
    .replace('hs_token: CHANGE-ME', `hs_token: ${'h'.repeat(32)}`)
    .replace(
      'master_key: CHANGE-ME',
      `master_key: ${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`,
    )
    .replaceAll('CHANGE-ME', 'Bridge Test')
    .replaceAll('example.com', 'bridge.test');
}
