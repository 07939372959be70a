import { z } from 'zod';
import { baseUrl, line } from '../formats.ts';
import { choice, setting } from '../setting.ts';

/** `operator`: who answers for this deployment; stands in every boundary notice. */
export const operatorSection = setting(
  z.strictObject({
    name: setting(line(200), {
      description:
        'Who runs this deployment. Stands in the notice that people answer before they opt in, and in the one that contacts get. A ' +
        'change asks everyone again.',
      sample: 'CHANGE-ME',
    }),
    contact: setting(line(200), {
      description:
        'How people reach the operator: a Matrix id, an e-mail address or a URL. Stands in the same notices.',
      sample: 'CHANGE-ME',
    }),
    mode: setting(
      choice({
        'own-endpoint':
          'People are told that the bridge is their own machine. Say so only if its operator is its one user.',
        provider:
          'People are told that the operator hosts the bridge for others and could read their messages.',
      }).default('provider'),
      {
        description:
          'What people are told about whose machine decrypts their messages. A change asks everyone again.',
      },
    ),
    privacy_url: setting(baseUrl('https').optional(), {
      description: 'Page that says how the operator treats personal data. Left out: the notice names none.',
      sample: 'https://example.com/privacy',
    }),
    source_url: setting(baseUrl('https'), {
      description:
        'Where people get the source of exactly the version that runs here, with your changes if you made any (AGPL-3.0 section 13). ' +
        'The `version` command names it.',
      sample: 'https://example.com/drawbridge-source',
    }),
  }),
  { description: 'Who answers for this deployment.' },
);
