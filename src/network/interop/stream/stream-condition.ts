/** Stream errors (RFC 6120 §4.9): theirs into ours, and ours onto the wire. Pure. */
import type { Element } from '@xmpp/client';
import { type BridgeError, hasCode } from '../../../model/errors.ts';
import { streamErrors } from './errors.ts';
import { NS_SM, NS_STREAM_ERRORS } from './namespaces.ts';

/** What a server answers to a stanza that it can't bear; some use one, some another. */
const blaming: ReadonlySet<string> = new Set([
  'bad-format',
  'bad-namespace-prefix',
  'improper-addressing',
  'invalid-from',
  'invalid-namespace',
  'invalid-xml',
  'not-well-formed',
  'policy-violation',
  'restricted-xml',
  'unsupported-stanza-type',
]);

/** @param error `<error/>` of the streams namespace. */
export function toStreamError(error: Element): BridgeError {
  const children = error.getChildElements().filter((child) => child.getNS() === NS_STREAM_ERRORS);
  const name = children.find((child) => child.name !== 'text')?.name ?? 'undefined-condition';
  const condition = /^[a-z-]{1,40}$/.test(name) ? name : 'undefined-condition';
  switch (condition) {
    case 'conflict':
      return streamErrors.conflict({ condition });
    case 'policy-violation':
      return streamErrors.policyViolation({ condition });
    case 'see-other-host':
      return streamErrors.redirected({ condition });
    default:
      return streamErrors.closedByServer({ condition });
  }
}

/** Whether the server ended the stream by an error that may be about a stanza which we sent. */
export function mayBlameStanza(reason: BridgeError): boolean {
  return blaming.has(String(reason.facts.condition));
}

/** Whether the server ended the stream by an error. */
export function isFromServer(reason: BridgeError): boolean {
  return ['stream/conflict', 'stream/policyViolation', 'stream/redirected', 'stream/closedByServer'].includes(
    reason.code,
  );
}

/** The last words to a peer that broke a rule: a stream error and the end of the stream. */
export function farewell(reason: BridgeError): string {
  const condition = conditionFor(reason);
  const application = hasCode(reason, 'stream/handledCountTooHigh')
    ? `<handled-count-too-high xmlns="${NS_SM}" h="${reason.facts.handled}" send-count="${reason.facts.sent}"/>`
    : '';
  return `<stream:error><${condition} xmlns="${NS_STREAM_ERRORS}"/>${application}</stream:error></stream:stream>`;
}

function conditionFor(reason: BridgeError): string {
  switch (reason.code) {
    case 'stream/notWellFormed':
      return 'not-well-formed';
    case 'stream/limitExceeded':
      return 'policy-violation';
    case 'stream/timeout':
      return 'connection-timeout';
    case 'stream/storeFailed':
      return 'internal-server-error';
    default:
      return 'undefined-condition';
  }
}
