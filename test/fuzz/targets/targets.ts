/** Every target. */
import type { FuzzTarget } from '../fuzz-target.ts';
import { commandLine } from './command-line.ts';
import { config } from './config.ts';
import { content } from './content.ts';
import { errorAnswer } from './error-answer.ts';
import { formattedText } from './formatted-text.ts';
import { gatekeeperAnswer } from './gatekeeper-answer.ts';
import { homeserverAnswer } from './homeserver-answer.ts';
import { keysAnswer } from './keys-answer.ts';
import { matrixEvent } from './matrix-event.ts';
import { matrixHtml } from './matrix-html.ts';
import { proofToken } from './proof-token.ts';
import { publicEndpoint } from './public-endpoint.ts';
import { pushToken } from './push-token.ts';
import { storedStanza } from './stored-stanza.ts';
import { streamReader } from './stream-reader.ts';
import { transaction } from './transaction.ts';

export const targets: readonly FuzzTarget[] = [
  streamReader,
  storedStanza,
  content,
  matrixEvent,
  matrixHtml,
  formattedText,
  commandLine,
  errorAnswer,
  keysAnswer,
  pushToken,
  proofToken,
  config,
  transaction,
  publicEndpoint,
  gatekeeperAnswer,
  homeserverAnswer,
];
