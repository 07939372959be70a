/** Answers to the iq requests of others (RFC 6120 §8.2.3). Pure. */
import { type Element, xml } from '@xmpp/client';
import { NS_DISCO_INFO, NS_PING, NS_STANZA_ERRORS } from './namespaces.ts';

const maxIdLength = 1024;
/** RFC 7622 §3.1. */
const maxJidLength = 3071;

/**
 * @param iq a received `<iq/>` of any type.
 * @returns the answer; `undefined` for a result or an error, which are never answered, and for a request whose id or
 *   sender is too long to give back. The payload is not repeated: it is the asker's to remember.
 */
export function answerIq(iq: Element): Element | undefined {
  const { type, id, from } = iq.attrs;
  if (type === 'result' || type === 'error') return undefined;
  if ((id?.length ?? 0) > maxIdLength || (from?.length ?? 0) > maxJidLength) return undefined;
  const answer = (kind: 'result' | 'error', ...children: Element[]) =>
    xml('iq', { type: kind, to: from, id }, ...children);
  const payload = iq.getChildElements();
  const [asked] = payload;
  if ((type !== 'get' && type !== 'set') || id === undefined || asked === undefined || payload.length !== 1) {
    return answer('error', errorElement('modify', 'bad-request'));
  }
  if (type === 'get' && asked.is('ping', NS_PING)) return answer('result');
  if (type === 'get' && asked.is('query', NS_DISCO_INFO)) {
    if (asked.attrs.node !== undefined) return answer('error', errorElement('cancel', 'item-not-found'));
    return answer('result', discoInfo());
  }
  return answer('error', errorElement('cancel', 'service-unavailable'));
}

function discoInfo(): Element {
  return xml(
    'query',
    { xmlns: NS_DISCO_INFO },
    xml('identity', { category: 'client', type: 'bot' }),
    xml('feature', { var: NS_DISCO_INFO }),
    xml('feature', { var: NS_PING }),
  );
}

function errorElement(type: string, condition: string): Element {
  return xml('error', { type }, xml(condition, { xmlns: NS_STANZA_ERRORS }));
}
