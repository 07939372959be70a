import { z } from 'zod';
import { choice, setting } from '../setting.ts';

/** `logging`: what goes to standard output. */
export const loggingSection = setting(
  z
    .strictObject({
      level: setting(
        choice({
          error: 'Only what looks like a bug.',
          warn: 'Also what an operator can act on.',
          info: 'Also changes of state: links that come and go, people who opt in and out.',
          debug: 'Also what a developer follows: causes of failures in full. Chatty.',
        }).default('info'),
        { description: 'How much is logged. No level logs content, keys or tokens.' },
      ),
      format: setting(
        choice({ json: 'One JSON object a line.', pretty: 'Lines for a person at a terminal.' }).default(
          'json',
        ),
        { description: 'How log lines look. They go to standard output.' },
      ),
      contact_ids: setting(
        choice({
          redacted: 'Contacts appear as a short hash: the same contact can be followed, but not named.',
          plain: 'Contacts appear with their identifiers, which may be phone numbers.',
        }).default('redacted'),
        { description: 'How contacts appear in the log.' },
      ),
    })
    .prefault({}),
  { description: 'The log.' },
);
