/** `registration.yaml` at the top of the project: the registration that belongs to the sample, with its placeholders. */

import { Secret } from '../src/config/secret.ts';
import { nodeAt, type SettingNode } from '../src/config/settings.ts';
import { registrationFor, registrationText } from '../src/matrix/registration.ts';

/** The text of the registration that the sample gives; its tokens are the sample's placeholders. */
export function sampleRegistrationText(tree: SettingNode): string {
  const sampled = (...path: string[]): string => {
    const node = nodeAt(tree, path);
    return String(node?.fallback ?? node?.words.sample);
  };
  const registration = registrationFor({
    homeserver: { domain: sampled('homeserver', 'domain') },
    appservice: {
      id: sampled('appservice', 'id'),
      address: sampled('appservice', 'address'),
      bot: { username: sampled('appservice', 'bot', 'username') },
      ghost_prefix: sampled('appservice', 'ghost_prefix'),
      as_token: new Secret(sampled('appservice', 'as_token')),
      hs_token: new Secret(sampled('appservice', 'hs_token')),
    },
  });
  return `# A sample, matching config.sample.yaml. "drawbridge register" makes yours.\n${registrationText(registration)}`;
}
